import io
import itertools
import pathlib

import numpy as np
import pytest
from PIL import Image

from kerastl.data.images import decode
from kerastl.errors import UsageError
from kerastl.serving.image_paths import check_names, find_images
from kerastl.serving.in_memory import InMemory, read_images
from kerastl.serving.read_ahead import read_batches

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def read_one(image):
    (read,) = read_images(image)
    return read


def pixels_of(image):
    read = read_one(image)
    assert read.path == pathlib.Path("images[0]")
    return decode(read.content).numpy()


def as_jpeg(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def test_a_name_is_one_name_and_not_its_letters():
    assert [*read_images("new")] == ["new"]


@pytest.mark.parametrize("given", [pathlib.Path("a/b.png"), "a/b.png"])
def test_a_path_may_stand_alone_or_in_a_list(given):
    assert [*read_images(given)] == [*read_images([given])] == [str(pathlib.Path("a/b.png"))]


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_pixels_reach_the_decoder_unchanged(shape):
    pixels = PIXELS[..., : shape[2]].reshape(shape) if len(shape) > 2 else PIXELS[..., 0]
    expected = np.broadcast_to(pixels.reshape(5, 7, -1), (5, 7, 3))
    np.testing.assert_array_equal(pixels_of(pixels), expected)
    np.testing.assert_array_equal(pixels_of([pixels]), expected)


def test_an_array_of_four_dimensions_is_several_images():
    read = [*read_images(np.stack([PIXELS, 255 - PIXELS]))]
    assert [str(one.path) for one in read] == ["images[0]", "images[1]"]
    np.testing.assert_array_equal(decode(read[1].content), 255 - PIXELS)


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK", "YCbCr", "RGBA", "LA", "F"])
def test_an_image_of_pillow_is_decoded_as_its_file(mode):
    image = Image.fromarray(PIXELS).convert(mode)
    expected = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(pixels_of(image), expected)


def test_a_photo_of_pillow_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    content = as_jpeg(Image.fromarray(PIXELS), exif=exif)
    opened = Image.open(io.BytesIO(content))
    assert pixels_of(opened).shape == (7, 5, 3)
    assert pixels_of(content).shape == (7, 5, 3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (3, r"images: is int\. Give a path, an array"),
        ([None], r"images\[0\]: is NoneType\. Give a path"),
        (PIXELS / 255.0, r"images: number 0 is float64 \(5, 7, 3\)\. Give uint8"),
        (["a.png", PIXELS[None]], r"images: number 1 is uint8 \(1, 5, 7, 3\)"),
        (PIXELS.reshape(3, 7, 5), r"images: number 0 is uint8 \(3, 7, 5\)"),
    ],
)
def test_what_is_no_image_is_refused(image, message):
    with pytest.raises(UsageError, match=message):
        list(read_images(image))


def test_images_in_memory_pass_between_files(tmp_path):
    path = tmp_path / "0.png"
    path.write_bytes(b"of the file")
    given = [*read_images([path, b"given", b""])]
    check_names(given)
    found = list(find_images(given))
    assert found[1] == InMemory(pathlib.Path("images[1]"), b"given")
    files = itertools.chain(*read_batches(found, 3))
    assert [content for _, content in files] == [b"of the file", b"given", "is empty"]
