import dataclasses
import hashlib
import io
import shutil

import numpy as np
import pytest
from PIL import Image

from kerastl.config import Config
from kerastl.data.fixes import apply_fixes
from kerastl.data.fixes_file import Fix, read_fixes
from kerastl.data.opening import open_data, open_source
from kerastl.data.source import Source
from kerastl.errors import UsageError
from kerastl.outputs.directories import RunFile
from kerastl.progress import Progress

HASH = "0123456789abcdef" * 2
HEADER = "sha256,fix,new_class,example\n"


def photo_folder(path, per_class=8, seed=0):
    """Writes noise in two classes; returns the paths."""
    rng = np.random.default_rng(seed)
    paths = []
    for name in ("cats", "dogs"):
        (path / name).mkdir(parents=True)
        for number in range(per_class):
            paths.append(path / name / f"{number}.png")
            Image.fromarray(rng.integers(0, 255, (12, 12, 3), np.uint8)).save(paths[-1])
    return paths


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_fixes(path, *rows):
    path.write_text(HEADER + "".join(f"{','.join(row)}\n" for row in rows), encoding="utf-8")
    return str(path)


def opened(folder, fixes="", **changes):
    config = Config(run_dir="x", dataset=f"folder:{folder}", cache_dir="", fixes=fixes, **changes)
    lines = io.StringIO()
    return open_data(config, None, Progress(lines)), lines.getvalue()


def test_fixes_follow_the_content_of_renamed_and_moved_files(tmp_path):
    paths = photo_folder(tmp_path / "photos")
    fixes = write_fixes(
        tmp_path / "fixes.csv",
        (sha256(paths[0]), "relabel", "dogs", "cats/0.png"),
        (sha256(paths[1])[:32], "drop", "", "cats/1.png"),
        (sha256(paths[9]), "keep", "", "dogs/1.png"),
        (sha256(paths[10]), "relabel", "dogs", "already there"),
        (HASH, "drop", "", "gone.png"),
        (HASH[::-1], "relabel", "dogs", "cats/3.png"),
    )
    moved = shutil.move(tmp_path / "photos", tmp_path / "moved")
    (moved / "cats/0.png").rename(moved / "cats/other.png")
    splits, printed = opened(moved, fixes)
    source = splits.source
    assert (
        "Fixes: 1 relabeled, 1 dropped, 2 kept, 2 match no image any more, as gone.png.\n"
        in printed
    )
    assert len(source) == 15
    labels = dict(zip(source.examples, source.labels.tolist(), strict=True))
    assert labels["cats/other.png"] == labels["dogs/1.png"] == 1
    assert labels["cats/2.png"] == 0
    assert "cats/1.png" not in labels
    split = splits_of(splits)["cats/other.png"]
    assert [(one.file, one.kind, one.detail) for one in source.findings] == [
        ("cats/1.png", "dropped", "was cats"),
        ("cats/other.png", "relabeled", f"was cats, now dogs, {split}"),
        ("gone.png", "fix without image", "drop: its file is not here"),
        ("cats/3.png", "fix without image", "relabel as dogs: its file has another content now"),
    ]
    moved_to = [moved / "cats/1.png", moved / "cats/other.png"]
    assert [one.sha256 for one in source.findings[:2]] == [sha256(path)[:32] for path in moved_to]


def test_hash_that_ends_in_zeros_is_found():
    source = Source.from_arrays(np.zeros((2, 4, 4, 3), np.uint8), ["a", "b"])
    hashes = source.hashes.copy()
    hashes[:, -2:] = 0
    hashes[1, 0] += 1
    source = dataclasses.replace(source, hashes=hashes)
    fixed = apply_fixes(source, [Fix(hashes[0].tobytes().hex(), "relabel", "b")], "fixes.csv")
    assert fixed.labels.tolist() == [1, 1]
    assert fixed.fixed.line() == "Fixes: 1 relabeled."


def test_files_of_the_same_content_are_fixed_together(tmp_path):
    paths = photo_folder(tmp_path / "photos")
    shutil.copy(paths[0], tmp_path / "photos/dogs/same.png")
    fixes = write_fixes(tmp_path / "f.csv", (sha256(paths[0]), "relabel", "dogs", ""))
    _, printed = opened(tmp_path / "photos", fixes)
    assert "Fixes: 1 relabeled, 1 kept.\n" in printed
    assert "in two classes" not in printed


