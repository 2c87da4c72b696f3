"""The kinds of data sets that `--dataset` accepts; imports nothing slow.

A kind is a row of `DATA_SOURCES`, and unless Python code passes it in, a module with a function
`open_source(place, data, *, memory, progress) -> Source`: `place` is what follows the kind, `data`
the settings of all kinds, `memory` a directory that keeps the hashes of files, or None.
"""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSource:
    """Describes a kind before its data are read.

    Attributes:
        place: What follows the kind and a colon in `--dataset`; empty for nothing.
        about: What it is, to follow its form in the help.
        module: The module that opens it; empty if it is passed in.
        has_columns: Whether the flags that name columns apply to it.
        has_split_column: Whether those for the column of splits do.
        has_layout: Whether folders name its classes.
        is_path: Whether `place` is a path.
        endings: Of the names of its files, where they tell it.
        is_opened_whole: Whether its images are no files of their own, and are there without a run.
        is_passed_in: Whether it is a `Source` that Python code passes in, which no flag can.
    """

    place: str
    about: str
    module: str = ""
    has_columns: bool = False
    has_split_column: bool = False
    has_layout: bool = False
    is_path: bool = False
    endings: tuple[str, ...] = ()
    is_opened_whole: bool = False
    is_passed_in: bool = False


FROM_PYTHON = "python"
DATA_SOURCES = {
    "folder": DataSource(
        place="DIR",
        about="with a folder for each class, or train, val and test above those",
        module="kerastl.data.folders",
        has_layout=True,
        is_path=True,
    ),
    "csv": DataSource(
        place="FILE",
        about="with a row of path and label for each image",
        module="kerastl.data.tables",
        has_columns=True,
        has_split_column=True,
        is_path=True,
    ),
    "arrays": DataSource(
        place="FILE",
        about="with images and labels as arrays: .npz, IDX, .mat or HDF5, or a folder of such",
        module="kerastl.data.array_files",
        has_split_column=True,
        is_path=True,
        endings=(".npz", ".npy", ".mat", ".h5", ".hdf5"),
        is_opened_whole=True,
    ),
    "tfds": DataSource(
        place="NAME",
        about="of TensorFlow Datasets",
        module="kerastl.data.tfds_source",
    ),
    "digits": DataSource(
        place="",
        about="which scikit-learn includes",
        module="kerastl.data.builtin",
        is_opened_whole=True,
    ),
    FROM_PYTHON: DataSource(place="", about="a Source from Python code", is_passed_in=True),
}


def forms() -> dict[str, str]:
    """Returns how each kind that flags can open is written in `--dataset`, as in `folder:DIR`."""
    return {
        kind: f"{kind}:{source.place}" if source.place else kind
        for kind, source in DATA_SOURCES.items()
        if not source.is_passed_in
    }
