"""The weights that come with the package: which they are, and what they are good for."""

import hashlib
import importlib.resources

import keras
import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import kerastl
from kerastl.data.images import resize
from kerastl.errors import UsageError
from kerastl.model.build import scale_pixels
from kerastl.model.building.applications import build_backbone
from kerastl.model.network import open_network
from kerastl.model.sources.table import find_backbone
from kerastl.selection.candidates import read_candidates
from kerastl.selection.measurements import adapt_config
from kerastl.settings import ModelSettings
from kerastl.settings.images import BUNDLED_SIZE
from kerastl.training.train import config_warnings
from kerastl.tuning.default_space import default_space

ROW = find_backbone(ModelSettings(weights="bundled"))
SHA256 = "a8c7d28564cdb5f36789dbe1993cb2e24adc64d17e81c7eecad23d80e6aba142"
# Six of the 1,280 pooled features of each image of `drawn`.
FEATURES = [
    [0.2046, 0.0, 0.0, 0.0846, 0.0, 0.6617],
    [0.0, 0.1008, 1.7835, 0.3943, 0.0, 0.0],
    [0.0, 0.0070, 0.0720, 0.1315, 0.0, 0.0144],
]


def drawn():
    """A red disc on gray, black and white stripes, and a shade from blue to yellow."""
    down, across = np.mgrid[:BUNDLED_SIZE, :BUNDLED_SIZE].astype(np.float32)
    disc = np.full((BUNDLED_SIZE, BUNDLED_SIZE, 3), 128, np.float32)
    disc[np.hypot(down - 20, across - 26) < 14] = (220, 30, 30)
    stripes = np.repeat(255 * ((down + 2 * across) // 8 % 2)[..., None], 3, axis=-1)
    shade = np.stack([down, across, BUNDLED_SIZE - down], axis=-1) * (255 / BUNDLED_SIZE)
    return np.stack([disc, stripes, shade])


def resource():
    return importlib.resources.files("kerastl.model").joinpath("bundled.weights.h5").read_bytes()


def test_file_is_the_one_that_was_measured_and_small():
    content = resource()
    assert hashlib.sha256(content).hexdigest() == SHA256
    assert len(content) < 2_000_000


def pooled_by(weights, images):
    """Gives the pooled features, float32 (images, 1280), of pixels in 0..255 at 48 px."""
    network = build_backbone(ROW, weights=weights, image_size=BUNDLED_SIZE)
    pixels = keras.Input((BUNDLED_SIZE, BUNDLED_SIZE, 3))
    features = network(scale_pixels(pixels, ROW.scaling))
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(features))(images).numpy()


@pytest.mark.thorough
def test_features_of_drawn_images_are_those_of_the_file():
    pooled = pooled_by("bundled", drawn())
    np.testing.assert_allclose(pooled[:, 100::200], FEATURES, atol=1e-3)


@pytest.mark.thorough
def test_frozen_they_beat_the_same_network_with_random_weights():
    digits = datasets.load_digits()
    pixels = np.repeat(digits.images[:400, ..., None] * (255 / 16), 3, axis=-1)
    images = resize(pixels, image_size=BUNDLED_SIZE, rule="crop").numpy()

    def score(weights):
        # The same for both, so that a file that is not read gives no other network.
        keras.utils.set_random_seed(0)
        features = pooled_by(weights, images)
        probe = make_pipeline(StandardScaler(), LogisticRegression())
        probe.fit(features[:100], digits.target[:100])
        return probe.score(features[100:], digits.target[100:400])

    assert score("bundled") > score("none") + 0.1


@pytest.mark.parametrize(("image_size", "is_warned"), [(0, False), (48, False), (96, True)])
def test_other_sizes_get_a_warning(image_size, is_warned):
    config = kerastl.Config(run_dir="x", dataset="digits", weights="bundled", image_size=image_size)
    warnings = list(config_warnings(config))
    assert len(warnings) == is_warned
    assert all(warning.startswith("image_size=96 is not the 48 px") for warning in warnings)


def test_a_ranking_gives_them_to_their_own_network_alone():
    config = kerastl.Config(run_dir="x", dataset="digits", weights="bundled")
    names = "MobileNetV2_035,MobileNetV3Small"
    with pytest.raises(UsageError, match=r"^backbones='MobileNetV3Small': is another network than"):
        read_candidates(config, backbones=names, image_sizes="", progress=kerastl.Progress())
    names = "MobileNetV2_035,ResNet50=imagenet"
    (own, other) = read_candidates(
        config, backbones=names, image_sizes="", progress=kerastl.Progress()
    )
    assert (own.weights, other.weights) == ("bundled", "imagenet")


@pytest.mark.thorough
def test_a_ranking_notes_another_size():
    config = kerastl.Config(run_dir="x", dataset="digits", weights="bundled", image_size=64)
    _, (note,) = adapt_config(config, open_network(config, num_classes=2))
    assert note.startswith("image_size=64 is not the 48 px that the bundled weights")


def test_a_search_keeps_their_size():
    config = kerastl.Config(run_dir="x", dataset="digits", weights="bundled")
    space = default_space(config, [f"block_{number}" for number in range(17)])
    assert space.image_sizes() == [48]


@pytest.mark.thorough
def test_ten_digits_a_class_make_a_good_classifier(tmp_path):
    config = kerastl.Config(
        run_dir=str(tmp_path / "run"),
        cache_dir=str(tmp_path / "cache"),
        dataset="digits",
        examples_per_class=10,
        weights="bundled",
        batch_size=25,
        head_epochs=15,
        head_learning_rate=0.003,
        optimizer="adamw",
    )
    result = kerastl.run(config, progress=kerastl.Progress())
    assert result.metrics["test"]["accuracy"] > 0.85