def test_file_that_cannot_be_used_is_dropped_before_it_stops_a_run(tmp_path):
    photo_folder(tmp_path / "photos")
    broken = tmp_path / "photos/cats/broken.png"
    broken.write_bytes(b"\x89PNG no more")
    with pytest.raises(UsageError, match="1 file cannot be used") as caught:
        opened(tmp_path / "photos")
    (row,) = [dict(zip(caught.value.header, row, strict=True)) for row in caught.value.rows]
    assert row["sha256"] == sha256(broken)[:32]
    fixes = write_fixes(tmp_path / "f.csv", (row["sha256"], "drop", "", row["file"]))
    splits, printed = opened(tmp_path / "photos", fixes)
    assert "Fixes: 1 dropped.\n" in printed
    assert len(splits.source) == 16


def test_table_of_a_run_with_two_more_columns_is_a_file_of_fixes(tmp_path):
    path = tmp_path / "label_issues.csv"
    # As spreadsheets of some languages write it.
    path.write_text(
        "\ufeffexample;class_name;sha256;fix;new_class\r\n"
        f"a.jpg;cats;{HASH};Relabel;dogs\r\nb.jpg;cats;{HASH[::-1]};;\r\n",
        encoding="utf-8",
    )
    assert read_fixes(str(path)) == (Fix(HASH, "relabel", "dogs", "a.jpg"),)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([("", "drop", "", "")], "has no sha256 in line 2"),
        ([("abc", "drop", "", "")], "has 'abc' as sha256 in line 2. Give the 32 digits"),
        ([(HASH, "delete", "", "")], "has 'delete' as fix in line 2. Use keep, relabel, drop"),
        ([(HASH, "relabel", "", "")], "has no new_class for relabel in line 2"),
        ([(HASH, "drop", "cats", "")], "has a new_class beside drop in line 2"),
        (
            [(HASH, "drop", "", "a"), (HASH, "keep", "", "b")],
            "has two fixes of one image in 2 rows, as in lines 2 and 3: drop, and keep. Keep one",
        ),
        (
            [(HASH, "relabel", "a", ""), (HASH + HASH, "relabel", "b", "")],
            "has two fixes of one image in 2 rows, as in lines 2 and 3: relabel as 'a', and",
        ),
    ],
)
def test_wrong_row_is_one_line(tmp_path, rows, problem):
    path = write_fixes(tmp_path / "f.csv", *rows)
    with pytest.raises(UsageError) as caught:
        read_fixes(path)
    assert str(caught.value).startswith(f"fixes={path!r}: {problem}")
    assert "\n" not in str(caught.value)


def test_the_same_fix_twice_is_one(tmp_path):
    path = write_fixes(tmp_path / "f.csv", (HASH, "drop", "", "a"), (HASH, "drop", "", "b"))
    assert read_fixes(path) == (Fix(HASH, "drop", "", "a"),)


def test_header_alone_fixes_nothing(tmp_path):
    photo_folder(tmp_path / "photos")
    _, printed = opened(tmp_path / "photos", write_fixes(tmp_path / "f.csv"))
    assert "Fixes: none.\n" in printed


def test_other_table_and_missing_file_are_refused(tmp_path):
    (tmp_path / "splits.csv").write_text("example,class_name,split\na,b,train\n")
    with pytest.raises(UsageError, match=r"has no column fix\. Give columns sha256, fix \(keep,"):
        read_fixes(str(tmp_path / "splits.csv"))
    with pytest.raises(UsageError, match=r"^fixes='.*none\.csv': cannot be read \(No such file"):
        read_fixes(str(tmp_path / "none.csv"))


def test_unknown_class_is_refused_before_the_audit(tmp_path):
    photo_folder(tmp_path / "photos")
    (tmp_path / "photos/cats/broken.png").write_bytes(b"\x89PNG no more")
    fixes = write_fixes(tmp_path / "f.csv", (HASH, "relabel", "dog", ""))
    problem = r"relabels an image as 'dog', which is no class of folder:.*Did you mean 'dogs'\? Kn"
    with pytest.raises(UsageError, match=problem):
        opened(tmp_path / "photos", fixes)


def test_changed_test_set_is_reported(tmp_path):
    photo_folder(tmp_path / "photos")
    before, printed = opened(tmp_path / "photos")
    assert "Fixes" not in printed
    source = before.source
    first, last = (source.hashes[index].tobytes().hex() for index in before.test[[0, -1]])
    rows = [f"{name},{split}\n" for name, split in splits_of(before).items()]
    earlier = tmp_path / "splits.csv"
    earlier.write_text("example,split\n" + "".join(rows))
    label = source.labels[before.test[0]]
    fixes = write_fixes(
        tmp_path / "f.csv",
        (first, "relabel", source.class_names[1 - label], ""),
        (last, "drop", "", ""),
    )
    after, printed = opened(tmp_path / "photos", fixes, splits_from=str(earlier))
    rows = {one.sha256: (one.kind, one.detail.rsplit(", ")[-1]) for one in after.source.findings}
    assert rows == {first: ("relabeled", "test"), last: ("dropped", "test")}
    assert (
        "Fixes: the test set has changed, 1 of its images relabeled and 1 dropped. kerastl compare "
        "compares with other runs on the images that are as before.\n"
    ) in printed
    trained = source.hashes[before.train[0]].tobytes().hex()
    fixes = write_fixes(tmp_path / "f.csv", (trained, "drop", "", ""))
    after, printed = opened(tmp_path / "photos", fixes, splits_from=str(earlier))
    assert "test set" not in printed
    assert [one.detail.rsplit(", ")[-1] for one in after.source.findings] == ["train"]
    _, printed = opened(tmp_path / "photos", fixes)
    assert "Fixes: dropped images may change which images are split off for the test" in printed


