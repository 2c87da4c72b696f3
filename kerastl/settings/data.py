"""Settings of the data: which images there are and how they are split."""

import dataclasses
import os
import pathlib
import posixpath

from kerastl import layouts
from kerastl.data_sources import DATA_SOURCES, DataSource, forms
from kerastl.errors import bad_value, closest
from kerastl.paths import checked
from kerastl.settings.base import Settings
from kerastl.settings.field import Decides, Within, describe, setting
from kerastl.split_names import SPLITS

_ABOUT = [f"{form}, {DATA_SOURCES[kind].about}" for kind, form in forms().items()]
_SHARE = Within(0, 1, open_low=True, open_high=True)


# Settings about the columns of a table.
_COLUMNS = (*(f"{role}_column" for role in ("image", "label", "split", "group")), "split_values")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings(Settings):
    """Where labeled images come from and how they are split."""

    topic = "Data"

    dataset: str = setting(
        help=f"Labeled images: {'; '.join(_ABOUT[:-1])}; or {_ABOUT[-1]}.",
        decides=Decides.IMAGES,
        reads=True,
        example="digits",
        also="data data_dir data_path dataset_path dataset_dir train_dir train_data image_dir "
        "images input input_dir",
    )
    tfds_dir: str = setting(
        "",
        help="Where TensorFlow Datasets keeps prepared data; empty for its own default.",
        reads=True,
        is_path=True,
        also="tfds_data_dir",
    )
    validation_fraction: float = setting(
        0.1,
        help="Share of the training images held out to choose the best weights, if the data set "
        "has no validation split.",
        within=_SHARE,
        decides=Decides.IMAGES,
        also="validation_split val_split val_size val_fraction valid_pct validation_size",
    )
    test_fraction: float = setting(
        0.1,
        help="Share of the training images held out for the final test, if the data set has no "
        "test split.",
        within=_SHARE,
        decides=Decides.IMAGES,
        also="test_split test_size test_pct",
    )
    examples_per_class: int = setting(
        0,
        help="Keep this many training images of each class; 0 keeps all.",
        within=Within(0),
        decides=Decides.IMAGES,
        also="shots num_shots samples_per_class images_per_class",
    )
    splits_from: str = setting(
        "",
        help="The splits.csv of an earlier run. Its images stay in their splits; only new ones "
        "are assigned. Empty for none.",
        is_path=True,
        decides=Decides.IMAGES,
    )
    fixes: str = setting(
        "",
        help="A fixes.csv of images to relabel, drop or keep, known by their content; the page of "
        "a run makes one. Empty for none.",
        is_path=True,
        decides=Decides.IMAGES,
    )
    teacher: str = setting(
        "",
        help="The run_dir of a finished run with the same classes, whose answers for the training "
        "images a smaller network learns beside the labels. Empty for none.",
        is_path=True,
        decides=Decides.IMAGES,
    )
    small_classes: str = setting(
        "stop",
        help="If a class has too few images for every split: stop, or train on all of its images "
        "and evaluate none.",
        choices=("stop", "train"),
        decides=Decides.IMAGES,
    )
    near_duplicates: str = setting(
        "group",
        help="Near-duplicate images, and copies and bursts by their names, as x_rot90.jpg: group "
        "keeps them in the same split; report only lists them in audit.csv.",
        choices=("group", "report"),
        decides=Decides.IMAGES,
    )
    on_bad_image: str = setting(
        "stop",
        help="If a file cannot be used: stop, or skip it.",
        choices=("stop", "skip"),
        decides=Decides.IMAGES,
    )
    layout: str = setting(
        layouts.AUTO,
        help="What the folders in folder:DIR name, from the top: the words split, class, group "
        "and folder, with slashes between, as in split/class/group. The images of a group stay in "
        "the same split, and folder names nothing. file as the last word takes the class from the "
        "name of the file, as in cat.12.jpg. auto finds the layout, or stops.",
        decides=Decides.IMAGES,
        reads=True,
    )
    leave_out: str = setting(
        "",
        help="Folders in folder:DIR that are no data, by their names or the ends of their paths, "
        "as in test,dogs/old. Commas separate several, and * stands for any letters. Empty for "
        "none.",
        decides=Decides.IMAGES,
        reads=True,
        also="exclude exclude_dirs ignore ignore_folders skip_folders",
    )
    image_column: str = setting(
        "",
        help="The table's column of image paths; empty to find it by its values and name.",
        decides=Decides.IMAGES,
        reads=True,
    )
    label_column: str = setting(
        "",
        help="The table's column of classes; empty to find it by its values and name.",
        decides=Decides.IMAGES,
        reads=True,
    )
    split_column: str = setting(
        "",
        help="The table's column, or the array, of splits; empty to find it by its values and "
        "name, none for none.",
        decides=Decides.IMAGES,
        reads=True,
    )
    split_values: str = setting(
        "",
        help="What values of that column mean, as in 4=test,3=validation for folds: others that "
        "mean no split are for training. Empty to read words for splits.",
        decides=Decides.IMAGES,
        reads=True,
    )
    group_column: str = setting(
        "",
        help="The table's column of groups, such as patients, whose images stay in the same "
        "split; empty to find it by its values and name.",
        decides=Decides.IMAGES,
        reads=True,
    )

    @property
    def written_folders(self) -> tuple[pathlib.Path, ...]:
        """Folders that the command itself fills, whose images are not data."""
        return ()

    @property
    def source_kind(self) -> DataSource:
        """What kind of data set it is."""
        return DATA_SOURCES[self.dataset.partition(":")[0]]

    @property
    def reading(self) -> dict[str, str]:
        """What data set is read and how, by setting."""
        known = describe(DataSettings)
        return {name: getattr(self, name) for name in known if known[name].reads}

    @property
    def meanings_of_splits(self) -> dict[str, str]:
        """The splits that values of the split column stand for, empty if none was given."""
        pairs = (pair.rpartition("=") for pair in self.split_values.split(",") if pair)
        return {value.strip(): split.strip() if equals else "" for value, equals, split in pairs}

    @property
    def left_out(self) -> tuple[str, ...]:
        """The patterns of names and paths in `leave_out`."""
        parts = (part.strip() for part in self.leave_out.split(","))
        return tuple(posixpath.normpath(part) for part in parts if part)

    @property
    def trains_small_classes(self) -> bool:
        """Whether a class that is too small for every split is only trained on."""
        return self.small_classes == "train"

    def _check(self) -> None:
        super()._check()
        self._check_dataset()
        if self.validation_fraction + self.test_fraction >= 1:
            raise bad_value(
                "validation_fraction",
                self.validation_fraction,
                f"together with test_fraction={self.test_fraction} leaves nothing to train on",
                "Their sum must stay below 1",
            )
        self._check_layout()
        self._check_columns()
        if {*self.meanings_of_splits.values()} - {*SPLITS}:
            raise bad_value(
                "split_values",
                self.split_values,
                "does not say which split each value is",
                f"Use VALUE=SPLIT, with commas between several; splits are {', '.join(SPLITS)}",
            )

    def _check_columns(self) -> None:
        kind = self.source_kind
        for field in _COLUMNS:
            applies = kind.has_split_column if field.startswith("split") else kind.has_columns
            if getattr(self, field) and not applies:
                raise bad_value(
                    field,
                    getattr(self, field),
                    f"is for a column of a table, and dataset={self.dataset!r} is not a table",
                    "Leave it out, or use csv:FILE",
                )

    def _check_layout(self) -> None:
        if problem := layouts.why_wrong(self.layout):
            near = closest(self.layout.replace("*", layouts.FOLDER), layouts.USUAL)
            meant = f"Did you mean {near[0]!r}? " if near else ""
            raise bad_value(
                "layout",
                self.layout,
                problem,
                f"{meant}Use {layouts.AUTO}, or {', '.join(layouts.LEVELS[:-1])} and "
                f"{layouts.LEVELS[-1]} in the order of the folders, as in {layouts.USUAL[1]}",
            )
        if self.layout != layouts.AUTO:
            self._check_is_folder("layout")
        if self.leave_out:
            self._check_is_folder("leave_out")

    def _check_is_folder(self, field: str) -> None:
        if not self.source_kind.has_layout:
            raise bad_value(
                field,
                getattr(self, field),
                f"is for reading a folder, and dataset={self.dataset!r} is not a folder",
                "Leave it out, or use folder:DIR",
            )

    def _check_dataset(self) -> None:
        kind, has_place, place = self.dataset.partition(":")
        known = DATA_SOURCES.get(kind)
        if known and bool(known.place) == bool(has_place) == bool(place):
            if known.is_path:
                checked(place, field="dataset", value=self.dataset)
            return
        near = closest(self.dataset, [form for form in forms().values() if ":" not in form])
        meant = find_meant(self.dataset) or (*near, "")[0]
        advice = f"Did you mean {meant!r}? " if meant else ""
        *others, last = forms().values()
        raise bad_value(
            "dataset",
            self.dataset,
            "is not a data set",
            f"{advice}Use {', '.join(others)} or {last}",
        )


def find_meant(dataset: str) -> str:
    """Completes a path that there is, and writes the kind of a data set as it is; empty if none."""
    kind, colon, place = dataset.partition(":")
    if colon and kind != kind.lower() in DATA_SOURCES:
        return f"{kind.lower()}:{place}"
    path = os.path.expanduser(dataset.removeprefix("file://"))
    if os.path.isdir(path):
        return f"folder:{path}"
    if not os.path.isfile(path):
        return ""
    kinds = (kind for kind, row in DATA_SOURCES.items() if path.lower().endswith(row.endings))
    return f"{next(kinds, 'csv')}:{path}"
