import dataclasses
import pathlib

import pytest

import kerastl
from kerastl.tuning.final_run import comparison_words
from searches import tune

MEASURED = {
    "num_images": 40,
    "accuracy": 0.9,
    "accuracy_as_given": 0.85,
    "difference": 0.05,
    "low": -0.01,
    "high": 0.11,
}


@pytest.mark.thorough
def test_flags_as_given_that_fail_leave_nothing_to_compare_the_final_run_with(
    config, source, monkeypatch
):
    config = dataclasses.replace(config, head_epochs=1, head_learning_rate=1e30)
    ranges = {"head_learning_rate": "choice(0.05)"}
    options = kerastl.SearchOptions(tuner="grid", max_trials=2)
    found, printed = tune(config, source, ranges, options)
    assert found.trials[0].status == "failed"
    assert found.run is not None
    assert found.comparison is None
    words = "Your flags failed, so there is nothing to compare the final run with."
    assert words in printed
    found, printed = tune(config, source, ranges, options)
    assert words in printed
    assert found.run is None

    # What says that there was a final run may be cut short; it is then done again.
    class Again(Exception):  # noqa: N818  no error
        pass

    def run(*_, **__):
        raise Again

    monkeypatch.setattr("kerastl.tuning.final_run.finish_run", run)
    path = pathlib.Path(config.run_dir, "tuning/final.json")
    for content in ("{", "{}", "[]"):
        path.write_text(content)
        with pytest.raises(Again):
            tune(config, source, ranges, options)


@pytest.mark.parametrize(
    ("comparison", "words"),
    [
        (None, "Your flags failed, so there is nothing to compare the final run"),
        (MEASURED | {"best_is_as_given": True}, "Your flags are the best settings found."),
        (
            MEASURED | {"best_is_as_given": False},
            "On the 40 test images your flags reach 0.8500: the search changed that by "
            "+0.0500 (-0.0100 to +0.1100, on the same images).",
        ),
    ],
)
def test_comparison_is_one_sentence(comparison, words):
    assert comparison_words(comparison).startswith(words)
