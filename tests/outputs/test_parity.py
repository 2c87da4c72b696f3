import numpy as np
import pytest

from kerastl.outputs.parity import Unusable, _compare, ask, write_questions

NAMES = ("a", "b", "c")


def HEAD(features):  # noqa: N802  a constant of these tests
    """Takes features for probabilities as they are."""
    if features.shape[1] != 3:
        raise ValueError("another width")
    return features


TRAINER = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], np.float32)


def said(**changes):
    return {
        "probabilities": TRAINER.copy(),
        "names": np.array(NAMES),
        "sample": np.array([0, 1]),
        "named": np.array(["a", "c"]),
        "confidence": np.array([0.7, 0.8], np.float32),
        "of_pixels": TRAINER.copy(),
        "of_logits": TRAINER.copy(),
        "features": TRAINER.copy(),
        "milliseconds": np.array([2.0, 1.0]),
    } | changes


def test_equal_answers_differ_by_nothing():
    answers = _compare(said(), TRAINER, NAMES, HEAD)
    assert answers.differences.tolist() == [0, 0]
    assert answers.milliseconds == {1: 2.0, 32: 1.0}


def test_columns_are_compared_by_the_names_of_their_classes():
    turned = said(names=np.array(NAMES[::-1]), probabilities=TRAINER[:, ::-1])
    assert _compare(turned, TRAINER, NAMES, HEAD).differences.tolist() == [0, 0]
    other = said(names=np.array(NAMES[::-1]))
    np.testing.assert_allclose(
        _compare(other, TRAINER, NAMES, HEAD).differences, [0.6, 0.7], atol=1e-6
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"names": np.array(["a", "b", "x"])},
        {"probabilities": np.full((2, 3), np.nan, np.float32)},
        {"named": np.array(["x", "y"])},
        {"of_pixels": np.full((2, 3), np.nan, np.float32)},
        {"of_logits": np.full((2, 3), np.nan, np.float32)},
        {"features": np.zeros((2, 5), np.float32)},
    ],
)
def test_what_is_missing_is_no_number_and_never_right(changes):
    differences = _compare(said(**changes), TRAINER, NAMES, HEAD).differences
    assert np.isnan(differences).all()


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"named": np.array(["b", "c"])}, 0.5),
        ({"confidence": np.array([0.4, 0.8], np.float32)}, 0.3),
        ({"features": TRAINER + np.array([[0.25, 0, 0], [0, 0, 0]], np.float32)}, 0.25),
        ({"of_logits": TRAINER + np.array([[0.25, 0, 0], [0, 0, 0]], np.float32)}, 0.25),
        ({"of_pixels": TRAINER + np.array([[0.25, 0, 0], [0, 0, 0]], np.float32)}, 0.25),
    ],
)
def test_other_outputs_and_inputs_of_a_savedmodel_count_too(changes, difference):
    differences = _compare(said(**changes), TRAINER, NAMES, HEAD).differences
    np.testing.assert_allclose(differences, [difference, 0], atol=1e-6)


@pytest.mark.thorough
def test_what_cannot_be_opened_is_one_line(tmp_path):
    write_questions(tmp_path / "questions", [b"x"], field="export_dir")
    with pytest.raises(
        Unusable, match=r"^cannot be used in a fresh process \([^\n]*holds no finished run"
    ):
        ask(tmp_path, tmp_path / "questions", TRAINER, NAMES, head=HEAD)
