import pathlib

import numpy as np
import pytest

from kerastl.export_formats import FORMATS
from kerastl.outputs.parity import Comparison, ExportError, Reference
from kerastl.outputs.parity_rules import check_parity, format_table
from kerastl.training.evaluation import Evaluation


@pytest.mark.parametrize(
    ("name", "difference", "accuracy", "is_right"),
    [
        ("savedmodel", 0.99e-4, 1.0, True),
        ("savedmodel", 1.01e-4, 1.0, False),
        ("savedmodel", np.nan, 1.0, False),
        ("onnx", 1.01e-4, 1.0, False),
        ("litert", 0.99e-3, 1.0, True),
        ("litert", 1.01e-3, 1.0, False),
        ("litert_int8", 0.5, 0.75, True),
        ("litert_int8", 0.0, 0.5, False),
        ("litert_int8", np.nan, 1.0, False),
    ],
)
def test_each_format_has_its_own_measure(name, difference, accuracy, is_right):
    labels = np.array([0, 1, 2, 0])
    right = np.eye(3, dtype=np.float32)[labels]
    exported = right.copy()
    num_wrong = round(4 * (1 - accuracy))
    exported[:num_wrong] = np.roll(right, 1, axis=1)[:num_wrong]
    differences = np.array([0, difference, 0, 0], np.float32)

    def check():
        check_parity(
            name,
            Comparison(exported, differences, {1: 1.0, 32: 1.0}),
            Reference(Evaluation(labels, right, np.zeros(4)), ("x", "y", "z"), "abcd", np.asarray),
            max_accuracy_drop=0.25,
        )

    if is_right:
        check()
    else:
        with pytest.raises(ExportError, match="does not predict what the trained model does"):
            check()


FLOATS = FORMATS["litert"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ""),
        ({"tied": 0.01, "agreement": 0.95}, ""),
        (
            {"tied": 0.25},
            "Warning: litert_int8 gives several classes the same highest probability for 25.0% of "
            "the images.",
        ),
        (
            {"agreement": 0.75},
            "Warning: litert_int8 names another class than the trained model for 25.0% of the "
            "images. Test it on more before you use it.",
        ),
        (
            {"largest_difference": 0.25},
            "litert_int8: its probabilities are up to 0.25 from the trained model's. Where an app "
            "compares one with a threshold, choose that with this file.",
        ),
        (
            {"input": FLOATS.input, "output": FLOATS.output},
            "litert_int8 takes images, float32 (batch, size, size, 3), RGB in 0..255, and returns "
            "probabilities, float32 (batch, classes): with a head in 8 bits, several classes would "
            "often get the same probability.",
        ),
    ],
)
def test_what_is_odd_about_a_format_is_a_line(changes, expected):
    labels = np.arange(3)
    predictions = Evaluation(labels, np.eye(3, dtype=np.float32), np.zeros(3))
    result = {
        "input": FORMATS["litert_int8"].input,
        "bytes": 1000,
        "accuracy": 1.0,
        "agreement": 1.0,
        "largest_difference": 0.0,
        "tied": 0.0,
        "milliseconds": {"1": 1.0, "32": 1.0},
    } | changes
    reference = Reference(predictions, ("x", "y", "z"), "abc", np.asarray)
    lines = list(format_table(pathlib.Path("1"), {"litert_int8": result}, reference))
    assert lines[3:] == [expected] * bool(expected)
