import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw

from kerastl.data import near
from kerastl.data.duplicates import find_near_duplicates, find_turned_duplicates
from kerastl.data.inspection import Inspection, inspect_content
from kerastl.data.splits import make_splits
from picture_files import file_bytes, picture
from picture_folders import config_of, open_folder, refusal, write_rgb36


def test_nearly_the_same_is_found_and_what_only_resembles_it_is_not(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for seed in range(20):
        picture(seed).save(tmp_path / f"data/{'ab'[seed % 2]}/{seed:02d}.png")
    base = picture(4)
    base.save(tmp_path / "data/a/again.jpg", quality=60)
    base.resize((50, 40)).save(tmp_path / "data/a/small.png")
    base.point(lambda value: min(255, value + 6)).save(tmp_path / "data/b/brighter.png")
    Image.new("RGB", (20, 20), (1, 2, 3)).save(tmp_path / "data/a/flat1.png")
    Image.new("RGB", (20, 20), (2, 2, 3)).save(tmp_path / "data/a/flat2.png")
    source, _ = open_folder(config_of(tmp_path))
    found = [finding for finding in source.findings if "same" in finding.kind]
    together = ("a/04.png", "a/again.jpg", "a/small.png", "b/brighter.png")
    assert len(found) == 3
    assert {name for finding in found for name in (finding.file, finding.other)} == set(together)
    for finding in found:
        classes = {finding.file[0], finding.other[0]}
        where = "in two classes" if len(classes) == 2 else "twice"
        assert finding.kind == f"nearly the same image {where}"
    for seed in range(4):
        config = config_of(tmp_path, seed=seed, validation_fraction=0.3, test_fraction=0.3)
        splits = make_splits(source, config)
        side = {
            source.examples[index]: name for name, indices in splits.items() for index in indices
        }
        assert len({side[name] for name in together}) == 1


@pytest.mark.parametrize("way", list(Image.Transpose), ids=lambda way: way.name)
def test_copy_in_another_orientation_is_found_and_kept_beside_its_original(tmp_path, way):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for seed in range(20):
        picture(seed).save(tmp_path / f"data/{'ab'[seed % 2]}/{seed:02d}.png")
    copy = picture(4).resize((50, 40)).transpose(way)
    copy.save(tmp_path / "data/b/copy.jpg", quality=75)
    source, _ = open_folder(config_of(tmp_path))
    (found,) = [finding for finding in source.findings if "same" in finding.kind]
    assert {found.file, found.other} == {"a/04.png", "b/copy.jpg"}
    assert found.kind == "same image turned or mirrored in two classes"
    numbers = [source.examples.index(name) for name in (found.file, found.other)]
    assert len(set(source.groups[numbers])) == 1
    assert len(set(source.groups)) == 20
    source, _ = open_folder(config_of(tmp_path, near_duplicates="report"))
    assert len(set(source.groups)) == 21


def test_small_steps_do_not_join_pictures_that_are_unlike():
    def fact(levels):
        fields = np.repeat([0, 190], 96).astype(np.uint8) + np.uint8(levels)
        return Inspection("", "", f"{levels:02d}", descriptor="0" * 16 + fields.tobytes().hex())

    steps = [fact(levels) for levels in range(0, 60, 6)]
    assert list(find_near_duplicates(steps)) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
    backwards = [
        sorted(9 - number for number in found) for found in find_near_duplicates(steps[::-1])
    ]
    assert backwards == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


@pytest.mark.parametrize("near_duplicates", ["group", "report"])
def test_near_duplicates_are_grouped_or_only_told(tmp_path, near_duplicates):
    root = write_rgb36(tmp_path / "data", form="PNG", ending="png")
    for number in range(20):
        picture(number).save(root / f"red/p{number}.png")
        picture(number).save(root / f"red/p{number}.jpg", quality=60)
    source, _ = open_folder(config_of(tmp_path, near_duplicates=near_duplicates))
    assert sum("nearly" in finding.kind for finding in source.findings) == 20
    groups = {source.examples[index]: group for index, group in enumerate(source.groups)}
    together = [
        groups[f"red/p{number}.png"] == groups[f"red/p{number}.jpg"] for number in range(20)
    ]
    assert together == [near_duplicates == "group"] * 20


def one_shape(seed):
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (96, 96), "white")
    left, top = rng.integers(5, 50, 2).tolist()
    box = (left, top, left + 40, top + 40)
    color = tuple(rng.integers(0, 200, 3).tolist())
    draw = ImageDraw.Draw(picture)
    (draw.ellipse if seed % 2 else draw.rectangle)(box, fill=color)
    return picture


