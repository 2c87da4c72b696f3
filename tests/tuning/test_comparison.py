import pytest

from kerastl.tuning.comparison import comparison_words

MEASURED = {
    "num_images": 40,
    "accuracy": 0.9,
    "accuracy_as_given": 0.85,
    "difference": 0.05,
    "low": -0.01,
    "high": 0.11,
}


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (None, "The flags as given have failed, so there is nothing to compare the final run"),
        (MEASURED | {"best_is_as_given": True}, "The best settings are the flags as given."),
        (
            MEASURED | {"best_is_as_given": False},
            "On the 40 test images the flags as given reach 0.8500: the search changed that by "
            "+0.0500 (-0.0100 to +0.1100, on the same images).",
        ),
    ],
)
def test_comparison_is_one_sentence(comparison, words):
    assert comparison_words(comparison).startswith(words)
