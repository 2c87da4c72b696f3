import contextlib
import dataclasses

import keras
import pytest
import tensorflow as tf

import fakes
from kerastl.settings import Decides, ModelSettings
from kerastl.training.store_key import open_store
from tiny_networks import open_tiny, place


@pytest.fixture
def config(tiny_net, tmp_path):
    return fakes.tiny_config(tmp_path, cache_dir=str(tmp_path / "cache"))


def key(network, config, *, layer="pooled", model=None):
    """Returns the name of the directory in which features are stored."""
    opened = open_store(network, place(network, layer), model=model or config, store=config)
    with contextlib.closing(opened):
        return opened.path.name


@pytest.mark.parametrize(
    "change",
    [
        {"image_size": 32},
        {"resize": "stretch"},
        {"backbone": "Another"},
        {"cache_dtype": "float16"},
    ],
)
def test_what_decides_the_values_decides_the_key(tiny_net, config, change):
    # Positions and shapes stay; only the setting differs.
    network = open_tiny(tiny_net)
    assert key(network, dataclasses.replace(config, **change)) != key(network, config)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 3, "validation_fraction": 0.3},
        {"augment": "flip", "augment_views": 2},
        {"dropout": 0.5, "batch_size": 4},
        {"weights": "elsewhere.h5", "precision": "auto"},
    ],
)
def test_what_decides_anything_else_does_not(tiny_net, config, change):
    network = open_tiny(tiny_net)
    assert key(network, dataclasses.replace(config, **change)) == key(network, config)


def test_settings_of_the_model_alone_give_the_key_of_a_whole_config(tiny_net, config):
    network = open_tiny(tiny_net)
    model = ModelSettings(**config.deciding(Decides.FEATURES, of=ModelSettings))
    assert type(model) is ModelSettings
    assert key(network, config, model=model) == key(network, config)


def test_weights_decide_the_key_and_not_whether_they_train(tiny_net, config):
    first = key(open_tiny(tiny_net, seed=0), config)
    assert key(open_tiny(tiny_net, seed=1), config) != first
    again = open_tiny(tiny_net, seed=0)
    again.model.trainable = True
    assert key(again, config) == first


def test_boundaries_of_one_network_have_a_key_each(tiny_net, config):
    network = open_tiny(tiny_net)
    assert key(network, config, layer="block2_bn") != key(network, config, layer="block2_relu")


def test_layers_without_weights_decide_the_key(tiny_net, config):
    network = open_tiny(tiny_net)
    before = key(network, config)
    scaling = next(call.layer for call in network.calls if call.layer.name == "input_scaling")
    scaling.scale = 0.5
    assert key(network, config) != before


@pytest.mark.parametrize("library", ["tensorflow", "keras"])
def test_another_version_has_another_key(tiny_net, config, monkeypatch, library):
    network = open_tiny(tiny_net)
    before = key(network, config)
    if library == "keras":
        monkeypatch.setattr(keras, "version", lambda: "99")
    else:
        monkeypatch.setattr(tf, "__version__", "99")
    assert key(network, config) != before


@pytest.mark.parametrize(
    "change", [{"cache_dir": ""}, {"weights": "none", "head_epochs": 0, "finetune_epochs": 1}]
)
def test_nothing_is_stored_without_a_cache_or_of_random_weights(tiny_net, config, change):
    network = open_tiny(tiny_net)
    changed = dataclasses.replace(config, **change)
    assert open_store(network, network.pooled, model=changed, store=changed) is None
