import importlib
import io

import numpy as np
import pytest

import fakes
from kerastl.config import Config
from kerastl.data.opening import describe, describe_sizes, open_source
from kerastl.data.splits import Splits, make_splits
from kerastl.data_sources import DATA_SOURCES, forms
from kerastl.progress import Progress
from kerastl.settings import DataSettings, ImageSettings


def make_data(**changes):
    return DataSettings(dataset="digits", **changes)


@pytest.mark.thorough
def test_config_says_which_source_is_read():
    config = Config(run_dir="x", dataset="digits")
    assert open_source(config, Progress()).name == "digits"


def test_built_in_data_sets_can_be_extended(use_source):
    source = use_source(fakes.color_source(per_class=4))
    opened = open_source(Config(run_dir="x", dataset="digits"), Progress())
    assert opened.name == source.name == "colors"


def described(splits, **changes):
    stream = io.StringIO()
    describe(splits, Progress(stream))
    describe_sizes(splits, ImageSettings(**({"image_size": 1} | changes)), Progress(stream))
    return stream.getvalue().splitlines()


def test_description_counts_each_class_in_each_split():
    source = fakes.color_source(per_class=20)
    data = make_data(examples_per_class=10)
    assert described(make_splits(source, data), image_size=16) == [
        "colors: 3 classes, 60 images: train 30, validation 6, test 6, unused 18.",
        "  blue: train 10, validation 2, test 2, unused 6",
        "  green: train 10, validation 2, test 2, unused 6",
        "  red: train 10, validation 2, test 2, unused 6",
    ]


def test_description_says_how_far_images_are_enlarged():
    # The shorter side counts: 16 of 24 x 16.
    lines = described(make_splits(fakes.color_source(), make_data()), image_size=224)
    assert lines[-1] == "Images of 16 px are enlarged 14 times to 224 px."


def test_description_of_many_classes_is_cut():
    colors = {f"color {index:03d}": (index, 0, 0) for index in range(103)}
    source = fakes.color_source(per_class=3, colors=colors)
    lines = described(make_splits(source, make_data()), image_size=8)
    assert lines[20] == "  color 019: train 1, validation 1, test 1"
    assert lines[21:] == ["  83 more, each: train 1 to 1, validation 1 to 1, test 1 to 1"]


def test_description_leaves_empty_splits_out():
    source = fakes.color_source()
    none = np.array([], np.int64)
    everything = np.arange(60)
    splits = Splits(source, everything[:40], everything[40:], test=none, unused=none)
    assert described(splits)[0] == "colors: 3 classes, 60 images: train 40, validation 20."


@pytest.mark.parametrize("kind", DATA_SOURCES)
def test_each_kind_of_data_is_opened_by_its_module_or_passed_in(kind):
    row = DATA_SOURCES[kind]
    config = Config(run_dir="x", dataset=f"{kind}:x" if row.place else kind)
    assert config.source_kind is row
    assert (kind in forms()) != row.is_passed_in
    if row.is_passed_in:
        assert not row.module
    else:
        assert callable(importlib.import_module(row.module).open_source)