def test_pictures_of_one_kind_are_not_taken_for_one(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for seed in range(80):
        one_shape(seed).save(tmp_path / f"data/{'ab'[seed % 2]}/{seed:02d}.png")
    source, _ = open_folder(config_of(tmp_path))
    near = [finding for finding in source.findings if "nearly" in finding.kind]
    assert len(near) <= 6


def one_sketch(seed):
    """A small figure of lines on white."""
    rng = np.random.default_rng(seed)
    sketch = Image.new("RGB", (96, 96), "white")
    left, top, side = rng.integers((8, 8, 24), (48, 48, 40)).tolist()
    corners = [(left + side * x, top + side * y) for x, y in rng.random((5, 2)).tolist()]
    color = [(220, 50, 47), (38, 139, 210), (0, 0, 0)][seed % 3]
    ImageDraw.Draw(sketch).line([*corners, corners[0]], fill=color, width=3)
    return sketch


def test_small_drawings_are_taken_for_one_only_if_they_are_copies():
    sketches = [one_sketch(seed) for seed in range(400)]
    copies = [sketch.resize((160, 160), Image.Resampling.BICUBIC) for sketch in sketches[:40]]
    turned = [copy.transpose(Image.Transpose.ROTATE_90) for copy in copies]
    found = [inspect_content(file_bytes(one, "PNG")) for one in (*sketches, *copies, *turned)]
    near = list(find_near_duplicates(found[:440]))
    upright = [sorted(group) for group in near]
    assert sum([first, 400 + first] in upright for first in range(40)) >= 36
    assert len(upright) <= 44
    sideways = [sorted(group) for group in find_turned_duplicates(found[:400] + found[440:], [])]
    assert sum([first, 400 + first] in sideways for first in range(40)) >= 36
    assert len(sideways) <= 44


@pytest.mark.parametrize("near_duplicates", ["group", "report"])
def test_class_of_smaller_copies_is_refused(tmp_path, near_duplicates):
    for number in range(8):
        name, image = "ab"[number % 2], picture(number)
        for folder, copy in ((name, image), ("c", image.resize((50, 40)))):
            (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
            copy.save(tmp_path / "data" / folder / f"{folder}{number}.png")
    config = config_of(tmp_path, near_duplicates=near_duplicates)
    if near_duplicates == "report":
        assert len(open_folder(config)[0]) == 16
    else:
        message = refusal(config)[0]
        assert "class 'c' repeats others: 8 of 8 images are" in message
        assert "a, b. Leave it out with --leave_out=c, or add --near_duplicates=report" in message
        assert len(open_folder(dataclasses.replace(config, leave_out="c"))[0]) == 8


def test_split_that_repeats_train_is_told(tmp_path):
    for number in range(4):
        for split in ("train", "val"):
            folder = tmp_path / "data" / split / "ab"[number % 2]
            folder.mkdir(parents=True, exist_ok=True)
            picture(number).save(folder / f"{number}.png")
    said = open_folder(config_of(tmp_path))[1]
    assert "Audit: 4 of 4 images of validation are in train, too, or nearly: results on" in said


@pytest.mark.parametrize("few", [0, 1000])
def test_index_finds_what_comparing_each_with_each_does(monkeypatch, few):
    monkeypatch.setattr(near, "FEW", few)
    rng = np.random.default_rng(0)
    # Scenes whose pictures differ about as much as is allowed.
    scenes = rng.integers(0, 256, (30, 200), np.uint8)[rng.integers(0, 30, 120)]
    flips = np.packbits(rng.random((120, 64)) < 4 / 64, axis=1)
    noise = rng.integers(-16, 17, (120, 192))
    descriptors = np.concatenate(
        [scenes[:, :8] ^ flips, np.clip(scenes[:, 8:] + noise, 0, 255).astype(np.uint8)], axis=1
    )
    bits = np.unpackbits(descriptors[:, :8], axis=1).astype(int)
    colors = descriptors[:, 8:].reshape(120, 64, 3).astype(float)
    expected, left = [], list(range(120))
    while left:
        first, *others = left
        levels = {one: np.abs(colors[one] - colors[first]).mean(axis=1) for one in others}
        group = [
            one
            for one in others
            if np.abs(bits[one] - bits[first]).sum() <= 12
            and levels[one].mean() <= 10
            and levels[one].max() <= 45
        ]
        expected += [[first, *group]] if group else []
        left = [one for one in others if one not in group]
    assert len(expected) > 15
    assert list(near.find_near(descriptors, np.arange(120))) == expected
