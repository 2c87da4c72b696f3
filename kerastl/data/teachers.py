"""Finds the finished run whose answers a training learns, and whether it may teach."""

import hashlib
import json
import pathlib
import zipfile

import numpy as np

from kerastl.data.splits import Splits, Teacher
from kerastl.data.splits_file import list_images
from kerastl.errors import DAMAGED, bad_value, first_line
from kerastl.export_formats import CARD_FILE, FORMATS
from kerastl.progress import count_of
from kerastl.split_names import SPLITS_FILE, TRAIN, VALIDATION

_FIELD = "teacher"
_MODEL = FORMATS["keras"].file
# What a Keras file holds besides the time at which it was written.
_PARTS = ("config.json", "model.weights.h5")
_CLASSES_SHOWN = 3


def find_teacher(run_dir: str, splits: Splits) -> Teacher:
    """Finds a teacher for the images of `splits`.

    Raises:
        UsageError: If it is no finished run, knows other classes, or was trained on images that
            are held out here: what it answers would carry their labels over.
    """
    folder = pathlib.Path(run_dir)
    try:
        card = json.loads((folder / CARD_FILE).read_text("utf-8"))
        class_names = tuple(card["class_names"])
        teacher = Teacher(
            folder / _MODEL,
            _fingerprint(folder / _MODEL),
            card["input"]["image_size"],
            card["input"]["resize"],
        )
        split_of = {row.sha256: row.split for row in list_images(folder / SPLITS_FILE)}
        if "" in split_of:
            raise ValueError(f"{SPLITS_FILE} of an earlier version names no contents")
    except DAMAGED as error:
        problem = f"holds no finished run ({first_line(error)})"
        raise bad_value(_FIELD, run_dir, problem, "Give the run_dir of a finished run") from error
    _check_classes(run_dir, class_names, splits.source.class_names)
    _check_held_out(run_dir, split_of, splits)
    return teacher


def _fingerprint(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        for part in _PARTS:
            digest.update(archive.read(part))
    return digest.hexdigest()


def _check_classes(run_dir: str, known: tuple[str, ...], needed: tuple[str, ...]) -> None:
    if known != needed:
        shown = [", ".join((*names[:_CLASSES_SHOWN], "...")) for names in (known, needed)]
        raise bad_value(
            _FIELD,
            run_dir,
            f"knows {len(known)} classes ({shown[0]}), and the images have {len(needed)} "
            f"({shown[1]})",
            "Give a run with the same classes in the same order",
        )


def _check_held_out(run_dir: str, split_of: dict[str, str], splits: Splits) -> None:
    """Refuses a teacher that was trained, or chosen, by images that are held out here."""
    seen = _count(splits, splits.validation, split_of, (TRAIN,))
    seen += _count(splits, splits.test, split_of, (TRAIN, VALIDATION))
    if seen:
        path = pathlib.Path(run_dir) / SPLITS_FILE
        raise bad_value(
            _FIELD,
            run_dir,
            f"was trained on {count_of(seen, 'image')} that this run holds out",
            f"Add --splits_from={path}, which keeps its splits",
        )


def _count(
    splits: Splits, indices: np.ndarray, split_of: dict[str, str], names: tuple[str, ...]
) -> int:
    hashes = (row.tobytes().hex() for row in splits.source.hashes[indices])
    return sum(split_of.get(one) in names for one in hashes)
