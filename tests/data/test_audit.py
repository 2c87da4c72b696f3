import collections
import csv
import io
import os

import numpy as np
import pytest
from PIL import Image

import fakes
import kerastl
from kerastl.data.images import decode
from kerastl.data.opening import open_source
from kerastl.data.splits import make_splits
from kerastl.errors import UsageError
from kerastl.progress import Progress
from picture_files import HEIC, HTML, picture
from picture_folders import config_of, open_folder, refusal, write_rgb36


def kinds(source):
    return {(finding.file, finding.kind, finding.other) for finding in source.findings}


@pytest.mark.thorough
def test_folder_becomes_a_source(tmp_path):
    write_rgb36(tmp_path / "data")
    source, said = open_folder(config_of(tmp_path))
    assert source.class_names == ("blue", "green", "red")
    assert len(source) == 36
    assert source.findings == ()
    assert "36 files found: 36 used, 0 skipped, 0 ignored." in said
    for number in (0, 17, 35):
        means = decode(source.read(number)).numpy().mean((0, 1))
        assert np.abs(means - list(fakes.COLORS.values())[source.labels[number]]).max() < 20


def spoil(root):
    content = (root / "red/05.jpg").read_bytes()
    (root / "red/05.jpg").write_bytes(content[: len(content) // 2])
    content = (root / "blue/03.jpg").read_bytes()
    (root / "blue/03.jpg").write_bytes(content[:-20])
    (root / "green/zero.jpg").touch()
    (root / "green/page.jpg").write_bytes(HTML)
    (root / "green/phone.jpg").write_bytes(HEIC)
    return {
        "red/05.jpg": "is a damaged or truncated JPEG",
        "blue/03.jpg": "is a damaged or truncated JPEG",
        "green/zero.jpg": "is empty",
        "green/page.jpg": "is a web page, not an image",
        "green/phone.jpg": "is HEIC (unsupported)",
    }


def test_traceback_in_python_lists_all_unusable_files(tmp_path):
    bad = spoil(write_rgb36(tmp_path / "data"))
    with pytest.raises(UsageError) as caught:
        open_source(config_of(tmp_path), Progress())
    assert {row[0]: row[2] for row in caught.value.rows} == bad
    assert "is a damaged or truncated JPEG: 2, as" in caught.value.__notes__[0]


def test_unusable_files_stop_the_run_and_are_all_listed(tmp_path):
    bad = spoil(write_rgb36(tmp_path / "data"))
    message, said = refusal(config_of(tmp_path))
    assert message == (
        f"dataset='folder:{tmp_path / 'data'}': 5 files cannot be used, 2 of them such as "
        "blue/03.jpg, which is a damaged or truncated JPEG. Repair, convert or remove them, or add "
        "--on_bad_image=skip."
    )
    assert "39 files found: 34 usable, 5 unusable (5 .jpg), 0 ignored." in said
    listed = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    assert listed[0] == "is a damaged or truncated JPEG: 2, as blue/03.jpg and red/05.jpg"
    alone = [f"{why}: 1, as {name}" for name, why in bad.items() if "JPEG" not in why]
    assert sorted(listed[1:]) == sorted(alone)


def test_unusable_files_may_be_skipped_and_are_recorded(tmp_path):
    bad = spoil(write_rgb36(tmp_path / "data"))
    source, said = open_folder(config_of(tmp_path, on_bad_image="skip"))
    assert len(source) == 34
    assert source.sides.shape == (34, 2)
    assert "39 files found: 34 used, 5 skipped (5 .jpg), 0 ignored." in said
    assert {(finding.file, finding.detail) for finding in source.findings} == set(bad.items())
    assert not set(bad) & set(source.examples)


def test_content_and_not_the_name_decides(tmp_path):
    write_rgb36(tmp_path / "data", count=2)
    picture = Image.new("RGB", (20, 30), (200, 30, 60))
    for number, form in enumerate(("PNG", "GIF", "BMP", "WEBP")):
        picture.save(tmp_path / "data/red" / f"x{number}.jpg", form, lossless=True)
    source, _ = open_folder(config_of(tmp_path))
    assert len(source) == 10
    for number, example in enumerate(source.examples):
        if "/x" in example:
            pixels = decode(source.read(number)).numpy()
            assert pixels.shape == (30, 20, 3)
            assert np.abs(pixels.mean((0, 1)) - (200, 30, 60)).max() < 1


def test_same_image_is_found_in_any_form_and_name(tmp_path):
    root = write_rgb36(tmp_path / "data", form="PNG", ending="png")
    picture = Image.open(root / "red/00.png")
    picture.save(root / "red/copy.bmp", "BMP")
    picture.save(root / "blue/wrong.webp", "WEBP", lossless=True)
    Image.new("RGB", (9, 9), (1, 2, 3)).save(root / "green/flat.png")
    source, said = open_folder(config_of(tmp_path))
    assert kinds(source) == {
        ("red/00.png", "same image in two classes", "blue/wrong.webp"),
        ("red/copy.bmp", "same image in two classes", "blue/wrong.webp"),
        ("green/flat.png", "one color", ""),
        ("green/flat.png", "unusual size", ""),
    }
    assert (
        "Audit: same image in two classes: 2, as red/00.png and blue/wrong.webp (class red and "
        "blue). The run uses them as they are; --fixes can relabel or drop them.\n"
    ) in said


def test_same_images_are_on_one_side_whatever_the_seed(tmp_path):
    root = write_rgb36(tmp_path / "data", form="PNG", ending="png")
    for number in range(6):
        picture = Image.open(root / f"red/{number:02d}.png")
        for copy in range(2):
            picture.save(root / f"red/{number:02d}-{copy}.bmp", "BMP")
    for seed in range(5):
        config = config_of(tmp_path, seed=seed, validation_fraction=0.2, test_fraction=0.2)
        source, _ = open_folder(config)
        splits = make_splits(source, config)
        side = {
            source.examples[index]: name for name, indices in splits.items() for index in indices
        }
        for number in range(6):
            stem = f"red/{number:02d}"
            assert len({side[f"{stem}.png"], side[f"{stem}-0.bmp"], side[f"{stem}-1.bmp"]}) == 1
        assert sum(name == "train" for name in side.values()) == len(splits.train)
        red = source.class_names.index("red")
        for indices in (splits.validation, splits.test):
            # A fifth of 24 red images, met as nearly as threes and singles allow.
            assert 4 <= np.sum(source.labels[indices] == red) <= 5


def test_groups_of_a_table_are_on_one_side(tmp_path):
    root = write_rgb36(tmp_path / "data")
    rows = [
        f"{name}/{number:02d}.jpg,{name},patient{number // 3}"
        for name in fakes.COLORS
        for number in range(12)
    ]
    (root / "list.csv").write_text("\n".join(["image,label,group", *rows]))
    config = config_of(tmp_path, dataset=f"csv:{root / 'list.csv'}", validation_fraction=0.25)
    source, _ = open_folder(config)
    splits = make_splits(source, config)
    sides = {}
    for name, indices in splits.items():
        for index in indices:
            sides.setdefault(int(source.examples[index].split("/")[1][:2]) // 3, set()).add(name)
    assert all(len(names) == 1 for names in sides.values())
    assert {name for names in sides.values() for name in names} == {"train", "validation", "test"}


def test_class_that_cannot_be_apart_is_refused(tmp_path):
    root = write_rgb36(tmp_path / "data", count=1)
    for name in fakes.COLORS:
        for copy in range(3):
            Image.open(root / name / "00.jpg").save(root / name / f"{copy}.png")
    config = config_of(tmp_path)
    source, _ = open_folder(config)
    with pytest.raises(
        UsageError, match=r"'blue' has 4 training images in 1 group of equal pixels, too few"
    ):
        make_splits(source, config)


def test_empty_class_and_alike_names_are_refused(tmp_path):
    root = write_rgb36(tmp_path / "data")
    (root / "amber").mkdir()
    message, _ = refusal(config_of(tmp_path))
    assert "class 'amber' has no images. Add some, or leave what is no class out with" in message
    assert message.endswith("with --leave_out=amber.")
    (root / "amber" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    message, _ = refusal(config_of(tmp_path, on_bad_image="skip"))
    assert "class 'amber' has no usable image. Add some, or leave what is no class" in message
    assert message.endswith("out with --leave_out=amber.")
    (root / "amber" / "1.png").unlink()
    (root / "amber").rmdir()
    (root / "Red ").mkdir()
    Image.new("RGB", (9, 9)).save(root / "Red " / "1.png")
    message, _ = refusal(config_of(tmp_path))
    assert "classes 'Red ' and 'red' differ by case, spaces or the form of" in message


def test_single_class_is_refused(tmp_path):
    write_rgb36(tmp_path / "data")
    for name in ("blue", "green"):
        for path in (tmp_path / "data" / name).iterdir():
            path.unlink()
        (tmp_path / "data" / name).rmdir()
    message, _ = refusal(config_of(tmp_path))
    assert "has one class (red), which may be the folder of all images. Give a table" in message


@pytest.mark.thorough
def test_run_on_a_folder_learns_and_writes_its_findings(tmp_path, monkeypatch):
    root = write_rgb36(tmp_path / "data", form="PNG", ending="png")
    Image.open(root / "red/00.png").save(root / "red/copy.bmp", "BMP")
    (root / "red/zero.png").touch()
    fakes.install_tiny_net(monkeypatch)
    config = fakes.tiny_config(
        tmp_path,
        dataset=f"folder:{root}",
        on_bad_image="skip",
    )
    result = kerastl.run(config, progress=Progress())
    assert result.metrics["test"]["accuracy"] == 1.0
    with open(result.run_dir / "audit.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["file"], row["kind"]) for row in rows] == [
        ("red/zero.png", "unusable"),
        ("red/copy.bmp", "same image twice"),
    ]


def test_endings_that_do_not_fit_are_told(tmp_path):
    root = write_rgb36(tmp_path / "data")
    os.rename(root / "red/00.jpg", root / "red/00.JPEG")
    os.rename(root / "red/01.jpg", root / "red/01.png")
    os.rename(root / "red/02.jpg", root / "red/02")
    source, said = open_folder(config_of(tmp_path))
    assert {(finding.file, finding.kind, finding.detail) for finding in source.findings} == {
        ("red/01.png", "wrong ending", "is JPEG by its content"),
        ("red/02", "no ending", "is JPEG by its content"),
    }
    assert "Audit: wrong ending: 1, as red/01.png (is JPEG by its content)." in said


def test_odd_sizes_small_classes_and_imbalance_are_told(tmp_path):
    root = write_rgb36(tmp_path / "data", form="PNG", ending="png")
    for number in range(30):
        picture(number, size=(64, 48)).save(root / f"blue/{number:03d}.png")
    picture(98, size=(400, 300)).save(root / "blue/large.png")
    picture(99, size=(150, 20)).save(root / "blue/wide.png")
    (root / "amber").mkdir()
    picture(100, size=(64, 48)).save(root / "amber/1.png")
    source, _ = open_folder(config_of(tmp_path))
    assert {(finding.file, finding.kind, finding.detail) for finding in source.findings} == {
        ("blue/large.png", "unusual size", "400 x 300 pixels"),
        ("blue/wide.png", "unusual shape", "150 x 20 pixels"),
        ("amber/1.png", "only image of its class", "amber"),
        ("amber", "imbalance", "1 image, and 44 of the largest class, blue"),
    }


@pytest.mark.thorough
def test_sizes_that_spread_widely_are_all_usual(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(30):
        side = int(8 * 1.2**number)
        picture(number, size=(side, side)).save(tmp_path / f"data/{'ab'[number % 2]}/{number}.png")
    source, _ = open_folder(config_of(tmp_path))
    assert not {finding.kind for finding in source.findings} & {"unusual size", "unusual shape"}


@pytest.mark.thorough
def test_file_replaced_during_a_run_stops_it_in_one_line(tmp_path, monkeypatch, capsys):
    root = write_rgb36(tmp_path / "data", form="PNG", ending="png")
    fakes.install_tiny_net(monkeypatch)
    config = fakes.tiny_config(
        tmp_path, dataset=f"folder:{root}", cache_dir=str(tmp_path / "store"), finetune_epochs=1
    )

    class Meddler(Progress):
        def line(self, text):
            if text.startswith("Frozen part up to"):
                picture(1).save(root / "red/03.png")

    with pytest.raises(kerastl.KerastlError) as caught:
        kerastl.run(config, progress=Meddler())
    assert str(caught.value) == (
        f"dataset='folder:{root}': red/03.png changed while it was in use (its content is "
        "different now). Leave the data alone during a run and start again."
    )
    # The next run takes it as it is now.
    kerastl.run(config, progress=Progress())


def test_wrong_label_hides_no_leak_between_splits(tmp_path):
    root = tmp_path / "data"
    for place in ("train/red/00", "train/red/01", "val/red/00", "test/blue/00"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        picture(0).save(root / f"{place}.png")
    for number, place in enumerate(("train/blue/1", "train/red/2", "val/blue/3", "test/red/4")):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        picture(1 + number).save(root / f"{place}.png")
    source, _ = open_folder(config_of(tmp_path))
    kinds = collections.Counter(finding.kind for finding in source.findings)
    assert kinds["same image in two splits"] >= 2
    assert kinds["same image in two classes"] >= 1
    pairs = {frozenset((finding.file, finding.other)) for finding in source.findings}
    assert any({"val/red/00.png"} < pair and "train/red" in str(pair) for pair in pairs)


def write_deep(root, values):
    """A folder of two classes of gray pictures, whose values are up to each of some."""
    rng = np.random.default_rng(0)
    for number, (most, kind) in enumerate(values):
        pixels = rng.integers(most // 2, most + 1, (24, 24)).astype(kind)
        pixels[0, 0] = most
        path = root / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(
    ("most", "depth", "factor"), [(4000, 12, 16), (900, 10, 64), (250, 8, 256)]
)
def test_few_bits_in_sixteen_are_counted(tmp_path, most, depth, factor):
    deep = [(most, np.uint16), (most // 2, np.uint16), (most // 3, np.uint16)]
    write_deep(tmp_path / "data", [*deep, (65000, np.uint16), (250, np.uint8), (200, np.uint8)])
    source, said = open_folder(config_of(tmp_path))
    assert f"Audit: {depth} bits in 16, which train and are served dark (multiply by" in said
    assert f"(multiply by {factor} first): 3, as a/0.png (at most" in said
    found = {one.file: one.detail for one in source.findings if "bits in 16" in one.kind}
    assert found["a/0.png"] == f"at most {most} of 65535"
    assert len(found) == 3


def test_sixteen_bits_that_are_used_are_no_finding(tmp_path):
    write_deep(tmp_path / "data", [(65535, np.uint16), (40000, np.uint16), (255, np.uint8)])
    source, said = open_folder(config_of(tmp_path))
    assert "bits in 16" not in said
    assert "nearly black" not in said
    levels = decode(source.read(0)).numpy()
    with Image.open(tmp_path / "data/a/0.png") as image:
        assert np.abs(levels[..., 0] - np.asarray(image).astype(int) / 257).max() <= 1


def test_masks_of_small_numbers_are_told(tmp_path):
    write_deep(tmp_path / "data", [(12, np.uint8), (9, np.uint8), (200, np.uint8)])
    source, said = open_folder(config_of(tmp_path))
    assert "Audit: nearly black: 2, as a/0.png (at most 12 of 255)." in said
    assert ("a/0.png", "nearly black", "") in kinds(source)


def test_groups_that_the_splits_of_the_data_divide_are_found():
    images = np.random.default_rng(0).integers(0, 256, (8, 9, 9), np.uint8)
    source = kerastl.Source.from_arrays(
        images,
        [0, 1] * 4,
        splits=["train"] * 4 + ["validation", "test", "test", "test"],
        groups=["p", "q", None, "r", "p", "p", None, "s"],
    )
    lines = io.StringIO()
    found = open_source(
        kerastl.Config(dataset="python", run_dir="x", cache_dir=""), Progress(lines), source=source
    )
    divided = [one for one in found.findings if one.kind == "group in two splits"]
    assert [(one.file, one.other, one.detail) for one in divided] == [
        ("arrays[4]", "arrays[0]", "p is in train and in validation"),
        ("arrays[5]", "arrays[0]", "p is in train and in test"),
    ]
    assert "Audit: group in two splits: 2, as arrays[4] and arrays[0]" in lines.getvalue()
