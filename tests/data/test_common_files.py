import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerastl.data import images
from kerastl.data.common_files import DECODERS, as_three_channels, find_common
from picture_files import picture


def encode(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


COLORS = picture(1).resize((19, 23))
GRAY = COLORS.convert("L")
PALETTE = COLORS.convert("P")
COMMON = {
    "RGB.png": encode(COLORS, "PNG"),
    "gray.png": encode(GRAY, "PNG"),
    "palette.png": encode(PALETTE, "PNG"),
    "one_bit.png": encode(GRAY.convert("1"), "PNG"),
    "16_bits.png": encode(
        Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 160), "PNG"
    ),
    "RGB.jpg": encode(COLORS, "JPEG"),
    "gray.jpg": encode(GRAY, "JPEG"),
    "progressive.jpg": encode(COLORS, "JPEG", progressive=True),
    "no_subsampling.jpg": encode(COLORS, "JPEG", subsampling=0),
    "RGB.bmp": encode(COLORS, "BMP"),
    "wide.bmp": encode(COLORS.resize((21, 5)), "BMP"),
}
OTHERS = {
    "alpha.png": encode(COLORS.convert("RGBA"), "PNG"),
    "gray_alpha.png": encode(GRAY.convert("LA"), "PNG"),
    "cut_out.png": encode(PALETTE, "PNG", transparency=3),
    "turned.png": encode(COLORS, "PNG", exif=turned()),
    "turned.jpg": encode(COLORS, "JPEG", exif=turned()),
    "CMYK.jpg": encode(COLORS.convert("CMYK"), "JPEG"),
    "no_end.jpg": encode(COLORS, "JPEG")[:-2],
    "behind.jpg": encode(COLORS, "JPEG") + b"more",
    "picture.gif": encode(PALETTE, "GIF"),
    "gray.bmp": encode(GRAY, "BMP"),
    "alpha.bmp": encode(COLORS.convert("RGBA"), "BMP"),
    "behind.bmp": encode(COLORS, "BMP") + b"more",
    "start.bmp": encode(COLORS, "BMP")[:-2],
    "picture.webp": encode(COLORS, "WEBP"),
    "large.png": encode(Image.new("L", (2100, 2100)), "PNG"),
    "text": b"text",
    "empty": b"",
    "start.png": encode(COLORS, "PNG")[:20],
    "start.jpg": encode(COLORS, "JPEG")[:30] + b"\xff\xd9",
}


# Below the sides of the pictures, so that JPEGs are decoded at a half.
SMALLEST = 9


def try_common(content):
    """Returns what is common of a file and its pixels; None for other files and damaged ones."""
    common = find_common(content, smallest_side=SMALLEST)
    try:
        return common and (common, as_three_channels(DECODERS[common.decoder](content).numpy()))
    except tf.errors.OpError:
        return None


@pytest.mark.parametrize("name", OTHERS)
def test_what_needs_more_than_one_operation_is_not_common(name):
    assert try_common(OTHERS[name]) is None


@pytest.mark.parametrize("name", COMMON)
def test_common_file_has_the_pixels_of_the_decoder_however_it_is_damaged(name):
    content, rng, decoded = COMMON[name], np.random.default_rng(0), 0
    common, pixels = try_common(content)
    whole = images.decode(tf.constant(content))
    assert (common.height, common.width) == whole.shape[:2]
    assert (len(pixels) < len(whole)) == name.endswith(".jpg")
    np.testing.assert_array_equal(
        pixels, images.decode(tf.constant(content), smallest_side=SMALLEST)
    )
    for _ in range(20):
        damaged = bytearray(content)
        damaged[rng.integers(2, len(content))] = rng.integers(256)
        if found := try_common(bytes(damaged)):
            decoded += 1
            expected = images.decode(tf.constant(bytes(damaged)), smallest_side=SMALLEST)
            np.testing.assert_array_equal(found[1], expected)
    # Every byte of a PNG is checked.
    assert decoded or name.endswith(".png")
