import dataclasses
import io
import json
import pathlib

import pytest

import kerastl
from kerastl.data.splits import make_splits
from kerastl.outputs.further_trainings import FurtherRecorder
from kerastl.outputs.run_directory import RunDirectory
from kerastl.outputs.test_readings import count_reading
from kerastl.tuning import final_run
from kerastl.tuning.final_run import comparison_words
from searches import GRID, HEAD, tune

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

    # What says that there was nothing to compare may be cut short; it is then found again.
    path = pathlib.Path(config.run_dir, "tuning/final.json")
    for content in ("{", "{}", "[]"):
        path.write_text(content)
        found, printed = tune(config, source, ranges, options)
        assert words in printed
        assert found.run is None
        assert path.read_text() == "null\n"


class Killed(BaseException):
    """The process ends here."""


def kill(*_, **__):
    raise Killed


@pytest.mark.thorough
def test_final_run_that_is_cut_off_goes_on_and_is_not_repeated(
    config, source, tmp_path, monkeypatch
):
    options = dataclasses.replace(GRID, max_trials=2, final_run=True)
    config = dataclasses.replace(config, head_epochs=3)
    other = dataclasses.replace(config, run_dir=str(tmp_path / "whole"))
    whole, _ = tune(other, source, HEAD, options)
    add_epoch = RunDirectory.add_epoch
    with monkeypatch.context() as patch:
        # Only the final run has a record; it is killed in its second epoch.
        patch.setattr(
            RunDirectory,
            "add_epoch",
            lambda self, row: kill() if row.epoch == 2 else add_epoch(self, row),
        )
        with pytest.raises(Killed):
            tune(config, source, HEAD, options)
    with monkeypatch.context() as patch:
        # Trained and tested, but not compared.
        patch.setattr(final_run, "difference_interval", kill)
        printed = io.StringIO()
        with pytest.raises(Killed):
            kerastl.tune(config, HEAD, options, source=source, progress=kerastl.Progress(printed))
        assert "Going on with epoch 2 of 3 of the head phase." in printed.getvalue()
    found, printed = tune(config, source, HEAD, options)
    assert "2 trials found" in printed
    assert f"The final run is in {config.run_dir} already." in printed
    assert found.run is None
    assert found.comparison == whole.comparison
    for name in ("metrics.json", "predictions.csv"):
        again, once = (pathlib.Path(one.run_dir, name).read_bytes() for one in (config, other))
        assert again == once


def test_flags_that_are_compared_with_count_once(config, source, tmp_path):
    splits = make_splits(source, config)
    for given in (config, config, dataclasses.replace(config, seed=1)):
        count_reading(given, splits, tmp_path / "run")
    assert len([*(tmp_path / "cache/test_readings").glob("*/*")]) == 2


@pytest.mark.thorough
def test_flags_that_are_trained_for_comparison_go_on(config, source, tmp_path, monkeypatch):
    config = dataclasses.replace(config, head_epochs=3, head_learning_rate=1e-6)
    ranges = {"head_learning_rate": "choice(0.05)"}
    options = kerastl.SearchOptions(tuner="grid", max_trials=2)
    save = FurtherRecorder.save_checkpoint

    def save_and_kill(self, checkpoint, *, num_epochs):
        save(self, checkpoint, num_epochs=num_epochs)
        if num_epochs == 2:
            kill()

    with monkeypatch.context() as patch:
        patch.setattr(FurtherRecorder, "save_checkpoint", save_and_kill)
        with pytest.raises(Killed):
            tune(config, source, ranges, options)
    found, printed = tune(config, source, ranges, options)
    assert "Going on with epoch 3 of 3 of the head phase." in printed
    assert [path for path in (tmp_path / "run/checkpoints").iterdir() if path.is_dir()] == []
    # The best settings and these, whatever was killed.
    receipt = json.loads((tmp_path / "run/receipt.json").read_text())
    assert receipt["test_readings"] == {"by_this_run": 1, "in_all": 2}
    assert len([*(tmp_path / "cache/test_readings").glob("*/*")]) == 2
    other = dataclasses.replace(config, run_dir=str(tmp_path / "whole"))
    whole, _ = tune(other, source, ranges, options)
    assert found.comparison == whole.comparison
    assert not found.comparison["best_is_as_given"]


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