def splits_of(splits):
    names = splits.source.examples
    return {names[index]: name for name, indices in splits.items() for index in indices.tolist()}


def test_relabeled_images_have_other_data_and_the_same_features(tmp_path):
    paths = photo_folder(tmp_path / "photos")
    fixes = write_fixes(tmp_path / "f.csv", (sha256(paths[0]), "relabel", "dogs", ""))
    config = Config(run_dir="x", dataset=f"folder:{tmp_path / 'photos'}", cache_dir="")
    before = open_source(config, Progress())
    after = open_source(config.changed("a test", fixes=fixes), Progress())
    assert before.fingerprint() != after.fingerprint()
    assert (before.hashes == after.hashes).all()


@pytest.mark.parametrize(
    ("named", "new_class", "kept", "label"),
    [
        ("dogs/copy.png", "", "dogs/copy.png", 1),
        ("", "", "cats/0.png", 0),
        ("gone.png", "dogs", "cats/0.png", 1),
    ],
)
def test_one_of_equal_files_is_kept(tmp_path, named, new_class, kept, label):
    paths = photo_folder(tmp_path / "photos")
    for copy in ("dogs/copy.png", "cats/copy.png"):
        shutil.copy(paths[0], tmp_path / "photos" / copy)
    fixes = write_fixes(tmp_path / "f.csv", (sha256(paths[0]), "keep_one", new_class, named))
    splits, printed = opened(tmp_path / "photos", fixes)
    source = splits.source
    copies = {"cats/0.png", "cats/copy.png", "dogs/copy.png"}
    labels = dict(zip(source.examples, source.labels.tolist(), strict=True))
    assert {name: labels[name] for name in labels if name in copies} == {kept: label}
    assert len(source) == 16
    words = "1 relabeled, 2 dropped" if new_class else "2 dropped, 1 kept"
    assert f"Fixes: {words}.\n" in printed
    dropped = {one.file: (one.detail, one.other) for one in source.findings if one.other}
    assert dropped == {
        name: (f"was {name.split('/')[0]}, a copy is kept", kept) for name in copies - {kept}
    }
    assert not any("same image" in one.kind for one in source.findings)


def test_one_file_cannot_keep_two_copies(tmp_path):
    rows = ((HASH, "keep_one", "", "a.png"), (HASH, "keep_one", "", "b.png"))
    problem = r"in 2 rows, as in lines 2 and 3: keep_one 'a\.png', and keep_one 'b\.png'"
    with pytest.raises(UsageError, match=problem):
        read_fixes(write_fixes(tmp_path / "f.csv", *rows))


def test_fixes_that_a_second_round_forgets_are_counted(tmp_path):
    paths = photo_folder(tmp_path / "photos")
    splits = tmp_path / "first/splits.csv"
    splits.parent.mkdir()
    rows = [(sha256(path), "relabel", "dogs", "") for path in paths[:3]]
    kept = (sha256(paths[3]), "keep", "", "")
    write_fixes(splits.with_name(RunFile.FIXES.value), *rows, kept)
    chosen = ["train"] * 4 + ["validation", "test", "train", "train"]
    names = "".join(
        f"{path.parent.name}/{path.name},{split}\n"
        for path, split in zip(paths, 2 * chosen, strict=True)
    )
    splits.write_text(f"example,split\n{names}", "utf-8")

    def said(*second):
        fixes = write_fixes(tmp_path / "second.csv", *second) if second else ""
        _, printed = opened(tmp_path / "photos", fixes, splits_from=str(splits))
        return [line for line in printed.splitlines() if " not in " in line]

    advice = "again as they were. To keep these fixes, put the rows of both files into one."
    before = f"{splits.with_name(RunFile.FIXES.value)}"
    assert said() == [f"Fixes: 3 of {before} are not in this run, whose images are {advice}"]
    [line] = said(*rows[:2])
    assert line.startswith(f"Fixes: 1 of {before} is not in {tmp_path / 'second.csv'}, ")
    assert said(*rows) == []
