import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import fakes
from kerastl.data import augment
from kerastl.data.augment import build_augmenter
from kerastl.data.pipeline import (
    evaluation_dataset,
    training_dataset,
    view_hashes,
    view_indices,
    views_dataset,
)
from kerastl.settings import ImageSettings
from kerastl.settings.images import AUGMENTATIONS, MIRROR

IMAGE = np.random.default_rng(0).uniform(0, 255, (24, 24, 3)).astype(np.float32)
SOURCE = fakes.color_source(per_class=4, noise=80.0)


@functools.cache
def augmenter(text, seed):
    return tf.function(build_augmenter(make_images(augment=text).augmentations, seed=seed))


def changed(text, *, view=1, digest=5, seed=0, image=IMAGE):
    numbers = (tf.constant(number, tf.int64) for number in (view, digest))
    return augmenter(text, seed)(tf.constant(image), *numbers).numpy()


def make_images(**changes):
    return ImageSettings(**({"image_size": 16} | changes))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_changes_pixels_and_keeps_their_range(name):
    views = [changed(name, view=view) for view in range(1, 9)]
    assert any(not np.array_equal(image, IMAGE) for image in views)
    for image in views:
        assert image.shape == IMAGE.shape
        assert image.dtype == np.float32
        assert 0 <= image.min() <= image.max() <= 255


@pytest.mark.parametrize(
    "name",
    [
        # It has so many operations that its tracings take seconds.
        pytest.param(name, marks=pytest.mark.slow) if name == "randaugment" else name
        for name in AUGMENTATIONS
        if name != MIRROR
    ],
)
def test_seed_view_and_image_decide_and_nothing_else(name, tensorflow_seed):
    def series(**changes):
        return np.stack([changed(name, view=view, **changes) for view in range(1, 7)])

    first = series()
    tf.random.set_seed(7)
    augmenter.cache_clear()
    np.testing.assert_array_equal(series(), first)
    assert not np.array_equal(series(seed=1), first)
    assert not np.array_equal(series(digest=6), first)
    assert len(np.unique(first, axis=0)) > 1


@pytest.mark.thorough
def test_view_zero_is_the_image_as_it_is():
    np.testing.assert_array_equal(changed("flip,crop,color,randaugment", view=0), IMAGE)


def test_flip_mirrors_about_half_of_the_images():
    mirrored = 0
    for digest in range(40):
        image = changed("flip", digest=digest)
        is_mirrored = np.array_equal(image, IMAGE[:, ::-1])
        assert is_mirrored or np.array_equal(image, IMAGE)
        mirrored += is_mirrored
    assert 10 <= mirrored <= 30


def test_every_second_view_is_mirrored_and_nothing_else_decides():
    for view in range(5):
        for changes in ({}, {"seed": 3}, {"digest": 9}):
            expected = IMAGE[:, ::-1] if view in (2, 4) else IMAGE
            np.testing.assert_array_equal(changed("mirror", view=view, **changes), expected)


def test_strength_scales_the_change():
    def change(text):
        return np.mean([np.abs(changed(text, view=view) - IMAGE).mean() for view in range(1, 9)])

    assert change("color:0.1") < change("color:0.8") / 2


def test_color_changes_are_as_far_up_as_down():
    # Gray in the middle of the range shows brightness, and a color shows saturation.
    gray = np.full((8, 8, 3), 127.0, np.float32)
    means = [changed("color:0.3", digest=digest, image=gray).mean() for digest in range(60)]
    assert min(means) < 110
    assert max(means) > 144
    assert abs(np.mean(means) - 127) < 15
    color = np.broadcast_to(np.float32([160, 120, 100]), (8, 8, 3))
    spans = [np.ptp(changed("color:0.3", digest=digest, image=color)) for digest in range(60)]
    assert 20 < min(spans) < 55
    assert max(spans) > 65


def test_names_are_applied_in_their_order():
    assert not np.array_equal(changed("color,crop"), changed("crop,color"))


def shifted(image):
    return augment.warp(image, [[1, 0], [0, 1]], [-0.25, -0.25])


