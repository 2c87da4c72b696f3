"""The images of a model's run, which its `splits.csv` lists, by the hash of their content."""

import pathlib

from kerastl.data.splits_file import list_images
from kerastl.errors import DAMAGED
from kerastl.outputs.artifact import Artifact
from kerastl.outputs.directories import RunFile
from kerastl.split_names import TRAIN


def find_run_images(artifact: Artifact) -> pathlib.Path | None:
    """Finds `splits.csv` of a model's run; None where it is not beside the model."""
    beside = artifact.path.with_name(RunFile.SPLITS.value)
    # What an export stands in may be another run's directory.
    return beside if artifact.path.name == RunFile.MODEL and beside.exists() else None


def read_run_images(path: pathlib.Path | None) -> dict[str, str] | None:
    """Reads the split of each image of a run by its hash.

    Returns:
        None where that is not known: `path` is None, or the file an earlier version's or damaged.
    """
    try:
        images = list_images(path) if path else []
    except DAMAGED:
        return None
    # Equal images may be in two splits of the data; what was trained on counts.
    order = sorted(images, key=lambda one: one.split == TRAIN)
    has_all = bool(images) and all(one.sha256 for one in images)
    return {one.sha256: one.split for one in order} if has_all else None
