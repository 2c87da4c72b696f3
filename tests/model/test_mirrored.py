import keras
import numpy as np
import pytest
import tensorflow as tf

import fakes
from kerastl.model.backbones import CAFFE, SYMMETRIC
from kerastl.model.build import build_classifier
from kerastl.model.mirrored import (
    average_mirrored,
    averages_mirrored,
    outputs_of,
    probabilities_of,
)

IMAGES = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype(np.float32)


def make(scaling=SYMMETRIC, spread=3.0):
    """A classifier whose head has random weights, and the model that answers with its mean."""
    keras.utils.set_random_seed(0)
    network = fakes.tiny_net(
        include_top=False, weights=None, input_shape=(16, 16, 3), name="backbone"
    )
    classifier = build_classifier(network, scaling=scaling, num_classes=4, dropout=0.5)
    kernel = classifier.get_layer("logits").kernel
    kernel.assign(np.random.default_rng(0).normal(scale=spread, size=kernel.shape))
    return classifier, average_mirrored(classifier)


def mean_of(classifier, images=IMAGES):
    both = [tf.nn.softmax(classifier(one)) for one in (images, images[:, :, ::-1])]
    assert np.abs(both[0] - both[1]).max() > 0.01
    return np.mean(both, axis=0)


# That of MobileNetV2, and that of ResNet50, whose channels are turned around.
@pytest.mark.parametrize("scaling", [SYMMETRIC, CAFFE])
def test_answer_is_the_mean_of_the_probabilities_also_when_read_from_a_file(scaling, tmp_path):
    classifier, averaged = make(scaling)
    averaged.save(tmp_path / "model.keras")
    read = keras.saving.load_model(tmp_path / "model.keras")
    assert [averages_mirrored(one) for one in (classifier, averaged, read)] == [False, True, True]
    assert len(averaged.weights) == len(read.weights) == len(classifier.weights)
    for model in (averaged, read):
        np.testing.assert_allclose(tf.nn.softmax(model(IMAGES)), mean_of(classifier), atol=1e-6)
        found = probabilities_of(model)(IMAGES)["probabilities"]
        np.testing.assert_allclose(found, mean_of(classifier), atol=1e-6)
        features = outputs_of(model)(IMAGES)
        plain = outputs_of(classifier)
        np.testing.assert_allclose(features["features"], plain(IMAGES)["features"], atol=1e-6)
        mirrored = plain(IMAGES[:, :, ::-1])["features"]
        np.testing.assert_allclose(features["mirrored_features"], mirrored, atol=1e-6)


def test_class_that_is_impossible_for_both_has_a_finite_loss():
    _, averaged = make(spread=1e5)
    logits = averaged(IMAGES).numpy()
    assert np.isfinite(logits).all()
    assert logits.min() < -80


@pytest.mark.thorough
def test_another_run_can_start_from_its_weights(tiny_net, tmp_path):
    run = fakes.finish_run(
        fakes.tiny_config(tmp_path / "first", average_mirrored="yes", head_epochs=1),
        fakes.color_source(),
    )
    weights = str(run.result.run_dir / "model.keras")
    again = fakes.tiny_config(tmp_path / "again", weights=weights, head_epochs=1)
    theirs = fakes.finish_run(again, run.source).result.model.get_layer("backbone")
    ours = run.result.model.get_layer("backbone")
    for own, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)
