import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from kerastl.config import Config
from kerastl.data.builtin import open_source as open_digits
from kerastl.data.cameras import find_camera
from kerastl.data.opening import open_data
from kerastl.data.source import Source
from kerastl.progress import Progress
from kerastl.selection.misleading import find_misleading, warn_of_misleading

NAMES = ("cat", "dog", "frog")


def noise(count=40, seed=0):
    rng = np.random.default_rng(seed)
    # Not all of one size, so that the fact is there to be looked at.
    sides = rng.integers(20, 28, (3 * count, 2))
    # Nor of one brightness.
    images = [rng.integers(0, rng.integers(90, 255), (*side, 3)).astype(np.uint8) for side in sides]
    return images, np.arange(3 * count) % 3


def found_in(images, labels, groups=None):
    source = Source.from_arrays(images, labels, class_names=NAMES, groups=groups)
    config = Config(run_dir="x", dataset="python", cache_dir="")
    return find_misleading(open_data(config, source, Progress()), seed=0)


def add_border(image):
    image[[0, -1]] = image[:, [0, -1]] = (200, 10, 10)


def darken(image):
    image //= 5


@pytest.mark.parametrize(("fact", "spoil"), [("border", add_border), ("brightness", darken)])
def test_fact_of_one_class_is_found(fact, spoil):
    images, labels = noise()
    for index in np.flatnonzero(labels == 1):
        spoil(images[index])
    best = found_in(images, labels)[0]
    assert (best.fact, best.class_name, best.num_images) == (fact, "dog", 32)
    assert best.explained > 0.8
    assert best.auc > 0.99


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_none(seed):
    images, labels = noise(seed=seed)
    assert found_in(images, labels) == ()


def test_size_and_shape_are_found():
    images, labels = noise()
    for index in np.flatnonzero(labels == 2):
        images[index] = np.repeat(images[index], 2, axis=1)
    facts = {one.fact for one in found_in(images, labels) if one.class_name == "frog"}
    assert facts == {"size", "shape"}


def test_half_of_a_class_is_enough():
    images, labels = noise(count=80)
    for index in np.flatnonzero(labels == 0)[::2]:
        add_border(images[index])
    (best,) = found_in(images, labels)
    assert (best.fact, best.class_name) == ("border", "cat")
    assert 0.2 < best.explained < 0.8


def test_what_one_group_alone_has_is_no_evidence():
    images, labels = noise()
    # Nearly all of a class are pictures of one patient, with a border that no others have.
    groups = np.arange(len(labels))
    groups[patient := np.flatnonzero(labels == 1)[4:]] = 0
    for index in patient:
        add_border(images[index])
    assert [one.fact for one in found_in(images, labels)] == ["border"]
    assert found_in(images, labels, groups) == ()


@pytest.mark.thorough
def test_digits_have_none():
    config = Config(run_dir="x", dataset="digits", cache_dir="")
    splits = open_data(
        config, open_digits("", config, memory=None, progress=Progress()), Progress()
    )
    assert find_misleading(splits, seed=0) == ()


def test_warning_has_a_line_for_each_fact():
    images, labels = noise()
    for index in np.flatnonzero(labels == 1):
        add_border(images[index])
    (line,) = warn_of_misleading(found_in(images, labels))
    assert line.startswith(
        "Warning: border alone tells class 'dog' from the others: it takes away "
    )
    assert list(warn_of_misleading(())) == []


def photo(kind, make="Canon", model="EOS 5D"):
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = make, model
    file = io.BytesIO()
    Image.new("RGB", (20, 20)).save(file, kind, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP"])
def test_camera_is_read(kind):
    assert find_camera(photo(kind)) == "Canon EOS 5D"


def test_damaged_exif_names_no_camera():
    content = photo("JPEG")
    place = content.index(b"Exif\0\0")
    for length in range(8, 60, 3):
        assert isinstance(find_camera(content[: place + length]), str)
    assert find_camera(b"") == find_camera(b"\xff\xd8\xff") == ""
