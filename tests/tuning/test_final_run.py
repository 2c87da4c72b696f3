import dataclasses
import pathlib

import pytest

import kerastl
from searches import tune


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
    words = "The flags as given have failed, so there is nothing to compare the final run with."
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
