import dataclasses
import io

import numpy as np
import pytest

import fakes
import kerastl
from kerastl.data.splits import Splits
from kerastl.selection.budget import Cost, allocate, describe_allocation, estimate_costs


@pytest.fixture
def splits():
    source = fakes.color_source(per_class=200)
    places = np.arange(len(source))
    return Splits(source, places[:300], places[300:400], places[400:500], places[500:])


def cost(name, per_missing, *, missing=1.0):
    config = kerastl.Config(run_dir="x", dataset="digits", backbone=name)
    return Cost(config, fixed=2.0, missing=missing, per_missing=per_missing, per_image=0.01)


def names(costs):
    return [cost.config.backbone for cost in costs]


def test_cheapest_comes_first_and_what_is_stored_is_cheap(splits):
    costs = [cost("slow", 1.0), cost("fast", 0.1), cost("stored", 5.0, missing=0.0)]
    chosen = allocate(costs, splits, seconds=10_000)
    assert names(chosen.costs) == ["stored", "fast", "slow"]
    assert (chosen.fraction, chosen.left_out, chosen.is_whole) == (1.0, (), True)
    printed = describe_allocation(chosen, splits, num_evaluated=300, seconds=10_000)
    assert "are left. The cheapest comes first." in printed


@pytest.mark.thorough
def test_building_is_reported_and_more_classes_take_longer(tiny_net, tmp_path):
    config = fakes.tiny_config(tmp_path)
    costs = []
    for count in (2, 3):
        colors = dict(list(fakes.COLORS.items())[:count])
        source = fakes.color_source(per_class=4, colors=colors)
        places = np.arange(len(source))
        splits = Splits(source, places[:6], places[6:7], places[7:], places[:0])
        printed = io.StringIO()
        costs += estimate_costs([config], splits, kerastl.Progress(printed))[0]
        assert printed.getvalue() == "Budget: building 1 network to estimate the time of each.\n"
    fewer, more = costs
    assert fewer.per_image < more.per_image


def test_all_networks_get_the_same_part_of_the_images_that_fits(splits):
    costs = [cost("slow", 1.0), cost("fast", 0.1)]
    chosen = allocate(costs, splits, seconds=200)
    assert names(chosen.costs) == ["fast", "slow"]
    images = chosen.fraction * 300
    total = sum(each.seconds(computed=images, evaluated=images) for each in chosen.costs)
    assert 60 <= images < 300
    assert total == pytest.approx(0.85 * 200)
    printed = describe_allocation(chosen, splits, num_evaluated=99, seconds=200)
    assert ": every network is evaluated on the same 99 of 300 training images." in printed


def test_time_for_the_training_images_is_not_spent_on_the_others(splits):
    # 2 s, 300 s for the training images, 200 s for the others, and 3 s of the probe.
    chosen = allocate([cost("slow", 1.0)], splits, seconds=400)
    assert (chosen.fraction, chosen.is_whole) == (1.0, False)
    assert allocate([cost("slow", 1.0)], splits, seconds=600).is_whole


def test_costliest_is_left_out_where_even_a_few_images_take_too_long(splits):
    costs = [cost("slow", 100.0), cost("fast", 0.1), cost("middle", 0.5)]
    chosen = allocate(costs, splits, seconds=100)
    assert names(chosen.costs) == ["fast", "middle"]
    # Twenty images of each of three classes.
    ((left_out, seconds),) = chosen.left_out
    assert (left_out.config.backbone, seconds) == ("slow", pytest.approx(2 + 60 * 100.01))
    printed = describe_allocation(chosen, splits, num_evaluated=99, seconds=100)
    assert ": all but the 1 most expensive networks are evaluated on the same 99 of 300" in printed


def test_one_network_is_kept_however_short_the_time(splits):
    chosen = allocate([cost("slow", 1.0), cost("slower", 2.0)], splits, seconds=1)
    assert names(chosen.costs) == ["slow"]
    assert chosen.fraction == pytest.approx(0.2)
    few = dataclasses.replace(splits, train=splits.train[:10])
    assert allocate([cost("slow", 1.0)], few, seconds=1).fraction == 1.0