# Ours, and the layer of Keras that does the same whatever its random numbers are.
SAME = {
    "shift": (shifted, lambda: keras.layers.RandomTranslation((0.25, 0.25), (0.25, 0.25))),
    "rotation": (
        lambda image: augment.rotate(image, 0.1),
        lambda: keras.layers.RandomRotation((0.1, 0.1)),
    ),
    "brightness": (
        lambda image: augment.brighten(image, 0.3),
        lambda: keras.layers.RandomBrightness((0.3, 0.3)),
    ),
    "gray": (
        lambda image: augment.fade(image, 0.4),
        lambda: keras.layers.RandomColorDegeneration((0.4, 0.4)),
    ),
    "contrast": (
        lambda image: augment.change_contrast(image, 1.3),
        lambda: keras.layers.RandomContrast((-0.3, 0.3)),
    ),
    "sharpness": (
        lambda image: augment.sharpen(image, 0.8),
        lambda: keras.layers.RandomSharpness((0.8, 0.8)),
    ),
    "bits": (
        lambda image: augment.posterize(image, 3),
        lambda: keras.layers.RandomPosterization((3, 3)),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_operation_is_that_of_keras(name):
    ours, layer = SAME[name]
    expected = layer()(tf.constant(IMAGE)[tf.newaxis], training=True)[0]
    np.testing.assert_allclose(ours(tf.constant(IMAGE)), expected, atol=0.02)


def test_solarizing_inverts_from_the_threshold_on():
    image = tf.constant([[[0.0, 100.0, 200.0]]])
    assert augment.solarize(image, 0.1, 0.5).numpy().tolist() == [[[25.5, 125.5, 29.5]]]


def test_no_name_changes_no_view_but_the_mirror_image():
    np.testing.assert_array_equal(changed("", view=1), IMAGE)
    for text in ("", "mirror", "crop"):
        np.testing.assert_array_equal(changed(text, view=augment.MIRRORED), IMAGE[:, ::-1])


def images_of(dataset):
    return np.concatenate([images for images, _ in dataset.as_numpy_iterator()])


def sorted_images(images):
    flat = images.reshape(len(images), -1)
    return flat[np.lexsort(flat.T[:3])]


@pytest.mark.thorough
def test_training_images_differ_from_epoch_to_epoch_and_others_never():
    everything = np.arange(len(SOURCE))

    def trained():
        settings = make_images(augment="color")
        return images_of(
            training_dataset(SOURCE, everything, settings, batch_size=4, epochs=range(2))
        )

    images = trained()
    first, second = sorted_images(images[:12]), sorted_images(images[12:])
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(images, trained())
    changed, plain = (
        images_of(evaluation_dataset(SOURCE, everything, make_images(augment=text), batch_size=4))
        for text in ("color", "")
    )
    np.testing.assert_array_equal(changed, plain)


@pytest.mark.thorough
def test_change_does_not_depend_on_the_batch_or_the_other_images():
    def views(indices, batch_size):
        settings = make_images(augment="flip,crop,color")
        rows = np.array(indices) + len(SOURCE)
        images = images_of(views_dataset(SOURCE, rows, settings, batch_size=batch_size))
        return dict(zip(indices, images, strict=True))

    alone, among = views([3], 1), views([7, 3, 1, 0], 4)
    np.testing.assert_array_equal(alone[3], among[3])


@pytest.mark.thorough
def test_views_are_fixed_and_taken_in_turn():
    settings = make_images(augment="color", augment_views=2)
    train = np.array([0, 5, 9])
    indices = view_indices(SOURCE, train, settings)
    assert indices.tolist() == [12, 17, 21, 24, 29, 33]
    trained = training_dataset(SOURCE, train, settings, batch_size=4, epochs=range(4))
    epochs = images_of(trained).reshape(4, 3, -1)
    stored = images_of(views_dataset(SOURCE, indices, settings, batch_size=4)).reshape(2, 3, -1)
    for epoch, images in enumerate(epochs):
        np.testing.assert_array_equal(sorted_images(images), sorted_images(stored[epoch % 2]))


def test_without_views_nothing_of_the_training_images_repeats():
    train = np.array([0, 5, 9])
    assert view_indices(SOURCE, train, make_images(augment="flip")).tolist() == []
    assert view_indices(SOURCE, train, make_images()).tolist() == [0, 5, 9]


def test_hashes_of_views_depend_on_what_makes_them():
    plain = view_hashes(SOURCE, make_images())
    np.testing.assert_array_equal(plain, SOURCE.hashes)
    views = view_hashes(SOURCE, make_images(augment="flip", augment_views=2))
    assert views.shape == (36, 16)
    np.testing.assert_array_equal(views[:12], plain)
    assert len(np.unique(views, axis=0)) == 36
    # More views keep the earlier ones; another seed or change makes others.
    more = view_hashes(SOURCE, make_images(augment="flip", augment_views=3))
    np.testing.assert_array_equal(more[:36], views)
    for other in ({"seed": 1}, {"augment": "color"}, {"augment": "flip,color"}):
        values = {"augment": "flip", "augment_views": 2} | other
        others = view_hashes(SOURCE, make_images(**values))[12:]
        assert not set(map(bytes, others)) & set(map(bytes, views))


def test_views_with_the_same_pixels_are_the_same_whatever_made_them():
    plain = SOURCE.hashes
    views = view_hashes(SOURCE, make_images(augment="mirror", augment_views=4)).reshape(5, 12, 16)
    for view in (0, 1, 3):
        np.testing.assert_array_equal(views[view], plain)
    np.testing.assert_array_equal(views[2], views[4])
    assert not set(map(bytes, views[2])) & set(map(bytes, plain))
    # Without a number, and with another seed.
    same = view_hashes(SOURCE, make_images(augment="mirror", seed=3))
    np.testing.assert_array_equal(same, views[:3].reshape(36, 16))
    np.testing.assert_array_equal(
        view_hashes(SOURCE, make_images(augment="mirror,mirror")), np.tile(plain, (3, 1))
    )
    for text in ("", "mirror", "crop"):
        averaged = view_hashes(SOURCE, make_images(augment=text, average_mirrored="yes"))
        np.testing.assert_array_equal(averaged[-12:], views[2])
    # With a random change a view is its own, mirrored or not.
    crops = view_hashes(SOURCE, make_images(augment="mirror,crop", augment_views=2))[12:]
    others = view_hashes(SOURCE, make_images(augment="crop", augment_views=2))
    assert not set(map(bytes, crops)) & set(map(bytes, np.concatenate([views[2], others])))


@pytest.mark.thorough
@pytest.mark.parametrize(
    "views", [3, *(pytest.param(n, marks=pytest.mark.thorough) for n in (0, 2))]
)
def test_epochs_of_mirror_take_turns(views):
    settings = make_images(augment="mirror", augment_views=views)
    epochs = training_dataset(SOURCE, np.arange(1), settings, batch_size=1, epochs=range(4))
    image, mirrored = images_of(
        views_dataset(SOURCE, np.array([0, 2 * len(SOURCE)]), settings, batch_size=2)
    )
    np.testing.assert_array_equal(mirrored, image[:, ::-1])
    in_turn = [np.array_equal(one, image) for one in images_of(epochs)]
    assert in_turn == ([True, False, True, True] if views == 3 else [True, False, True, False])


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_pixels_stay_in_32_bits_in_a_network_of_16(policy):
    image = tf.constant(np.random.default_rng(0).uniform(0, 255, (16, 16, 3)), tf.float32)
    changes = ImageSettings(augment="flip,crop,color").augmentations
    numbers = (tf.constant(1, tf.int64), tf.constant(5, tf.int64))
    expected = build_augmenter(changes, seed=0)(image, *numbers)
    keras.config.set_dtype_policy(policy)
    try:
        augmenter = build_augmenter(changes, seed=0)
        changed = tf.function(augmenter)(image, *numbers)
        assert keras.config.dtype_policy().name == policy
    finally:
        keras.config.set_dtype_policy("float32")
    assert changed.dtype == tf.float32
    np.testing.assert_allclose(changed, expected, atol=1e-3)
