import dataclasses
import time

import pytest

import fakes
import kerastl
from kerastl.data.splits import make_splits
from kerastl.training import largest_batch
from kerastl.tuning.baseline import with_choices
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space_parser import read_space
from kerastl.tuning.task import ALONE, Task


@pytest.fixture
def choose(tiny_net, tmp_path, source):
    def chosen(ranges=None, *, seconds=60.0, **changes):
        tiny = fakes.tiny_config(tmp_path, dataset="python")
        names = ("run_dir", "dataset", "backbone", "weights", "image_size", "cache_dir")
        config = kerastl.Config(**{name: getattr(tiny, name) for name in names} | changes)
        (tmp_path / "run/tuning").mkdir(parents=True, exist_ok=True)
        task = Task(
            config=config,
            space=read_space(ranges, config) if ranges else None,
            options=SearchOptions(),
            role=ALONE,
            began=time.monotonic(),
            deadline=time.monotonic() + seconds,
        )
        return with_choices(task, make_splits(source, config), kerastl.Progress())

    return chosen


@pytest.mark.thorough
def test_head_alone_leaves_a_search_free_to_fine_tune(choose):
    config = choose(seconds=0.0).config
    assert (config.recipe, config.head, config.finetune_epochs) == ("manual", "solved", 0)
    assert dataclasses.replace(config, finetune_epochs=4).head == "solved"


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        ({"finetune_learning_rate": "log(0.0001,0.001)"}, {"head": "solved"}),
        ({"head_learning_rate": "log(0.001,0.1)"}, {"head": "sgd", "finetune_epochs": 0}),
        ({"momentum": "uniform(0.5,0.9)"}, {"optimizer": "sgd"}),
        # New changes in each epoch leave no features to solve a head on.
        ({"augment": 'choice("",flip)', "unfreeze_from": "choice(block2)"}, {"head": "sgd"}),
    ],
)
def test_choices_leave_what_is_searched_its_effect(ranges, expected, choose):
    task = choose(ranges, seconds=0.0)
    assert {name: getattr(task.config, name) for name in expected} == expected
    assert (task.config.finetune_epochs > 0) == any(
        "une" in name or "unf" in name for name in ranges
    )
    # The same search goes on with the same choices, however much time is left.
    assert choose(ranges, seconds=600.0).config == task.config


def test_space_of_fine_tuning_is_refused_where_only_a_head_is_wanted(choose):
    with pytest.raises(kerastl.errors.UsageError, match="never matters, as finetune_epochs"):
        choose({"unfreeze_from": "choice(block2)"}, recipe="head")


@pytest.mark.thorough
def test_batch_is_found_once_for_a_search(choose, monkeypatch):
    monkeypatch.setattr(largest_batch, "free_memory", lambda: 10**12)
    ranges = {"head_learning_rate": "log(0.001,0.1)"}
    given = {"head_epochs": 2, "batch_size": "auto"}
    task = choose(ranges, **given)
    assert task.config.batch_size == task.space.config.batch_size == 64
    # As it is in the directory of the search.
    monkeypatch.setattr(largest_batch, "free_memory", lambda: 0)
    assert choose(ranges, **given).config == task.config
    with pytest.raises(kerastl.UsageError, match=r"batch_size=choice.*holds auto"):
        choose({"batch_size": "choice(auto,8)"})
