import contextlib
import csv
import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from kerastl.config import Config
from kerastl.data.color_profiles import find_other_colors
from kerastl.data.inspection import Inspection
from kerastl.data.source import Finding, Source
from kerastl.data.splits import make_splits
from kerastl.data.unusable import report, sort_out
from kerastl.errors import ListedError, UsageError
from kerastl.outputs.directories import open_run_directory
from kerastl.progress import Progress
from picture_files import HEIC, file_bytes, picture
from picture_folders import config_of, open_folder, refusal, write_rgb36

END = b"\xff\xd9"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def change(path, function):
    path.write_bytes(function(path.read_bytes()))


def source_of(names, *, is_searched):
    return Source(
        name="folder:data",
        class_names=("a", "b"),
        examples=names,
        labels=np.zeros(len(names), np.int64),
        hashes=np.zeros((len(names), 16), np.uint8),
        given_splits=np.full(len(names), "train"),
        load=lambda index: b"",
        has_files=True,
        is_searched=is_searched,
    )


def test_what_claims_nothing_is_left_out_of_a_folder_and_stops_a_table():
    inspections = [
        Inspection("is text, not an image", other="texts"),
        Inspection("is text, not an image", other="texts"),
        Inspection("is a damaged or truncated PNG", kind="PNG"),
        Inspection("cannot be read (Input/output error)"),
        Inspection("is not an image", other="unknown files"),
        Inspection(""),
    ]
    names = ["README", "page.jpg", "a1", "b2", "c3.dat", "good.png"]
    searched = sort_out(source_of(names, is_searched=True), inspections)
    assert [row.file for row in searched.unusable] == ["page.jpg", "a1", "b2"]
    assert [row.file for row in searched.left_out] == ["README", "c3.dat"]
    assert searched.ignored == {"texts": 1, "unknown files": 1}
    assert searched.kept.tolist() == [5]
    named = sort_out(source_of(names, is_searched=False), inspections)
    assert [row.file for row in named.unusable] == names[:5]
    assert not named.left_out
    assert not named.ignored


@pytest.mark.parametrize("is_stop", [True, False])
def test_thousands_of_wrong_files_are_told_in_a_few_lines(is_stop):
    reasons = [f"is of kind {number}" for number in range(30)]
    inspections = [Inspection(reasons[number % 30]) for number in range(9000)]
    inspections += [Inspection("is text, not an image")] * 3000
    names = [f"a/{number}.x{number % 40}" for number in range(12_000)]
    source, said = source_of(names, is_searched=False), io.StringIO()
    files = sort_out(source, inspections)
    stops = pytest.raises(ListedError) if is_stop else contextlib.nullcontext()
    with stops as caught:
        report(source, files, is_stop=is_stop, progress=Progress(said))
    if is_stop:
        assert [row[0] for row in caught.value.rows] == names
        assert len(str(caught.value)) < 300
        assert len(caught.value.__notes__[0].splitlines()) < 20
    lines = said.getvalue().splitlines()
    assert len(lines) <= 10
    assert max(map(len, lines)) < 500
    assert lines[1] == "  is text, not an image: 3000, as a/9000.x0 and a/9001.x1"
    assert lines[-1].startswith("  23 other reasons: 6900, as a/")


@pytest.mark.parametrize("has_run", [False, True])
def test_table_of_a_stopped_run_is_in_its_directory(tmp_path, has_run):
    run_dir = tmp_path / "run"
    if has_run:
        run_dir.mkdir()
        for name in ("splits.csv", "audit.csv", "metrics.json"):
            (run_dir / name).write_text("earlier")
    row = Finding('a "b".jpg', "unusable", "is empty")
    config = Config(run_dir=str(run_dir), dataset="digits", overwrite=True)
    with pytest.raises(ListedError) as caught, open_run_directory(config):
        raise ListedError(
            "dataset='x': is bad.", ["file", "kind", "detail", "other"], [row_of(row)]
        )
    name = "audit_stopped.csv" if has_run else "audit.csv"
    assert str(caught.value) == f"dataset='x': is bad. {run_dir / name} lists all."
    with (run_dir / name).open(encoding="utf-8", newline="") as file:
        assert [tuple(line) for line in csv.reader(file)][1] == row_of(row)
    if has_run:
        assert (run_dir / "audit.csv").read_text() == "earlier"
    # The next run there is not refused.
    with open_run_directory(config):
        pass


def row_of(finding):
    return (finding.file, finding.kind, finding.detail, finding.other)


def test_pointers_are_one_line_with_the_way_out(tmp_path):
    root = write_rgb36(tmp_path / "data", count=2)
    for path in root.rglob("*.jpg"):
        path.write_text(POINTER)
    message, said = refusal(config_of(tmp_path))
    assert "6 files cannot be used, such as blue/00.jpg, which is not downloaded" in message
    assert "git lfs pull" in message
    assert len(said.splitlines()) == 4


