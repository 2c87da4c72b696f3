import dataclasses

import pytest

from kerastl.config import Config
from kerastl.errors import KerastlError
from searches import (
    rows_of,
    search,
)

pytestmark = pytest.mark.usefixtures("small_forest")


def test_failures_are_told_and_only_a_start_of_nothing_else_ends_the_search(tmp_path):
    def fails_small(config):
        return f"image_size={config.image_size}: is below 32" if config.image_size < 32 else 0.5

    config = Config(run_dir="x", dataset="digits", validation_fraction=0.3, image_size=48)
    ranges = {"image_size": "choice(16,32,48,64)"}
    searched = search(tmp_path / "some", ranges, fails_small, config, tuner="grid", max_trials=9)
    searched.run()
    statuses = {trial.config.image_size: trial.status for trial in searched.trials.values()}
    assert statuses == {16: "failed", 32: "completed", 48: "completed", 64: "completed"}
    (line,) = (line for line in searched.lines if "failed" in line)
    assert line.endswith(" of 9 failed: image_size=16: is below 32  (image_size=16)")
    assert rows_of(tmp_path / "some")[-1]["reason"] == "image_size=16: is below 32"
    config = dataclasses.replace(config, image_size=18)
    ranges = {"image_size": "choice(16,20,24,28)"}
    searched = search(tmp_path / "all", ranges, fails_small, config, tuner="grid", max_trials=9)
    with pytest.raises(KerastlError) as stopped:
        searched.run()
    assert str(stopped.value) == (
        "trials: the first 3 have all failed. Trial 0: image_size=18: is below 32"
    )
    assert len(searched.board().trials) == 3
