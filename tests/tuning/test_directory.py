import dataclasses
import os
import pathlib
import socket

import pytest

import fakes
import kerastl
from kerastl.errors import KerastlError, UsageError
from searches import (
    GRID,
    HEAD,
    tune,
)


@pytest.mark.thorough
def test_a_search_goes_on_only_as_it_began(config, source):
    one = dataclasses.replace(GRID, max_trials=1)
    tune(config, source, HEAD, one)
    other = {"dropout": "choice(0.0,0.4)"}
    others = dataclasses.replace(one, objective="val_loss", tuner="random")
    holds = "holds a search with"
    for changes, images, space, options, message in (
        ({"head_epochs": 3}, source, HEAD, one, f"{holds} head_epochs=2, not 3. Choose another"),
        ({}, source, other, one, f"{holds} search_space={{'dropout': 'choice(0.0,0.3)', 'head_"),
        ({}, source, HEAD, others, f"{holds} tuner='grid', not 'random' (and objective). Choose"),
        (
            {},
            fakes.color_source(per_class=12, seed=1),
            HEAD,
            one,
            "dataset='python': is not what it was when the search in ",
        ),
    ):
        with pytest.raises(UsageError) as refused:
            tune(dataclasses.replace(config, **changes), images, space, options)
        assert message in str(refused.value)
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


@pytest.mark.parametrize("name", ["metrics.json", "flags.txt"])
def test_a_run_is_not_searched_over_be_it_finished_or_not(config, source, name):
    run_dir = pathlib.Path(config.run_dir)
    run_dir.mkdir()
    (run_dir / name).touch()
    with pytest.raises(UsageError, match="holds a run and no search"):
        tune(config, source)


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
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    assert Again.refused.startswith(f"run_dir={config.run_dir!r}: {owner} works there.")


def test_a_search_of_an_earlier_version_is_refused_in_one_line(config, source):
    """It has no format, and none of the flags that are compared now."""
    tuning = pathlib.Path(config.run_dir, "tuning")
    tuning.mkdir(parents=True)
    (tuning / "search.json").write_text('{"tuner": "random", "head_epochs": 2}')
    with pytest.raises(UsageError) as refused:
        tune(config, source)
    assert str(refused.value) == (
        f"run_dir={config.run_dir!r}: holds a search of an earlier version of kerastl, which "
        "cannot continue. Choose another directory, or start over with --overwrite."
    )
    assert [path.name for path in tuning.iterdir()] == ["search.json"]
