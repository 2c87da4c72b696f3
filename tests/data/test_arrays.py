"""Images that Python code passes in: what they mean, and what they look like if nothing."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerastl.data.images import decode
from kerastl.data.source import Source
from kerastl.errors import UsageError

COLORS = np.random.default_rng(0).integers(0, 256, (4, 6, 8, 3), np.uint8)
LABELS = [0, 1, 0, 1]


def pixels_of(images):
    source = Source.from_arrays(images, LABELS)
    return np.stack([decode(source.read(index)).numpy() for index in range(len(source))])


FORMS = {
    "as they are": COLORS,
    "shares": COLORS / 255,
    "shares, float16": (COLORS / 255).astype(np.float16),
    "whole floats": COLORS.astype(np.float32),
    "int64": COLORS.astype(np.int64),
    "uint16": COLORS.astype(np.uint16),
    "channels first": np.moveaxis(COLORS, -1, 1),
    "channels first in a list": list(np.moveaxis(COLORS, -1, 1)),
    "tensor": tf.constant(COLORS),
    "tensors": [tf.constant(image) for image in COLORS],
    "shares, tensor": tf.constant(COLORS, tf.float32) / 255,
    "lists": COLORS.tolist(),
    "generator": (image for image in COLORS),
    "dataset": tf.data.Dataset.from_tensor_slices(COLORS).as_numpy_iterator(),
    "objects": np.array([*COLORS, None], object)[:4],
    "Pillow": [Image.fromarray(image) for image in COLORS],
    "mixed": [Image.fromarray(COLORS[0]), *COLORS[1:].astype(float)],
}


@pytest.mark.parametrize("form", FORMS)
def test_pixels_are_the_same_in_every_form(form):
    np.testing.assert_array_equal(pixels_of(FORMS[form]), COLORS)


def test_truth_values_are_black_and_white():
    assert np.unique(pixels_of(COLORS[..., 0] > 99)).tolist() == [0, 255]
    assert np.unique(pixels_of((COLORS[..., 0] > 99).astype(float))).tolist() == [0, 255]


def test_images_of_pillow_keep_their_palette_and_lose_what_is_transparent_as_files_do():
    whole = [Image.fromarray(image) for image in COLORS]
    palette = [image.convert("P") for image in whole]
    np.testing.assert_array_equal(
        pixels_of(palette), np.stack([np.asarray(image.convert("RGB")) for image in palette])
    )
    assert pixels_of([image.convert("RGBA") for image in whole]).shape == COLORS.shape
    assert pixels_of([image.convert("1") for image in whole]).max() == 255


def test_images_of_pillow_with_more_than_8_bits_are_read_as_their_files_or_refused(tmp_path):
    deep = np.linspace(0, 65535, 48).reshape(6, 8).astype(np.uint16)
    images = [Image.fromarray(deep)] * 4
    images[0].save(tmp_path / "deep.png")
    files = Source.from_files([tmp_path / "deep.png"] * 2, [0, 1])
    np.testing.assert_array_equal(pixels_of(images)[0], decode(files.read(0)))
    gray = COLORS[..., 0]
    for mode, values in (("F", gray / np.float32(255)), ("F", gray.astype(np.float32))):
        images = [Image.fromarray(image, mode) for image in values]
        np.testing.assert_array_equal(pixels_of(images)[..., 0], gray)
    np.testing.assert_array_equal(
        pixels_of([Image.fromarray(image) for image in gray.astype(np.int32)])[..., 0], gray
    )
    with pytest.raises(UsageError, match=r"Pillow's mode I from 0 to 2550 is not in 0\.\.255"):
        pixels_of([Image.fromarray(np.array([[0, 2550]], np.int32))] * 4)


def test_what_rounds_to_black_and_white_is_a_share():
    nearly = np.array([[[-1e-9, 0.5], [1 + 1e-7, 0.0]]] * 4)
    assert pixels_of(nearly)[0, ..., 0].tolist() == [[0, 128], [255, 0]]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (COLORS / 127.5 - 1, "images: float64 from -1 to 1 is not in 0..255. Give"),
        (COLORS * 0.7, "best as uint8, or floats in 0..1; (images + 1) / 2 for floats in -1..1."),
        (COLORS.astype(int) * 2, "images: int64 from "),
        ([COLORS[0] / 255, COLORS[1] * 1.0, *COLORS[:2]], "images: float64 from 0 to 255 is"),
        (np.full((4, 2, 2), np.nan), "images: float64 from nan to nan is not in 0..255."),
        (COLORS.reshape(4, -1)[:, :144], "number 0 is uint8 (144,). Give uint8 pixels in 0..255 "),
        (COLORS.reshape(4, -1)[:, :144], "(height, width, 3), as image.reshape(12, 12)."),
        (np.zeros((4, 2, 2, 4), np.uint8), "as image[..., :3] where the fourth channel is the"),
        (np.zeros((4, 2, 2, 2, 3), np.uint8), "images: number 0 is uint8 (2, 2, 2, 3). Give"),
        (["a.png"] * 4, "images: number 0 is <U5 (). Give uint8 pixels"),
        (["a.png"] * 4, ", or files to from_files."),
        ("photos", "images='photos': is text. Give uint8 pixels"),
        ([{}] * 4, "images: number 0 is object ()."),
        (np.zeros((4, 2, 2), complex), "images: number 0 is complex128 (2, 2)."),
    ],
)
def test_what_is_no_pixels_is_named_with_what_it_looks_like(images, words):
    with pytest.raises(UsageError) as caught:
        Source.from_arrays(images, LABELS)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300