def test_oddities_of_decoded_files_are_told_and_belong_to_them(tmp_path, capfd):
    root = write_rgb36(tmp_path / "data", count=4)
    change(root / "red/01.jpg", lambda content: content[:-2] + b"A" * 18 + END)
    change(root / "red/02.jpg", lambda content: content.replace(b"JFIF\0\1\1", b"JFIF\0\0\0"))
    change(root / "green/00.jpg", lambda content: content.removesuffix(END))
    change(root / "green/01.jpg", lambda content: content + bytes(3))
    change(root / "green/02.jpg", lambda content: content[:1200] + bytes(600) + content[1800:])
    (root / "blue/about").write_text("All photos are mine.")
    (root / "blue/notes").symlink_to("../.git/annex/objects/x")
    source, said = open_folder(config_of(tmp_path, on_bad_image="skip"))
    found = {finding.file: (finding.kind, finding.detail) for finding in source.findings}
    assert found.pop("red/01.jpg")[1].startswith("Corrupt JPEG data: ")
    assert found.pop("red/02.jpg") == (
        "odd JPEG data",
        "Warning: unknown JFIF revision number 0.00",
    )
    assert found == {
        "green/00.jpg": ("odd JPEG data", "lacks its end marker; all rows are there"),
        "green/02.jpg": (
            "unusable",
            "is a JPEG with a hole of zeros, not copied or downloaded in full",
        ),
        "blue/about": ("left out", "is text, not an image"),
        "blue/notes": (
            "unusable",
            "is not downloaded, only a link of git-annex to it (run `git annex get`)",
        ),
    }
    assert len(source) == 11
    assert "14 files found: 11 used, 2 skipped (1 .jpg, 1 no ending), 1 ignored (1 text)." in said
    assert "Audit: odd JPEG data: 3, as " in said
    assert capfd.readouterr().err == ""


def wide_profile():
    """The profile of sRGB with the green of Adobe RGB."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entry = profile.index(b"gXYZ")
    place = int.from_bytes(profile[entry + 4 : entry + 8], "big") + 8
    profile[place : place + 4] = int(0.2053 * 65536).to_bytes(4, "big")
    return bytes(profile)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_profiles_of_other_colors_are_found(form):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert find_other_colors(file_bytes(picture(0), form, icc_profile=wide_profile()))
    assert not find_other_colors(file_bytes(picture(0), form, icc_profile=srgb))
    assert not find_other_colors(file_bytes(picture(0), form, icc_profile=b"junk" * 99))
    assert not find_other_colors(file_bytes(picture(0), form))


def test_camera_marks_adobe_rgb_without_a_profile():
    for order in ("little", "big"):
        numbers = ((1, 2), (2, 2), (4, 4))
        entry = b"".join(number.to_bytes(size, order) for number, size in numbers) + b"R03\0"
        exif = b"Exif\0\0II*\0" + bytes(20) + entry
        assert find_other_colors(file_bytes(picture(0), "JPEG", exif=exif))


@pytest.mark.parametrize("num_classes", [1, 2])
def test_profiles_in_one_class_alone_are_told(tmp_path, num_classes):
    root = write_rgb36(tmp_path / "data", count=2)
    for name in ("red", "blue")[:num_classes]:
        picture(5).save(root / name / "wide.png", icc_profile=wide_profile())
    source, _ = open_folder(config_of(tmp_path))
    rows = [row for row in source.findings if row.kind == "color profiles in one class"]
    assert [row.file for row in rows] == (["red"] if num_classes == 1 else [])


def test_scene_of_one_camera_is_one_row_and_names_the_flag(tmp_path):
    rng = np.random.default_rng(0)
    scene = np.asarray(picture(0, size=(96, 96)), float)
    for name in ("good", "defect"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(15):
            pixels = scene + rng.normal(0, 3, scene.shape)
            if name == "defect":
                pixels[number * 4 : number * 4 + 5, 20:25] = 0
            image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
            image.save(tmp_path / "data" / name / f"{number}.png")
    config = config_of(tmp_path)
    source, _ = open_folder(config)
    assert [row.kind for row in source.findings] == ["many images nearly alike, as from one camera"]
    assert "30 of 30 images" in source.findings[0].detail
    with pytest.raises(UsageError) as caught:
        make_splits(source, config)
    assert (
        "'defect' has 15 training images in 1 group of nearly equal pixels (30 of 30 images are "
        "nearly alike, as from one camera), too few for train and validation and test."
    ) in str(caught.value)
    assert "--near_duplicates=report" in str(caught.value)
    config = config_of(tmp_path, near_duplicates="report")
    source, _ = open_folder(config)
    assert len(make_splits(source, config).test) == 4
    assert len(source.findings) == 1


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (bytes(128) + b"DICM" + bytes(200), "Save each as PNG, with the window in which a reader"),
        (HEIC, "Convert them to PNG or JPEG, into a folder of their own."),
        (bytes(128), "Repair or convert them, since none can be used."),
    ],
)
def test_where_no_file_can_be_used_the_advice_is_of_their_format(tmp_path, content, advice):
    for number in range(4):
        path = tmp_path / "data" / "ab"[number % 2] / f"{number}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    message, said = refusal(config_of(tmp_path))
    assert advice in message
    assert "on_bad_image" not in message
    assert "classes 'a', 'b' have 4 files, the first of which" in message
    assert not said


@pytest.mark.parametrize(("name", "is_early"), [("3.heic", True), ("3", True), ("3.jpg", False)])
def test_class_without_decoded_files_is_named_before_all_are_looked_at(tmp_path, name, is_early):
    root = write_rgb36(tmp_path / "data")
    (root / "e\u0301mu").mkdir()
    (root / "e\u0301mu" / name).write_bytes(HEIC)
    message, said = refusal(config_of(tmp_path))
    assert "HEIC (unsupported)" in message
    assert ("class '\u00e9mu' has 1 file, the first of which is HEIC" in message) == is_early
    assert bool(said) != is_early


def test_class_with_a_decoded_file_among_others_is_looked_at(tmp_path):
    root = write_rgb36(tmp_path / "data")
    (root / "blue" / "0.heic").write_bytes(HEIC)
    _, said = refusal(config_of(tmp_path))
    assert "36 usable, 1 unusable (1 .heic)" in said
