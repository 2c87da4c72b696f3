import dataclasses
import os
import pathlib
import signal
import threading

import numpy as np
import pytest

import picture_folders
from kerastl.config import Config
from kerastl.data.opening import open_data
from kerastl.outputs.made_of import describe_data
from kerastl.progress import Progress
from kerastl.tuning.training_process import TrainingProcess, TrialFailed


def children():
    """Ids of the processes that this one has started."""
    paths = pathlib.Path("/proc/self/task").glob("*/children")
    return {int(pid) for path in paths for pid in path.read_text().split()}


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
    before = children()
    isolated = TrainingProcess(config, tmp_path / "native.log")
    (pid,) = children() - before
    try:
        # It holds still until it is waited for: one that has ended before would be started anew.
        os.kill(pid, signal.SIGSTOP)
        threading.Timer(2, os.kill, (pid, signal.SIGKILL)).start()
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
def test_a_process_that_finds_other_images_than_the_search_fails_its_trials(tmp_path):
    """They were changed after the search read them, so its labels are not theirs."""
    root = picture_folders.write_rgb36(tmp_path / "data")
    config = Config(
        run_dir="x", dataset=f"folder:{root}", weights="bundled", image_size=32, cache_dir=""
    )
    made_of = describe_data(open_data(config, None, Progress()))
    (root / "red" / "00.jpg").unlink()
    isolated = TrainingProcess(config, tmp_path / "native.log")
    try:
        isolated.open(config, made_of)
        with pytest.raises(TrialFailed, match=r"^dataset=.*: is not what it was when the search b"):
            isolated.train(config, tmp_path / "0.log", lambda _: None)
    finally:
        isolated.close()
