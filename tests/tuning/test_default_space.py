import dataclasses
import io
import pathlib

import pytest

import kerastl
from kerastl.config import Config
from kerastl.errors import UsageError
from kerastl.tuning.default_space import default_space
from searches import (
    GRID,
    tune,
)


@pytest.mark.parametrize(
    ("changes", "blocks", "expected"),
    [
        (
            {"image_size": 96},
            [f"block_{number}" for number in range(1, 17)],
            {
                "image_size": "choice(96,128)",
                "unfreeze_from": "choice(block_7,block_4)",
                "finetune_epochs": "int(4,6)",
            },
        ),
        (
            {"image_size": 224},
            ["conv1", "conv2", "conv3", "conv4", "conv5"],
            {"image_size": "choice(224,288)", "unfreeze_from": "choice(conv3,conv2)"},
        ),
        (
            {"backbone": "hub:vit_base_patch16_224_imagenet", "image_size": 224},
            ["block_1", "block_2", "block_3"],
            {
                "finetune_learning_rate": "log(1e-05,0.0001)",
                "unfreeze_from": "choice(block_2,block_1)",
            },
        ),
        (
            {"weights": "none", "head_epochs": 0, "finetune_epochs": 5},
            ["a"],
            {"finetune_epochs": "int(5,10)"},
        ),
    ],
)
def test_the_default_space_fits_the_network(changes, blocks, expected):
    given = Config(**{"run_dir": "x", "dataset": "digits"} | changes)
    space = default_space(given, blocks)
    ranges = space.to_text()
    assert {name: ranges.get(name) for name in expected} == expected
    # What is tried first is of the space.
    assert all(space.has(space.config_for(values)) for values in space.first)
    assert len(space.first) == (given.weights != "none")
    assert ("unfreeze_from" in space.dimensions) == (given.weights != "none")


@pytest.mark.thorough
def test_the_default_space_is_for_any_network(config, source):
    printed = io.StringIO()
    config = dataclasses.replace(config, image_size=96)
    options = dataclasses.replace(GRID, max_trials=1)
    kerastl.tune(config, None, options, source=source, progress=kerastl.Progress(printed))
    assert "  optimizer=choice(adamw)\n" in printed.getvalue()
    assert "  image_size=choice(96,128)\n" in printed.getvalue()
    assert "  unfreeze_from=choice(block1)\n" in printed.getvalue()


def test_blocks_are_looked_for_before_the_first_trial(config, source):
    config = dataclasses.replace(config, finetune_epochs=1)
    with pytest.raises(UsageError, match="search_space=unfreeze_from: unfreeze_from='blok2'"):
        tune(config, source, {"unfreeze_from": "choice(block2,blok2)"})
    assert not pathlib.Path(config.run_dir).exists()
