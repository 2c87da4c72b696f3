import dataclasses
import json
import zipfile

import pytest

import fakes
from kerastl.data.splits import make_splits
from kerastl.data.splits_file import HEADER, list_rows
from kerastl.data.teachers import find_teacher
from kerastl.errors import UsageError
from kerastl.settings import DataSettings
from kerastl.writing import csv_text

SOURCE = fakes.color_source()


def make(seed=0, **changes):
    return make_splits(SOURCE, DataSettings(dataset="digits", seed=seed, **changes))


SPLITS = make()


def write_keras(path, *, weights=b"1", date=b"today"):
    parts = {"config.json": b"{}", "model.weights.h5": weights, "metadata.json": date}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def write_teacher(folder, splits=SPLITS, *, class_names=SOURCE.class_names, **parts):
    """Writes the files of a finished run that a teacher is known by."""
    folder.mkdir()
    write_keras(folder / "model.keras", **parts)
    card = {"class_names": class_names, "input": {"image_size": 32, "resize": "pad"}}
    (folder / "model_card.json").write_text(json.dumps(card))
    (folder / "splits.csv").write_text(csv_text(HEADER, list_rows(splits)))
    return folder


def test_teacher_is_known_by_its_network_and_not_by_its_place_or_time(tmp_path):
    folder = write_teacher(tmp_path / "first")
    teacher = find_teacher(str(folder), SPLITS)
    assert (teacher.model, teacher.image_size, teacher.resize) == (
        folder / "model.keras",
        32,
        "pad",
    )
    later = write_teacher(tmp_path / "later", date=b"tomorrow")
    assert find_teacher(str(later), SPLITS).fingerprint == teacher.fingerprint
    other = write_teacher(tmp_path / "other", weights=b"2")
    assert find_teacher(str(other), SPLITS).fingerprint != teacher.fingerprint


@pytest.mark.parametrize("missing", ["model.keras", "model_card.json", "splits.csv"])
def test_what_is_no_finished_run_does_not_teach(tmp_path, missing):
    folder = write_teacher(tmp_path / "run")
    (folder / missing).unlink()
    with pytest.raises(UsageError, match=r"^teacher='.*run': holds no finished run \(.*\)\. Give"):
        find_teacher(str(folder), SPLITS)


def test_splits_without_contents_do_not_count_as_others(tmp_path):
    folder = write_teacher(tmp_path / "run")
    (folder / "splits.csv").write_text("example,class_name,split\na,b,train\n")
    with pytest.raises(UsageError, match=r"splits\.csv of an earlier version names no contents"):
        find_teacher(str(folder), SPLITS)


@pytest.mark.parametrize("names", [("red", "green", "blue"), ("blue", "green"), ("cat",) * 4])
def test_teacher_has_to_know_the_classes_in_their_order(tmp_path, names):
    folder = write_teacher(tmp_path / "run", class_names=names)
    problem = rf"knows {len(names)} classes \({names[0]}, .*, and the images have 3 \(blue, green"
    with pytest.raises(UsageError, match=problem):
        find_teacher(str(folder), SPLITS)


def test_teacher_has_not_been_trained_on_images_that_are_held_out(tmp_path):
    other = make(seed=1)
    folder = write_teacher(tmp_path / "run", other)
    seen = {*other.train.tolist(), *other.validation.tolist()}
    leaked = len(seen & {*SPLITS.test.tolist()})
    leaked += len({*other.train.tolist()} & {*SPLITS.validation.tolist()})
    assert leaked > 1
    advice = rf"was trained on {leaked} images that this run holds out\. Add --splits_from=.*csv"
    with pytest.raises(UsageError, match=advice):
        find_teacher(str(folder), SPLITS)
    # Its own validation images may choose once more, and what it has not seen may train.
    kept = dataclasses.replace(other, train=other.train[1:])
    assert find_teacher(str(folder), kept)


def test_images_that_the_teacher_left_out_may_score(tmp_path):
    few = make(examples_per_class=2)
    folder = write_teacher(tmp_path / "run", few)
    assert find_teacher(str(folder), dataclasses.replace(few, test=few.unused))


def test_images_that_chose_the_teacher_do_not_score(tmp_path):
    folder = write_teacher(tmp_path / "run")
    swapped = dataclasses.replace(SPLITS, validation=SPLITS.test, test=SPLITS.validation)
    with pytest.raises(UsageError, match=f"trained on {len(SPLITS.validation)} images that this"):
        find_teacher(str(folder), swapped)
    # As validation images they may choose once more.
    assert find_teacher(str(folder), dataclasses.replace(swapped, test=SPLITS.test[:0]))
