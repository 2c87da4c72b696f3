import io

import numpy as np
import pytest
from PIL import ExifTags, Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from kerastl.config import Config
from kerastl.data.cameras import find_camera
from kerastl.data.inspection import inspect_content
from kerastl.data.opening import open_data
from kerastl.data.source import Source
from kerastl.progress import Progress
from kerastl.selection import misleading
from kerastl.selection.misleading import find_misleading, suggest_remedy, warn_of_misleading
from kerastl.training.bootstrap import find_intervals

NAMES = ("cat", "dog", "frog")


def noise(count=40, seed=0):
    rng = np.random.default_rng(seed)
    # Not all of one size, so that the fact is there to be looked at.
    sides = rng.integers(20, 28, (3 * count, 2))
    # Nor of one brightness.
    images = [rng.integers(0, rng.integers(90, 255), (*side, 3)).astype(np.uint8) for side in sides]
    return images, np.arange(3 * count) % 3


def found_in(images, labels, groups=None):
    return find_in(images, labels, NAMES, groups)


def find_in(images, labels, names, groups=None):
    source = Source.from_arrays(images, labels, class_names=names, groups=groups)
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
    assert 0.5 < best.explained_low < best.explained < best.explained_high <= 1


@pytest.mark.parametrize("num_groups", [400, 20])
def test_area_is_that_of_scikit_learn_and_its_interval_wider_for_few_groups(num_groups):
    rng = np.random.default_rng(0)
    is_class = rng.random(400) < 0.4
    # Of equal ones too.
    told = np.round(np.clip(rng.normal(0.4 + 0.15 * is_class, 0.2), 0, 1), 1)
    judged = misleading._Judged(told, is_class, np.ones(400), np.full(400, 0.25))
    tables = judged.tables()
    scores = misleading._scores(misleading._sums(tables))
    assert scores["auc"][0] == pytest.approx(roc_auc_score(is_class, told))
    assert scores["explained"][0] == pytest.approx(0.25)
    groups = np.arange(400) * num_groups // 400
    sums = misleading._sum_groups(tables, groups)
    assert sums["inside"].shape[0] == num_groups
    found = find_intervals(sums, misleading._scores, seed=0)
    # A draw by hand, of groups with all of their images.
    drawn = []
    for _ in range(300):
        chosen = rng.integers(num_groups, size=num_groups)
        places = np.concatenate([np.flatnonzero(groups == one) for one in chosen])
        drawn.append(roc_auc_score(is_class[places], told[places]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    assert (found["auc_low"], found["auc_high"]) == pytest.approx((low, high), abs=0.025)


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


def digits():
    given = load_digits()
    images = np.repeat(given.images[..., np.newaxis] * (255 / 16), 3, axis=3).astype(np.uint8)
    return [*images], given.target


@pytest.mark.parametrize("color", [(200, 10, 10), (255, 255, 255), (0, 0, 0)])
def test_frame_is_found_in_tiny_pictures(color):
    images, labels = digits()
    images, labels = images[::3], labels[::3]
    for index in np.flatnonzero(labels == 1):
        images[index][[0, -1]] = images[index][:, [0, -1]] = color
    found = find_in(images, labels, [*map(str, range(10))])
    borders = [one for one in found if one.fact == "border"]
    assert [one.class_name for one in borders] == ["1"]
    assert borders[0].explained > 0.8


def test_half_of_a_class_of_tiny_pictures_is_enough():
    images, labels = digits()
    images, labels = images[::3], labels[::3]
    for index in np.flatnonzero(labels == 3)[::2]:
        add_border(images[index])
    found = [one for one in find_in(images, labels, [*map(str, range(10))]) if one.fact == "border"]
    assert [one.class_name for one in found] == ["3"]


@pytest.mark.thorough
def test_digits_have_none():
    images, labels = digits()
    assert find_in(images, labels, [*map(str, range(10))]) == ()


def test_tiny_pictures_of_one_color_have_no_border():
    assert inspect_content(png(np.full((8, 8, 3), 90, np.uint8))).border == (-1, -1)
    framed = np.full((8, 8, 3), 90, np.uint8)
    add_border(framed)
    assert inspect_content(png(framed)).border == (pytest.approx(220 / 3), 0)


@pytest.mark.parametrize("side", [16, 64])
def test_enlarged_digits_have_none(side):
    images, labels = digits()
    size = (side, side)
    large = [np.asarray(Image.fromarray(one).resize(size)) for one in images[::3]]
    found = find_in(large, labels[::3], [*map(str, range(10))])
    assert [one for one in found if one.fact == "border"] == []


@pytest.mark.parametrize("quality", [75, 95])
def test_frame_is_found_in_a_jpeg(quality):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (48, 48, 3), np.uint8)
    for framed in (False, True):
        if framed:
            pixels[:2] = pixels[-2:] = pixels[:, :2] = pixels[:, -2:] = 0
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        brightness, deviation = inspect_content(file.getvalue()).border
        assert (brightness != -1, deviation != -1) == (framed, framed)
    assert brightness < 25


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_warning_has_a_line_for_each_fact():
    images, labels = noise()
    for index in np.flatnonzero(labels == 1):
        add_border(images[index])
    (line,) = warn_of_misleading(found_in(images, labels))
    assert line.startswith(
        "Warning: border alone tells class 'dog' from the others: it takes away "
    )
    assert "Crop the border off the image files; misleading.csv" in line
    assert list(warn_of_misleading(())) == []


def test_each_fact_gets_a_remedy_of_its_own():
    assert suggest_remedy("camera") == "Add images whose camera does not depend on the class"


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
