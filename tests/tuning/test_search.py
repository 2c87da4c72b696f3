import dataclasses
import importlib
import json
import os
import pathlib
import re

import pytest

import kerastl
from command_line import config_from_flags
from kerastl.config import Config
from kerastl.errors import UsageError
from searches import (
    GRID,
    HEAD,
    log,
    tune,
)


@pytest.mark.thorough
def test_a_search_ends_with_a_run_of_its_best_settings(config, source, tmp_path):
    # A start that others beat.
    config = dataclasses.replace(config, head_learning_rate=1e-5)
    options = kerastl.SearchOptions(max_trials=3, objective="val_loss")
    found, printed = tune(config, source, options=options)
    best = min(found.trials.values(), key=lambda trial: trial.scores["val_loss"])
    assert best.number > 0
    # The very same training, bit for bit.
    validation = found.run.metrics["validation"]
    assert validation["accuracy"] == best.scores["val_accuracy"]
    # A trial has no temperature.
    before = validation.get("uncalibrated", validation)
    assert before["loss"] == pytest.approx(best.scores["val_loss"], abs=1e-7)
    assert found.run.run_dir == pathlib.Path(config.run_dir)
    # Trials have no test images, and only the first computes anything.
    train_and_validation = 36 - found.run.metrics["test"]["num_images"]
    assert f"{train_and_validation} images to compute, 0 in the store" in log(config, 0)
    for number in (1, 2):
        assert f" 0 images to compute, {train_and_validation} in the store" in log(config, number)
    assert found.comparison["accuracy"] == found.run.metrics["test"]["accuracy"]
    assert found.comparison["low"] <= found.comparison["difference"] <= found.comparison["high"]
    assert json.loads((tmp_path / "run/tuning/final.json").read_text()) == found.comparison
    assert re.search(r"On the \d+ test images your flags reach", printed)
    # best.flags is for a directory of its own, and so runs as it is.
    flags = config_from_flags([f"--flagfile={tmp_path}/run/tuning/best.flags"])
    assert flags == found.best
    again = kerastl.run(flags, source=source, progress=kerastl.Progress())
    assert again.metrics["test"] == found.run.metrics["test"]
    # Once more: nothing is left, and nothing is done.
    rows = (tmp_path / "run/tuning/trials.csv").read_text("utf-8")
    repeated, printed = tune(config, source, options=options)
    assert (
        f"3 trials found in {tmp_path}/run/tuning, none left. --overwrite starts over." in printed
    )
    assert f"The final run is in {tmp_path}/run already." in printed
    assert repeated.run is None
    assert repeated.comparison == found.comparison
    assert (tmp_path / "run/tuning/trials.csv").read_text("utf-8") == rows


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("precision", "ranges"),
    [
        ("float32", {"head_learning_rate": "choice(0.05,0.01)"}),
        pytest.param("mixed_bfloat16", {"image_size": "choice(16,24)"}, marks=pytest.mark.slow),
    ],
)
def test_a_trial_trains_as_a_run_does_whatever_came_before_it(config, source, precision, ranges):
    """Dropout draws from the network's own seeds, fine-tuning moves its weights."""
    config = dataclasses.replace(config, dropout=0.3, finetune_epochs=1, precision=precision)
    found, _ = tune(config, source, ranges, dataclasses.replace(GRID, max_trials=2))
    last = found.trials[1]
    alone = kerastl.run(
        dataclasses.replace(last.config, run_dir=config.run_dir + "2"),
        source=source,
        progress=kerastl.Progress(),
    )
    # A trial has no temperature.
    validation = alone.metrics["validation"]
    assert validation.get("uncalibrated", validation)["loss"] == last.scores["val_loss"]


@pytest.mark.thorough
def test_sizes_that_a_network_does_not_take_are_failed_trials(config, source):
    found, printed = tune(
        dataclasses.replace(config, image_size=24),
        source,
        {"image_size": "choice(4,16,24,32)"},
        dataclasses.replace(GRID, max_trials=9),
    )
    statuses = {trial.config.image_size: trial.status for trial in found.trials.values()}
    assert statuses == {4: "failed", 16: "completed", 24: "completed", 32: "completed"}
    assert "4 trials, 1 of them failed; there are no other settings to try." in printed
    assert "Baseline accuracy 0.3333, for always naming the largest class." in printed
    assert "failed: image_size=4: is below the 8 pixels that TinyNet needs." in printed


@pytest.mark.thorough
def test_a_loss_that_is_not_finite_fails_its_trial(config, source):
    """The reason is the run's own, and the log has all of it."""
    found, _ = tune(
        config,
        source,
        {"head_learning_rate": "choice(0.05,1e30)"},
        dataclasses.replace(GRID, max_trials=2),
    )
    failed = found.trials[1]
    assert failed.reason.startswith("loss: is not finite in the head phase")
    assert f"error: {failed.reason}" in log(config, 1)


@pytest.mark.parametrize(("overwrite", "without"), [(False, ""), (True, ", without --overwrite,")])
def test_an_interrupt_says_how_to_go_on(config, source, overwrite, without):
    class Interrupted(kerastl.Progress):
        def line(self, text):
            if text.startswith("Search:"):
                raise KeyboardInterrupt

    config = dataclasses.replace(config, overwrite=overwrite)
    with pytest.raises(KeyboardInterrupt) as stopped:
        kerastl.tune(config, HEAD, GRID, source=source, progress=Interrupted())
    assert str(stopped.value) == f"The same command{without} continues the search."


@pytest.mark.slow
def test_memory_does_not_grow_over_trials(config, source):
    resident = []

    class Watching(kerastl.Progress):
        def line(self, text):
            if text.startswith("trial "):
                pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
                resident.append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)

    # Two sizes, so that networks are built anew.
    ranges = {"image_size": "choice(16,24)", "batch_size": "int(4,16)"}
    options = kerastl.SearchOptions(max_trials=12, final_run=False)
    config = dataclasses.replace(config, head_epochs=1, finetune_epochs=1)
    kerastl.tune(config, ranges, options, source=source, progress=Watching())
    assert len(resident) == 12
    assert resident[-1] - resident[2] < 150


def test_the_function_is_there_whether_or_not_the_command_was_imported():
    importlib.import_module("kerastl.tune")
    assert callable(kerastl.tune)
    with pytest.raises(UsageError, match=r"^dataset='python': needs a source"):
        kerastl.tune(Config(run_dir="x", dataset="python"))
