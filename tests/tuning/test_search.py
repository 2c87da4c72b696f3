import csv
import dataclasses
import importlib
import io
import json
import os
import pathlib
import re
import signal
import threading
import time

import keras
import keras_tuner
import numpy as np
import pytest

import fakes
import kerastl
from command_line import config_from_flags
from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError
from kerastl.tuning.search_files import SearchFiles
from kerastl.tuning.worker import TrialFailed, WorkerProcess

HEAD = {"head_learning_rate": "log(0.001,0.3)", "dropout": "choice(0.0,0.3)"}
GRID = kerastl.SearchOptions(tuner="grid", max_trials=3, final_run=False)


@pytest.fixture
def config(tiny_net, tmp_path):
    return fakes.tiny_config(
        tmp_path,
        dataset="python",
        head_epochs=2,
        validation_fraction=0.2,
        cache_dir=str(tmp_path / "cache"),
    )


@pytest.fixture
def source():
    return fakes.color_source(per_class=12, noise=90.0)


def tune(config, source, space=None, options=None):
    """Searches; returns what was found and what was printed."""
    printed = io.StringIO()
    found = kerastl.tune(
        config, space or HEAD, options, source=source, progress=kerastl.Progress(printed)
    )
    return found, printed.getvalue()


def log(config, number):
    return pathlib.Path(config.run_dir, f"tuning/trials/{number:04d}.log").read_text("utf-8")


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
    assert validation["loss"] == pytest.approx(best.scores["val_loss"], abs=1e-7)
    assert found.run.run_dir == pathlib.Path(config.run_dir)
    # Trials have no test images, and only the first computes anything.
    train_and_validation = 36 - found.run.metrics["test"]["num_images"]
    assert f"{train_and_validation} images to compute, 0 in the store" in log(config, 0)
    for number in (1, 2):
        assert f" 0 images to compute, {train_and_validation} in the store" in log(config, number)
    assert found.comparison["accuracy"] == found.run.metrics["test"]["accuracy"]
    assert found.comparison["low"] <= found.comparison["difference"] <= found.comparison["high"]
    assert json.loads((tmp_path / "run/tuning/final.json").read_text()) == found.comparison
    assert re.search(r"On the \d+ test images the flags as given reach", printed)
    # best.flags is for a directory of its own, and so runs as it is.
    flags = config_from_flags([f"--flagfile={tmp_path}/run/tuning/best.flags"])
    assert flags == found.best
    again = kerastl.run(flags, source=source, progress=kerastl.Progress())
    assert again.metrics["test"] == found.run.metrics["test"]
    # Once more: nothing is left, and nothing is done.
    rows = (tmp_path / "run/tuning/trials.csv").read_text("utf-8")
    repeated, printed = tune(config, source, options=options)
    assert (
        f"3 trials found in {tmp_path}/run/tuning, none left. --overwrite starts anew." in printed
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
    assert alone.metrics["validation"]["loss"] == last.scores["val_loss"]


@pytest.mark.thorough
def test_a_search_goes_on_only_as_it_began(config, source):
    one = dataclasses.replace(GRID, max_trials=1)
    tune(config, source, HEAD, one)
    other = {"dropout": "choice(0.0,0.4)"}
    others = dataclasses.replace(one, objective="val_loss", tuner="random")
    for changes, images, space, options, message in (
        ({"head_epochs": 3}, source, HEAD, one, "head_epochs=2, not 3. Choose another dir"),
        ({}, source, other, one, "search_space={'dropout': 'choice(0.0,0.3)', 'head_learning"),
        ({}, source, HEAD, others, "tuner='grid', not 'random' (and objective). Choose"),
        ({}, fakes.color_source(per_class=12, seed=1), HEAD, one, "data='"),
    ):
        with pytest.raises(UsageError) as refused:
            tune(dataclasses.replace(config, **changes), images, space, options)
        assert f"holds a search with {message}" in str(refused.value)
    # Weights that changed under the same name.
    weights = pathlib.Path(config.weights)
    before = weights.read_bytes()
    fakes.write_tiny_weights(weights, seed=1)
    with pytest.raises(UsageError, match="holds a search with weights_sha256="):
        tune(config, source, HEAD, one)
    weights.write_bytes(before)
    # More trials are the same search, and --overwrite begins another.
    found, printed = tune(config, source, HEAD, dataclasses.replace(GRID, max_trials=2))
    assert "1 trial found" in printed
    assert len(found.trials) == 2
    anew = dataclasses.replace(config, head_epochs=3, overwrite=True)
    found, printed = tune(anew, source, HEAD, one)
    assert "found in" not in printed
    assert len(found.trials) == 1


def test_a_finished_run_is_not_searched_over(config, source):
    run_dir = pathlib.Path(config.run_dir)
    run_dir.mkdir()
    (run_dir / "metrics.json").touch()
    with pytest.raises(UsageError, match="holds a finished run and no search"):
        tune(config, source)


def test_blocks_are_looked_for_before_the_first_trial(config, source):
    config = dataclasses.replace(config, finetune_epochs=1)
    with pytest.raises(UsageError, match="search_space=unfreeze_from: unfreeze_from='blok2'"):
        tune(config, source, {"unfreeze_from": "choice(block2,blok2)"})
    assert not pathlib.Path(config.run_dir).exists()


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


@pytest.mark.thorough
def test_the_default_space_is_for_any_network(config, source):
    printed = io.StringIO()
    config = dataclasses.replace(config, image_size=96)
    options = dataclasses.replace(GRID, max_trials=1)
    kerastl.tune(config, None, options, source=source, progress=kerastl.Progress(printed))
    assert "  optimizer=choice(adamw)\n" in printed.getvalue()
    assert "  image_size=choice(96,128)\n" in printed.getvalue()
    assert "  unfreeze_from=choice(block1)\n" in printed.getvalue()


@pytest.mark.thorough
def test_tables_have_the_last_trial_when_the_search_is_over(config, source, tmp_path, monkeypatch):
    write_all = SearchFiles._write_all

    def slowly(*arguments):
        time.sleep(1)
        write_all(*arguments)

    monkeypatch.setattr(SearchFiles, "_write_all", slowly)
    options = dataclasses.replace(GRID, max_trials=2, final_run=False)
    kerastl.tune(config, HEAD, options, source=source, progress=kerastl.Progress())
    assert len((tmp_path / "run/tuning/trials.csv").read_text("utf-8").splitlines()) == 1 + 2


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


@pytest.mark.thorough
def test_a_tuner_of_ones_own_takes_the_hypermodel(config, source, tmp_path):
    """With callbacks that are copied for each execution, and its own checkpoint of the best."""
    hypermodel = kerastl.hypermodel(
        dataclasses.replace(config, head_epochs=4), HEAD, source=source, progress=kerastl.Progress()
    )
    tuner = keras_tuner.RandomSearch(
        hypermodel,
        objective="val_accuracy",
        max_trials=2,
        executions_per_trial=2,
        directory=str(tmp_path),
        project_name="own",
    )
    stops = keras.callbacks.EarlyStopping("val_loss", min_delta=10.0, patience=1)
    tuner.search(callbacks=[stops, keras.callbacks.CSVLogger(tmp_path / "log.csv")], verbose=0)
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 2
    with open(tmp_path / "log.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # Each execution has a fresh patience: one epoch that is the best, one that is no better.
    assert [row["epoch"] for row in rows] == ["0", "1"]
    best = tuner.get_best_models()[0]
    assert best.output_shape == (None, 3)
    score = tuner.oracle.get_best_trials()[0].score
    assert 0 < score <= 1
    assert set(tuner.get_best_hyperparameters()[0].values) == set(HEAD)


@pytest.mark.thorough
def test_keras_tuners_hyperband_is_pointed_to_ours(config, source, tmp_path):
    hypermodel = kerastl.hypermodel(config, HEAD, source=source, progress=kerastl.Progress())
    tuner = keras_tuner.Hyperband(
        hypermodel, objective="val_accuracy", directory=str(tmp_path), project_name="own"
    )
    with pytest.raises(UsageError, match=r"^tuner='Hyperband': trains in instalments"):
        tuner.search(verbose=0)


def test_the_function_is_there_whether_or_not_the_command_was_imported():
    importlib.import_module("kerastl.tune")
    assert callable(kerastl.tune)
    with pytest.raises(UsageError, match=r"^dataset='python': needs a source"):
        kerastl.tune(Config(run_dir="x", dataset="python"))


@pytest.mark.thorough
def test_a_process_that_is_killed_costs_its_trial_only(tmp_path):
    """Another one takes the next; it reads the data by itself."""
    config = Config(
        run_dir="x",
        dataset="digits",
        examples_per_class=4,
        weights="none",
        backbone="MobileNet",
        image_size=32,
        head_epochs=0,
        finetune_epochs=1,
        cache_dir="",
    )
    isolated = WorkerProcess(config, tmp_path / "native.log")
    try:
        # It holds still until it is waited for: one that has ended before would be started anew.
        os.kill(isolated._process.pid, signal.SIGSTOP)
        threading.Timer(2, os.kill, (isolated._process.pid, signal.SIGKILL)).start()
        with pytest.raises(TrialFailed, match=r"^its process was killed, as the system does when"):
            isolated.train(config, tmp_path / "0.log", print)
        too_large = dataclasses.replace(config, unfreeze_from="all", batch_size=1)
        with pytest.raises(TrialFailed, match=r"^batch_size=1: gives batch norm a single image"):
            isolated.train(too_large, tmp_path / "1.log", print)
        answer = isolated.train(config, tmp_path / "2.log", lambda _: None)
    finally:
        isolated.close()
    assert set(answer.scores) == {
        "val_accuracy",
        "val_loss",
        "val_balanced_accuracy",
        "val_macro_f1",
    }
    assert answer.predicted.dtype == np.int64
    assert len(answer.predicted) == len(answer.losses)
    assert "Best: scratch epoch 1" in (tmp_path / "2.log").read_text("utf-8")
    assert "Traceback" not in (tmp_path / "native.log").read_text("utf-8")


@pytest.mark.thorough
def test_a_second_search_at_the_same_time_is_refused(config, source):
    class Again(kerastl.Progress):
        refused = ""

        def line(self, text):
            if text.startswith("trial 0"):
                try:
                    tune(config, source, HEAD, GRID)
                except KerastlError as error:
                    Again.refused = str(error)

    kerastl.tune(
        config,
        HEAD,
        dataclasses.replace(GRID, max_trials=1),
        source=source,
        progress=Again(),
    )
    assert Again.refused.startswith(f"run_dir={config.run_dir!r}: is being searched by another")
