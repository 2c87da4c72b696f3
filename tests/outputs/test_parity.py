import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import fakes
import kerastl
from kerastl.data.images import decode_and_resize
from kerastl.data.splits import deal
from kerastl.model.backbones import SYMMETRIC
from kerastl.model.build import build_classifier
from kerastl.outputs import savedmodel
from kerastl.outputs.parity import largest_differences


@pytest.fixture
def trainer(tmp_path):
    """A classifier with a head of random weights, and its answers for its test images."""
    source = fakes.colour_source(per_class=8)
    splits = deal(source, fakes.tiny_config(tmp_path))
    network = fakes.tiny_net(
        include_top=False, weights=None, input_shape=(16, 16, 3), name="backbone"
    )
    classifier = build_classifier(network, scaling=SYMMETRIC, num_classes=3, dropout=0.0)
    classifier.get_layer("logits").kernel.assign(np.random.default_rng(0).normal(size=(8, 3)))
    images = np.stack(
        [decode_and_resize(source.read(index), image_size=16, rule="crop") for index in splits.test]
    )
    probabilities = tf.nn.softmax(classifier.predict(images, verbose=0)).numpy()
    (tmp_path / "exports").mkdir()

    def export():
        return savedmodel.export(
            classifier,
            tmp_path / "exports",
            resize_rule="crop",
            splits=splits,
            probabilities=probabilities,
            card={},
        )

    return export


def without_scaling(classifier, options):
    network = keras.models.clone_model(classifier.get_layer("backbone"))
    other = build_classifier(network, scaling=None, num_classes=3, dropout=0.0)
    other.set_weights(classifier.get_weights())
    return other, options


def other_class_order(classifier, options):
    return classifier, options | {"class_names": options["class_names"][::-1]}


def other_resize_rule(classifier, options):
    return classifier, options | {"resize_rule": "stretch"}


def not_a_number(classifier, options):
    other = keras.models.clone_model(classifier)
    other.set_weights(classifier.get_weights())
    other.get_layer("logits").bias.assign([np.nan, 0.0, 0.0])
    return other, options


@pytest.mark.parametrize(
    "spoil", [without_scaling, other_class_order, other_resize_rule, not_a_number]
)
def test_export_that_answers_otherwise_is_caught(trainer, tmp_path, monkeypatch, spoil):
    def write_spoilt(classifier, path, **options):
        other, options = spoil(classifier, options)
        write_savedmodel(other, path, **options)

    write_savedmodel = savedmodel.write_savedmodel
    monkeypatch.setattr(savedmodel, "write_savedmodel", write_spoilt)
    with pytest.raises(
        kerastl.KerastlError,
        match=r"^export_dir='.*': the SavedModel answers otherwise than the trainer, by \S+ of "
        r"probability through serving_default, where 1e-05 is allowed\. No export is left",
    ):
        trainer()
    assert os.listdir(tmp_path / "exports") == []


def test_export_that_answers_alike_is_kept(trainer, tmp_path):
    path, difference = trainer()
    assert path == tmp_path / "exports" / "1"
    assert difference < 1e-6


@pytest.mark.parametrize("difference", [1e-5, np.inf, np.nan])
@pytest.mark.parametrize("signature", ["serving_default", "images"])
def test_one_signature_is_enough_to_fail(trainer, tmp_path, monkeypatch, difference, signature):
    differences = {"serving_default": 0.0, "images": 0.0} | {signature: difference}
    monkeypatch.setattr(savedmodel, "largest_differences", lambda *_, **__: differences)
    with pytest.raises(kerastl.KerastlError, match=f"by {difference:.2g} of .* {signature},"):
        trainer()
    assert os.listdir(tmp_path / "exports") == []


def test_what_cannot_be_opened_is_one_line(tmp_path):
    with pytest.raises(kerastl.KerastlError, match=r"^[^\n]*cannot be used in a fresh process \("):
        largest_differences(tmp_path, [], np.zeros((0, 2)), class_names=("a", "b"), image_size=8)
