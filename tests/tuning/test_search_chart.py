import dataclasses

import numpy as np
import pytest

from kerastl.config import Config
from kerastl.tuning.search_chart import draw_search
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.significance import order
from kerastl.tuning.space_parser import read_space
from kerastl.tuning.trials import Trial
from svg_texts import collisions, read_texts

LONG = {
    "image_size": "choice(96,128,160,192,224)",
    "dropout": "uniform(0,0.5)",
    "head_learning_rate": "log(0.0001,0.1)",
    "finetune_epochs": "int(0,4)",
    "finetune_learning_rate": "log(0.0001,0.1)",
    "unfreeze_from": "choice(block_13_expand_depthwise_project,conv5_block3)",
    "weight_decay": "log(0.000001,0.01)",
    "schedule": "choice(cosine,constant)",
    "warmup_epochs": "uniform(0,1)",
    "class_weights": "choice(none,balanced,sqrt)",
    "augment": 'choice("","flip,crop:0.2,color:0.3,randaugment:0.5")',
    "resize": "choice(crop,pad)",
}


def draw(ranges, count, failed=()):
    space = read_space(ranges, Config(run_dir="x", dataset="digits", finetune_epochs=2))
    labels = np.zeros(200, np.int64)
    trials = []
    for number in range(count):
        drawn = {
            name: dimension.to_check[number % len(dimension.to_check)]
            for name, dimension in space.dimensions.items()
        }
        config = space.config_for(drawn) if number else space.config
        trial = Trial(number=number, status="failed", values=space.values_of(config), config=config)
        if number not in failed:
            predicted = labels.copy()
            predicted[: number % 60] = 1
            accuracy = float(np.mean(predicted == labels))
            scores = {"val_accuracy": accuracy, "val_loss": 1 - accuracy}
            trial = dataclasses.replace(
                trial, status="completed", scores=scores, predicted=predicted[np.newaxis]
            )
        trials.append(trial)
    ranking = order(trials, labels, SearchOptions())
    title = "Settings for a-folder/" + "with-a-long-name/" * 9
    gone = [trial for trial in trials if trial.status == "failed"]
    return draw_search(ranking, gone, space, SearchOptions(), title=title)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("ranges", "count", "failed"),
    [
        ({"dropout": "uniform(0,0.5)"}, 1, ()),
        (LONG, 12, (1, 2)),
        ({name: LONG[name] for name in list(LONG)[:8]}, 60, (0, 30)),
    ],
)
def test_words_are_within_the_drawing_and_not_above_each_other(ranges, count, failed):
    svg = draw(ranges, count, failed)
    assert not list(collisions(svg))
    assert {text.text for text in read_texts(svg)} >= {*ranges, "val_accuracy"}
    assert svg == draw(ranges, count, failed)


def test_search_without_a_completed_trial_says_so():
    assert "No trial has completed yet." in draw({"dropout": "uniform(0,0.5)"}, 1, (0,))


def test_whole_numbers_have_whole_ticks_and_a_number_without_logarithm_is_at_the_end():
    """As no weight decay is, which your flags may have."""
    svg = draw({"finetune_epochs": "int(1,3)", "weight_decay": "log(0.000001,0.01)"}, 3)
    shown = [text.text for text in read_texts(svg) if text.bottom > 480]
    ticks = [*("1", "2", "3"), *("1e-06", "1e-05", "0.0001", "0.001", "0.01")]
    assert [text for text in shown if text in ticks][:8] == ticks
