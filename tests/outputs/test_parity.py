import contextlib
import dataclasses
import os
import sys
import time

import numpy as np
import pytest

from kerastl.outputs import parity
from kerastl.outputs.parity import (
    Distances,
    ExportError,
    FreshProcess,
    Reference,
    compare,
    compare_predictions,
)
from kerastl.outputs.samples import write_samples
from kerastl.training.class_sets import ClassSets
from kerastl.training.evaluation import Evaluation
from kerastl.training.known_images import KnownImages

NAMES = ("a", "b", "c")


def head(features):
    """Returns features as probabilities, as they are."""
    if features.shape[1] != 3:
        raise ValueError("another width")
    return features


TRAINED = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)
FIRST_HIGHER = np.array([[0.25, 0, 0], [0, 0, 0]], np.float32)
REFERENCE = Reference(
    Evaluation(np.array([0, 2]), TRAINED, np.zeros(2)), NAMES, ("x.png", "y.png"), head
)


def exported(**changes):
    return {
        "probabilities": TRAINED.copy(),
        "names": np.array(NAMES),
        "sample": np.array([0, 1]),
        "named": np.array(["a", "c"]),
        "confidence": np.array([0.7, 0.8], np.float32),
        "of_pixels": TRAINED.copy(),
        "of_logits": TRAINED.copy(),
        "features": TRAINED[:, np.newaxis],
        "milliseconds": np.array([2.0, 1.0]),
    } | changes


def test_equal_predictions_differ_by_nothing():
    comparison = compare_predictions(exported(), REFERENCE)
    assert comparison.differences.tolist() == [0, 0]
    assert comparison.milliseconds == {1: 2.0, 32: 1.0}


def test_set_that_does_not_follow_from_the_probabilities_is_no_number():
    reference = dataclasses.replace(REFERENCE, sets=ClassSets(0.95, 0.15, 100))
    right = {"of_sets": TRAINED, "in_set": np.array([[True, True, False], [False, False, True]])}
    assert compare_predictions(exported(**right), reference).differences.tolist() == [0, 0]
    right["in_set"] = np.array([[True, True, True], [False, False, True]])
    assert np.isnan(compare_predictions(exported(**right), reference).differences).tolist() == [
        1,
        0,
    ]
    # An export without sets, of a run that has some.
    assert np.isnan(compare_predictions(exported(), reference).differences).all()


KNOWN = KnownImages(0.95, 2.0, 100, *[np.zeros(1)] * 3)


def test_image_whose_distance_is_another_is_no_number():
    trained = Distances(KNOWN, np.array([0, 1]), np.array([1.0, 3.0]))
    reference = dataclasses.replace(REFERENCE, distances=trained)
    near, known = np.array([1.0, 3.01]), np.array([True, False])

    def compared(**changes):
        found = compare_predictions(exported(**changes), reference, 0.01)
        return np.isnan(found.differences).tolist()

    assert compared(distance=near, is_known=known) == [False, False]
    assert compared(distance=np.array([1.1, 3.0]), is_known=known) == [True, False]
    assert compared(distance=near, is_known=~known) == [True, True]
    # An export must have it, unless its format never does.
    assert compared() == [True, True]
    of_pixels = {name: exported()[name] for name in ("probabilities", "names", "milliseconds")}
    assert np.isnan(compare_predictions(of_pixels, reference, 0.01).differences).all()
    assert compare_predictions(of_pixels, reference).differences.tolist() == [0, 0]
    far = exported(distance=1.1 * near, is_known=known)
    assert compare_predictions(far, reference, 0.2).differences.tolist() == [0, 0]


def test_image_at_the_edge_may_be_on_either_side():
    trained = Distances(KNOWN, np.array([0]), np.array([2.001]))
    reference = dataclasses.replace(REFERENCE, distances=trained)
    found = exported(distance=np.array([1.999]), is_known=np.array([True]))
    assert compare_predictions(found, reference, 0.01).differences.tolist() == [0, 0]


def test_columns_are_compared_by_the_names_of_their_classes():
    reordered = exported(names=np.array(NAMES[::-1]), probabilities=TRAINED[:, ::-1])
    assert compare_predictions(reordered, REFERENCE).differences.tolist() == [0, 0]
    other = exported(names=np.array(NAMES[::-1]))
    np.testing.assert_allclose(
        compare_predictions(other, REFERENCE).differences, [0.6, 0.7], atol=1e-6
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"names": np.array(["a", "b", "x"])},
        {"probabilities": np.full((2, 3), np.nan, np.float32)},
        {"named": np.array(["x", "y"])},
        {"of_pixels": np.full((2, 3), np.nan, np.float32)},
        {"of_logits": np.full((2, 3), np.nan, np.float32)},
        {"features": np.zeros((2, 1, 5), np.float32)},
    ],
)
def test_what_is_missing_is_no_number_and_never_right(changes):
    differences = compare_predictions(exported(**changes), REFERENCE).differences
    assert np.isnan(differences).all()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"named": np.array(["b", "c"])}, 0.5),
        ({"confidence": np.array([0.4, 0.8], np.float32)}, 0.3),
        ({"features": TRAINED[:, np.newaxis] + FIRST_HIGHER[:, np.newaxis]}, 0.25),
        # The answer is the mean over an image and its mirror image.
        ({"features": np.stack([TRAINED + FIRST_HIGHER, TRAINED], axis=1)}, 0.125),
        ({"of_logits": TRAINED + FIRST_HIGHER}, 0.25),
        ({"of_pixels": TRAINED + FIRST_HIGHER}, 0.25),
    ],
)
def test_other_outputs_and_inputs_of_a_savedmodel_count_too(changes, difference):
    differences = compare_predictions(exported(**changes), REFERENCE).differences
    np.testing.assert_allclose(differences, [difference, 0], atol=1e-6)


@pytest.mark.thorough
def test_what_cannot_be_opened_is_one_line(tmp_path):
    write_samples(tmp_path / "samples", [b"x"], field="export_dir")
    with (
        FreshProcess(tmp_path / "samples") as gate,
        pytest.raises(
            ExportError, match=r"^cannot be used in a fresh process \([^\n]*holds no finished run"
        ),
    ):
        compare(tmp_path, gate, REFERENCE)


WORKER = """
import sys
for line in sys.stdin:
    if "bad" in line:
        sys.exit("what is wrong:" + line.rstrip())
    print("a library's greeting")
    print("predicted", flush=True)
"""


def test_process_that_dies_is_followed_by_another(tmp_path, monkeypatch):
    started = []

    def command(*_):
        started.append(1)
        return [sys.executable, "-c", WORKER], dict(os.environ)

    monkeypatch.setattr(parity, "python_command", command)
    with FreshProcess(tmp_path) as gate:
        gate.predict(tmp_path / "first")
        gate.predict(tmp_path / "second\n\udcff")
        assert len(started) == 1
        for name in ("bad", "also bad"):
            with pytest.raises(ExportError, match=rf'fresh process \(what is wrong:".*/{name}"\)$'):
                gate.predict(tmp_path / name)
        gate.predict(tmp_path / "third")
    assert len(started) == 3


def test_process_ends_with_its_block(tmp_path, monkeypatch):
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(parity, "python_command", lambda *_: (command, dict(os.environ)))
    started = time.monotonic()
    with FreshProcess(tmp_path), contextlib.suppress(KeyboardInterrupt):
        raise KeyboardInterrupt
    assert time.monotonic() - started < 30
