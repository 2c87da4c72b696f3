import collections
import csv
import errno
import io
import os

import numpy as np
import pytest
from PIL import Image, ImageDraw

import fakes
import kerastl
from kerastl.data import content, files, inspection
from kerastl.data.duplicates import find_near_duplicates
from kerastl.data.images import decode
from kerastl.data.inspection import Inspection
from kerastl.data.opening import open_source
from kerastl.data.splits import make_splits
from kerastl.errors import UsageError
from kerastl.progress import Progress

HTML = b"<!DOCTYPE html><html><body>404</body></html>"
HEIC = b"\0\0\0\x18ftypheic" + b"\0" * 212


def write_rgb36(root, *, form="JPEG", ending="jpg", count=12):
    """Folders blue, green and red with images of a solid colour and noise."""
    rng = np.random.default_rng(0)
    for name, colour in fakes.COLOURS.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(rng.normal(colour, 20, (48, 64, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02d}.{ending}", form, quality=95)
    return root


def config_of(tmp_path, **changes):
    values = {
        "dataset": f"folder:{tmp_path / 'data'}",
        "run_dir": str(tmp_path / "run"),
        "cache_dir": str(tmp_path / "cache"),
        "image_size": fakes.IMAGE_SIZE,
    }
    (tmp_path / "cache").mkdir(exist_ok=True)
    return kerastl.Config(**(values | changes))


def read(config):
    said = io.StringIO()
    return open_source(config, Progress(said)), said.getvalue()


def refusal(config):
    said = io.StringIO()
    with pytest.raises(UsageError) as caught:
        open_source(config, Progress(said))
    assert "\n" not in str(caught.value)
    return str(caught.value), said.getvalue()


def kinds(source):
    return {(finding.file, finding.kind, finding.other) for finding in source.findings}


@pytest.mark.thorough
def test_folder_becomes_a_source(tmp_path):
    write_rgb36(tmp_path / "data")
    source, said = read(config_of(tmp_path))
    assert source.class_names == ("blue", "green", "red")
    assert len(source) == 36
    assert source.findings == ()
    assert "36 files found: 36 used, 0 skipped, 0 ignored." in said
    for number in (0, 17, 35):
        means = decode(source.read(number)).numpy().mean((0, 1))
        assert np.abs(means - list(fakes.COLOURS.values())[source.labels[number]]).max() < 20


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
    assert set(caught.value.__notes__[0].splitlines()) == {f"{n} {why}" for n, why in bad.items()}


def test_unusable_files_stop_the_run_and_are_all_listed(tmp_path):
    bad = spoil(write_rgb36(tmp_path / "data"))
    message, said = refusal(config_of(tmp_path))
    assert f"folder:{tmp_path / 'data'}': 5 files cannot be used: " in message
    assert message.endswith(
        "and 2 more. Repair, convert or remove them, or add --on_bad_image=skip."
    )
    listed = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    assert sorted(listed) == sorted(f"{name} {reason}" for name, reason in bad.items())


def test_unusable_files_may_be_skipped_and_are_recorded(tmp_path):
    bad = spoil(write_rgb36(tmp_path / "data"))
    source, said = read(config_of(tmp_path, on_bad_image="skip"))
    assert len(source) == 34
    assert "39 files found: 34 used, 5 skipped (5 .jpg), 0 ignored." in said
    assert {(finding.file, finding.detail) for finding in source.findings} == set(bad.items())
    assert not set(bad) & set(source.examples)


def test_content_and_not_the_name_decides(tmp_path):
    write_rgb36(tmp_path / "data", count=2)
    picture = Image.new("RGB", (20, 30), (200, 30, 60))
    for number, form in enumerate(("PNG", "GIF", "BMP", "WEBP")):
        picture.save(tmp_path / "data/red" / f"x{number}.jpg", form, lossless=True)
    source, _ = read(config_of(tmp_path))
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
    source, said = read(config_of(tmp_path))
    assert kinds(source) == {
        ("red/00.png", "same image in two classes", "blue/wrong.webp"),
        ("red/copy.bmp", "same image in two classes", "blue/wrong.webp"),
        ("green/flat.png", "one color", ""),
        ("green/flat.png", "unusual size", ""),
    }
    assert "Audit: same image in two classes: 2, as red/00.png and blue/wrong.webp." in said


def test_same_images_are_on_one_side_whatever_the_seed(tmp_path):
    root = write_rgb36(tmp_path / "data", form="PNG", ending="png")
    for number in range(6):
        picture = Image.open(root / f"red/{number:02d}.png")
        for copy in range(2):
            picture.save(root / f"red/{number:02d}-{copy}.bmp", "BMP")
    for seed in range(5):
        config = config_of(tmp_path, seed=seed, validation_fraction=0.2, test_fraction=0.2)
        source, _ = read(config)
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
        for name in fakes.COLOURS
        for number in range(12)
    ]
    (root / "list.csv").write_text("\n".join(["image,label,group", *rows]))
    config = config_of(tmp_path, dataset=f"csv:{root / 'list.csv'}", validation_fraction=0.25)
    source, _ = read(config)
    splits = make_splits(source, config)
    sides = {}
    for name, indices in splits.items():
        for index in indices:
            sides.setdefault(int(source.examples[index].split("/")[1][:2]) // 3, set()).add(name)
    assert all(len(names) == 1 for names in sides.values())
    assert {name for names in sides.values() for name in names} == {"train", "validation", "test"}


def test_class_that_cannot_be_apart_is_refused(tmp_path):
    root = write_rgb36(tmp_path / "data", count=1)
    for name in fakes.COLOURS:
        for copy in range(3):
            Image.open(root / name / "00.jpg").save(root / name / f"{copy}.png")
    config = config_of(tmp_path)
    source, _ = read(config)
    with pytest.raises(
        UsageError, match=r"'blue' has 4 training images in 1 group of equal, nearly equal or"
    ):
        make_splits(source, config)


def test_empty_class_and_alike_names_are_refused(tmp_path):
    root = write_rgb36(tmp_path / "data")
    (root / "amber").mkdir()
    message, _ = refusal(config_of(tmp_path))
    assert "class 'amber' has no usable image. Add some or remove the class." in message
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
    assert "has one class (red). Give two or more." in message


def test_second_look_reads_only_what_has_changed(tmp_path, monkeypatch):
    root = write_rgb36(tmp_path / "data")
    looked = []
    look = inspection._inspect_one
    monkeypatch.setattr(
        inspection,
        "_inspect_one",
        lambda source, place: looked.append(source.examples[place]) or look(source, place),
    )
    first, _ = read(config_of(tmp_path))
    assert len(looked) == 36
    looked.clear()
    Image.new("RGB", (20, 20), (9, 9, 200)).save(root / "blue/00.jpg")
    Image.new("RGB", (20, 20), (9, 99, 9)).save(root / "green/new.jpg")
    os.rename(root / "red/00.jpg", root / "red/zz.jpg")
    second, said = read(config_of(tmp_path))
    # A file that was only renamed has the content that it had.
    assert sorted(looked) == ["blue/00.jpg", "green/new.jpg"]
    assert "Audit: 2 images inspected" in said
    assert "35 known from before." in said
    assert len(second) == 37
    changed = first.examples.index("blue/00.jpg")
    assert first.digests[changed].tolist() != second.digests[changed].tolist()
    read(config_of(tmp_path, cache_dir=""))
    assert len(looked) == 2 + 37


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


def picture(seed, size=(96, 64)):
    """Smooth random shapes, as unlike each other as photographs are."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def test_nearly_the_same_is_found_and_what_only_resembles_it_is_not(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for seed in range(20):
        picture(seed).save(tmp_path / f"data/{'ab'[seed % 2]}/{seed:02d}.png")
    base = picture(4)
    base.save(tmp_path / "data/a/again.jpg", quality=60)
    base.resize((50, 40)).save(tmp_path / "data/a/small.png")
    base.point(lambda value: min(255, value + 6)).save(tmp_path / "data/b/brighter.png")
    base.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "data/a/mirrored.png")
    Image.new("RGB", (20, 20), (1, 2, 3)).save(tmp_path / "data/a/flat1.png")
    Image.new("RGB", (20, 20), (2, 2, 3)).save(tmp_path / "data/a/flat2.png")
    source, _ = read(config_of(tmp_path))
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


def test_endings_that_do_not_fit_are_told(tmp_path):
    root = write_rgb36(tmp_path / "data")
    os.rename(root / "red/00.jpg", root / "red/00.JPEG")
    os.rename(root / "red/01.jpg", root / "red/01.png")
    os.rename(root / "red/02.jpg", root / "red/02")
    source, said = read(config_of(tmp_path))
    assert {(finding.file, finding.kind, finding.detail) for finding in source.findings} == {
        ("red/01.png", "wrong ending", "is JPEG by its content"),
        ("red/02", "no ending", "is JPEG by its content"),
    }
    assert "Audit: wrong ending: 1, as red/01.png." in said


def test_odd_sizes_small_classes_and_imbalance_are_told(tmp_path):
    root = write_rgb36(tmp_path / "data", form="PNG", ending="png")
    for number in range(30):
        picture(number, size=(64, 48)).save(root / f"blue/{number:03d}.png")
    picture(98, size=(400, 300)).save(root / "blue/large.png")
    picture(99, size=(150, 20)).save(root / "blue/wide.png")
    (root / "amber").mkdir()
    picture(100, size=(64, 48)).save(root / "amber/1.png")
    source, _ = read(config_of(tmp_path))
    assert {(finding.file, finding.kind, finding.detail) for finding in source.findings} == {
        ("blue/large.png", "unusual size", "400 x 300 pixels"),
        ("blue/wide.png", "unusual shape", "150 x 20 pixels"),
        ("amber/1.png", "only image of its class", "amber"),
        ("amber", "imbalance", "1 image, and 44 of the largest class"),
    }


@pytest.mark.thorough
def test_sizes_that_spread_widely_are_all_usual(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for number in range(30):
        side = int(8 * 1.2**number)
        picture(number, size=(side, side)).save(tmp_path / f"data/{'ab'[number % 2]}/{number}.png")
    source, _ = read(config_of(tmp_path))
    assert not {finding.kind for finding in source.findings} & {"unusual size", "unusual shape"}


def test_damaged_memory_is_begun_anew(tmp_path):
    write_rgb36(tmp_path / "data")
    first, _ = read(config_of(tmp_path))
    (tmp_path / "cache/audit.sqlite").write_bytes(b"junk" * 1000)
    second, said = read(config_of(tmp_path))
    assert second.fingerprint() == first.fingerprint()
    assert "36 images inspected" in said


def test_content_that_changed_behind_its_time_is_seen(tmp_path):
    root = write_rgb36(tmp_path / "data", form="BMP", ending="bmp")
    first, _ = read(config_of(tmp_path))
    path = root / "red/00.bmp"
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second, _ = read(config_of(tmp_path))
    changed = first.examples.index("red/00.bmp")
    assert first.digests[changed].tobytes() != second.digests[changed].tobytes()


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


@pytest.mark.parametrize("near_duplicates", ["group", "report"])
def test_near_duplicates_are_grouped_or_only_told(tmp_path, near_duplicates):
    root = write_rgb36(tmp_path / "data", form="PNG", ending="png")
    for number in range(20):
        picture(number).save(root / f"red/p{number}.png")
        picture(number).save(root / f"red/p{number}.jpg", quality=60)
    source, _ = read(config_of(tmp_path, near_duplicates=near_duplicates))
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
    colour = tuple(rng.integers(0, 200, 3).tolist())
    draw = ImageDraw.Draw(picture)
    (draw.ellipse if seed % 2 else draw.rectangle)(box, fill=colour)
    return picture


def test_pictures_of_one_kind_are_not_taken_for_one(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    for seed in range(80):
        one_shape(seed).save(tmp_path / f"data/{'ab'[seed % 2]}/{seed:02d}.png")
    source, _ = read(config_of(tmp_path))
    near = [finding for finding in source.findings if "nearly" in finding.kind]
    assert len(near) <= 6


def test_file_half_written_while_it_is_looked_at_is_not_remembered_so(tmp_path, monkeypatch):
    root = write_rgb36(tmp_path / "data")
    path = root / "red/00.jpg"
    whole = path.read_bytes()
    digest_files = files._digest_files

    def then_cut(*arguments, **options):
        digests = digest_files(*arguments, **options)
        path.write_bytes(whole[:500])
        return digests

    monkeypatch.setattr(files, "_digest_files", then_cut)
    message, _ = refusal(config_of(tmp_path))
    assert "red/00.jpg changed while it was being inspected" in message
    monkeypatch.undo()
    path.write_bytes(whole)
    source, _ = read(config_of(tmp_path))
    assert len(source) == 36


def test_what_a_disk_refused_once_is_read_the_next_time(tmp_path, monkeypatch):
    root = write_rgb36(tmp_path / "data")
    read_file = content.read_file

    def refuse(path):
        if path.name == "03.jpg" and path.parent.name == "red":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read_file(path)

    with monkeypatch.context() as refusing:
        refusing.setattr(content, "read_file", refuse)
        refusing.setattr("kerastl.data.files.read_file", refuse)
        assert "red/03.jpg Input/output error" in refusal(config_of(tmp_path))[0]
    source, _ = read(config_of(tmp_path))
    assert len(source) == 36
    assert root.exists()


def test_wrong_label_hides_no_leak_between_splits(tmp_path):
    root = tmp_path / "data"
    for place in ("train/red/00", "train/red/01", "val/red/00", "test/blue/00"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        picture(0).save(root / f"{place}.png")
    for number, place in enumerate(("train/blue/1", "train/red/2", "val/blue/3", "test/red/4")):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        picture(1 + number).save(root / f"{place}.png")
    source, _ = read(config_of(tmp_path))
    kinds = collections.Counter(finding.kind for finding in source.findings)
    assert kinds["same image in two splits"] >= 2
    assert kinds["same image in two classes"] >= 1
    pairs = {frozenset((finding.file, finding.other)) for finding in source.findings}
    assert any({"val/red/00.png"} < pair and "train/red" in str(pair) for pair in pairs)
