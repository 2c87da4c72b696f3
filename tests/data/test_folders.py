import errno
import io
import os
import pathlib
import pickle
import shlex
import shutil
import sys

import pytest

from folder_trees import plant, refusal
from kerastl.data.folders import list_folder
from kerastl.data.tree import list_images
from kerastl.errors import UsageError
from kerastl.outputs.directories import RunFile
from kerastl.progress import Progress
from kerastl.settings import DataSettings


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def found(root):
    return {file.example: (file.class_name, file.split) for file in list_folder(str(root)).files}


def test_class_folders_are_searched_to_any_depth(tmp_path):
    touch(tmp_path, "red/1.jpg", "red/deep/er/2.JPG", "blue/3.png", "blue/no_ending")
    assert found(tmp_path) == {
        "blue/3.png": ("blue", "train"),
        "blue/no_ending": ("blue", "train"),
        "red/1.jpg": ("red", "train"),
        "red/deep/er/2.JPG": ("red", "train"),
    }
    assert list_folder(str(tmp_path)).class_names == ("blue", "red")


@pytest.mark.parametrize("validation", ["val", "validation", "Val"])
def test_split_folders_bring_their_splits(tmp_path, validation):
    touch(tmp_path, "train/a/1.jpg", "train/b/2.jpg", f"{validation}/a/3.jpg", "test/b/4.jpg")
    splits = {example: split for example, (_, split) in found(tmp_path).items()}
    assert splits == {
        "train/a/1.jpg": "train",
        "train/b/2.jpg": "train",
        f"{validation}/a/3.jpg": "validation",
        "test/b/4.jpg": "test",
    }
    assert list_folder(str(tmp_path)).class_names == ("a", "b")


def test_litter_is_counted_and_no_class(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg", ".DS_Store", "Thumbs.db", "a/._1.jpg", "a/.hidden.jpg")
    touch(tmp_path, "__MACOSX/a/1.jpg", "@eaDir/x.jpg", ".ipynb_checkpoints/x.jpg")
    touch(tmp_path, "a/@eaDir/1.jpg", "a/notes.txt", "b/labels.csv")
    listing = list_folder(str(tmp_path))
    assert listing.class_names == ("a", "b")
    assert [file.example for file in listing.files] == ["a/1.jpg", "b/2.jpg"]
    assert listing.ignored == {
        "hidden or system files": 8,
        "tables": 1,
        "texts": 1,
    }
    total = sum(len(files) for _, _, files in os.walk(tmp_path))
    assert len(listing.files) + sum(listing.ignored.values()) == total


def test_masks_beside_their_images_are_counted_and_no_images(tmp_path):
    names = [f"{place}/{n}{end}.png" for place in "ab" for n in range(3) for end in ("", "_mask")]
    touch(tmp_path, *names)
    listing = list_folder(str(tmp_path))
    assert len(listing.files) == 6
    assert listing.ignored == {"masks or copies of images beside them": 6}


def test_numeric_names_are_in_the_order_of_their_numbers(tmp_path):
    touch(tmp_path, "10/a.jpg", "2/a.jpg", "1/a.jpg")
    assert list_folder(str(tmp_path)).class_names == ("1", "2", "10")


def test_accents_in_either_form_are_one_class(tmp_path):
    touch(tmp_path, "train/čeština/1.jpg", "test/c\u030ceština/2.jpg", "train/日本 語/3.jpg")
    assert list_folder(str(tmp_path)).class_names == ("čeština", "日本 語")


def test_class_in_two_forms_of_unicode_is_told(tmp_path):
    touch(tmp_path, "e\u0301/1.jpg", "\u00e9/2.jpg", "b/3.jpg")
    listing = list_folder(str(tmp_path))
    assert listing.class_names == ("b", "\u00e9")
    assert [finding.file for finding in listing.findings] == ["\u00e9"]


def test_pipe_is_counted_and_not_waited_for(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    os.mkfifo(tmp_path / "a/pipe.jpg")
    (tmp_path / "b/nowhere.jpg").symlink_to("gone.jpg")
    listing = list_folder(str(tmp_path))
    assert [file.example for file in listing.files] == ["a/1.jpg", "b/2.jpg", "b/nowhere.jpg"]
    assert listing.ignored == {"special files": 1}


def test_link_to_the_whole_folder_is_no_class(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    listing = list_folder(str(tmp_path))
    assert listing.class_names == ("a", "b")
    assert listing.ignored == {"repeated links": 1}


def test_litter_is_counted_to_any_depth(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "a/@eaDir/1.jpg/THUMB.jpg", "a/@eaDir/1.jpg/deep/X.jpg")
    (tmp_path / "a/@eaDir/empty").mkdir()
    assert list_folder(str(tmp_path)).ignored == {"hidden or system files": 2}


@pytest.mark.parametrize("closed", ["a", "a/deep"])
def test_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch, closed):
    touch(tmp_path, "a/1.jpg", "a/deep/2.jpg", "b/3.jpg", "c/4.jpg")
    scandir = os.scandir

    def refuse(path):
        if str(path) == str(tmp_path / closed):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    message = refusal(tmp_path)
    assert f"holds {tmp_path / closed}, which cannot be read (Permission denied)." in message
    assert f"leave it out with --leave_out={closed}." in message
    assert len(list_folder(str(tmp_path), leave_out=[closed]).files) == (2 if closed == "a" else 3)


def test_class_name_of_two_lines_is_refused(tmp_path):
    touch(tmp_path, "a\nb/1.jpg", "c/2.jpg")
    assert "has a class named 'a\\nb', which is not one line of text." in refusal(tmp_path)


def test_name_that_is_no_text_is_escaped(tmp_path):
    touch(tmp_path, "b/2.jpg")
    (tmp_path / "a").mkdir()
    with open(os.fsencode(tmp_path / "a") + b"/caf\xe9.jpg", "wb"):
        pass
    files = list_folder(str(tmp_path)).files
    assert [file.example for file in files] == ["a/caf\\udce9.jpg", "b/2.jpg"]
    assert files[0].path.exists()


def test_link_that_leads_back_ends(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    assert sorted(found(tmp_path)) == ["a/1.jpg", "b/2.jpg"]


def test_folder_elsewhere_may_be_linked(tmp_path):
    touch(tmp_path / "disk", "1.jpg")
    touch(tmp_path / "data", "b/2.jpg")
    (tmp_path / "data" / "a").symlink_to(tmp_path / "disk")
    assert sorted(found(tmp_path / "data")) == ["a/1.jpg", "b/2.jpg"]


@pytest.mark.parametrize("pack", ["zip", "tar", "gztar"])
def test_archive_is_to_be_unpacked(pack, tmp_path):
    touch(tmp_path / "photos", "a/1.jpg", "b/1.jpg")
    path = shutil.make_archive(str(tmp_path / "photos"), pack, tmp_path / "photos")
    message = refusal(pathlib.Path(path))
    assert "archive" in message
    assert message.endswith("not a folder. Unpack it and give the folder.")


def test_files_without_endings_are_named_by_what_they_hold(tmp_path):
    for number in range(3):
        (tmp_path / f"data_batch_{number}").write_bytes(pickle.dumps({"data": [number]}))
    message = refusal(tmp_path)
    assert "holds 3 files, the first of which is a Python pickle, not an image, and no" in message


def test_wrong_place_is_told_apart(tmp_path):
    touch(tmp_path, "flat/1.jpg", "flat/2.jpg", "split/train/a/1.jpg", "split/other/a/1.jpg")
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "no").endswith("does not exist. Check its path.")
    assert "is a file, not a folder" in refusal(tmp_path / "flat" / "1.jpg")
    message = refusal(tmp_path / "flat")
    assert "holds 2 files and no class folders" in message
    assert "or give a table of files and classes as csv:FILE" in message
    touch(tmp_path, "flat/notes.csv", "flat/val/meta.csv", "flat/train/meta.csv")
    assert f"as csv:{tmp_path}/flat/notes.csv" in refusal(tmp_path / "flat")
    (tmp_path / "flat/notes.csv").unlink()
    assert f"as csv:{tmp_path}/flat/train/meta.csv" in refusal(tmp_path / "flat")
    assert "holds no class folders" in refusal(tmp_path / "empty")
    assert "mixes split folders with others (other)" in refusal(tmp_path / "split")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("photos/*", "since a folder is no pattern. Give the folder above it."),
        ("photos,pictures", "since several folders are no data set. Give folder:"),
        ("Fotos", "does not exist. Did you mean folder:"),
        ("none/of/it", "does not exist. Check its path."),
    ],
)
def test_place_where_nothing_is_gets_a_hint(tmp_path, place, words):
    touch(tmp_path, "photos/a/1.jpg", "photos/b/1.jpg")
    assert words in refusal(tmp_path / place)


def test_tables_of_an_image_each_are_not_recommended(tmp_path):
    touch(tmp_path, *(f"{number}.{ending}" for number in range(25) for ending in ("jpg", "csv")))
    assert refusal(tmp_path).endswith("as csv:FILE.")


def test_folder_one_too_high_is_gone_down(tmp_path):
    touch(tmp_path, "archive/train/a/1.jpg", "archive/train/b/2.jpg")
    assert found(tmp_path) == {
        "archive/train/a/1.jpg": ("a", "train"),
        "archive/train/b/2.jpg": ("b", "train"),
    }


def test_link_to_a_hidden_store_is_followed(tmp_path):
    touch(tmp_path, ".store/cat/1.jpg", "cat/2.jpg", "dog/3.jpg")
    (tmp_path / "cat" / "more").symlink_to(tmp_path / ".store" / "cat")
    (tmp_path / "dog" / "again").symlink_to(tmp_path / "cat")
    assert sorted(found(tmp_path)) == ["cat/2.jpg", "cat/more/1.jpg", "dog/3.jpg"]
    assert list_folder(str(tmp_path)).ignored["repeated links"] == 1


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("val", "test"), ["test", "train"]),
        (("validation",), ["train"]),
        (("test",), ["train"]),
        (("testing", "training"), ["test", "train"]),
    ],
)
def test_without_train_others_stand_in_for_it(tmp_path, folders, splits):
    touch(tmp_path, *(f"{name}/{label}/1.jpg" for name in folders for label in "ab"))
    listing = list_folder(str(tmp_path))
    assert [file.split for file in listing.files if file.class_name == "a"] == splits
    told = [finding.kind for finding in listing.findings]
    assert told == ([] if "training" in folders else ["no folder train"])
    touch(tmp_path, "train/a/2.jpg", "train/b/2.jpg")
    assert list_folder(str(tmp_path)).findings == ()


def test_bins_and_earlier_states_are_counted(tmp_path):
    bins = ("#recycle", "@Recycle", "@Recently-Snapshot", ".recycle", "$RECYCLE.BIN", ".Trash-1000")
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "RECYCLER/S-1-5-21-7/1.jpg", "a/1.jpg:Zone.Identifier")
    touch(tmp_path, *(f"{name}/a/old.png" for name in bins))
    touch(tmp_path, "b/~snapshot/2.jpg", "b/.Trashes/x/2.jpg", "@eaDir/a/1.jpg")
    listing = list_folder(str(tmp_path))
    assert listing.class_names == ("a", "b")
    assert listing.ignored == {"files in bins": 9, "hidden or system files": 2}
    assert len(list(list_images(tmp_path))) == 2


@pytest.mark.parametrize("layout", ["auto", "class"])
@pytest.mark.parametrize(
    "names",
    ["trash_bin recycle_bin compost_bin", "RECYCLED LANDFILL COMPOST", "RECYCLER Recycle.Bin bin"],
)
def test_classes_of_waste_are_no_bins(tmp_path, names, layout):
    touch(tmp_path, *(f"{name}/1.jpg" for name in names.split()))
    listing = list_folder(str(tmp_path), layout=layout)
    assert listing.class_names == tuple(sorted(names.split()))


@pytest.mark.parametrize("inside", ["S-1-5-21-1004/Dc1.jpg", "INFO2"])
@pytest.mark.parametrize("layout", ["auto", "class"])
def test_bins_are_named(tmp_path, inside, layout):
    touch(tmp_path, "a/1.jpg", "b/2.jpg", f"RECYCLED/{inside}", "b/#recycle/3.jpg")
    said = io.StringIO()
    assert len(list_folder(str(tmp_path), layout=layout, progress=Progress(said)).files) == 2
    assert "; 2 files in bins are left out (RECYCLED/, b/#recycle/)." in said.getvalue()


def test_class_with_the_name_of_a_bin_stays(tmp_path):
    touch(tmp_path, "trash/1.jpg", "#hashtag/2.jpg", "snapshots/3.jpg", "recycled/4.jpg")
    assert list_folder(str(tmp_path)).class_names == ("#hashtag", "recycled", "snapshots", "trash")


def test_images_that_a_cloud_drive_keeps_are_told(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "b/.3.jpg.icloud", "a/.4.jpg.icloud", "a/.5.jpg")
    said = io.StringIO()
    listing = list_folder(str(tmp_path), progress=Progress(said))
    assert listing.class_names == ("a", "b")
    assert listing.ignored == {"cloud placeholders": 2, "hidden or system files": 1}
    assert "; 2 cloud placeholders stand for files that are not on this disk." in said.getvalue()


def test_named_folders_are_left_out_and_counted(tmp_path):
    touch(tmp_path, "cat/1.jpg", "cat/old/2.jpg", "dog/3.jpg", "dog/old/4.jpg", "to [do], 1/5.jpg")
    left = ("old", "to [[]do]? 1")
    said = io.StringIO()
    listing = list_folder(str(tmp_path), leave_out=left, progress=Progress(said))
    assert [file.example for file in listing.files] == ["cat/1.jpg", "dog/3.jpg"]
    assert "; 3 files in folders that --leave_out names are left out (to [do], 1/, dog/old/, " in (
        said.getvalue()
    )
    # By the end of its path.
    listing = list_folder(str(tmp_path), leave_out=("dog/old", "to*"))
    assert [file.example for file in listing.files] == ["cat/1.jpg", "cat/old/2.jpg", "dog/3.jpg"]


@pytest.mark.parametrize(
    "files",
    [
        ["cat/1.jpg", "dog/2.jpg", "test, '1' [of 2]/3.jpg"],
        ["cat/1.jpg", "dog/2.jpg", "Trash/3.jpg"],
        ["set/cat/1.jpg", "set/dog/2.jpg", "set/val/3.jpg", "set/unlabeled/x/4.jpg"],
        ["train/cat/1.jpg", "train/dog/2.jpg", "train/tmp/3.jpg"],
        ["train/cat/1.jpg", "train/dog/2.jpg", "val/cat/1.jpg", "val/emu/3.jpg"],
    ],
)
def test_stop_names_the_flag_that_leaves_a_folder_out(tmp_path, files):
    touch(tmp_path, *files)
    with pytest.raises(UsageError) as stopped:
        list_folder(str(tmp_path))
    (flag,) = (word for word in shlex.split(str(stopped.value)) if word.startswith("--leave_out="))
    data = DataSettings(dataset=f"folder:{tmp_path}", leave_out=flag.partition("=")[2].rstrip(",."))
    assert list_folder(str(tmp_path), leave_out=data.left_out).class_names == ("cat", "dog")


def test_misspelled_folder_to_leave_out_is_refused(tmp_path):
    touch(tmp_path, "cat/1.jpg", "dog/2.jpg", "tests/3.jpg")
    with pytest.raises(UsageError, match=r"leave_out='test,dgo': 'test', 'dgo' is no folder in"):
        list_folder(str(tmp_path), leave_out=("test", "dgo"))
    with pytest.raises(UsageError, match="leave_out='x': is for reading a folder"):
        DataSettings(dataset="digits", leave_out="x")


def test_own_output_is_no_class(tmp_path):
    run = (RunFile.FLAGS, RunFile.SPLITS, "tensorboard/events.out.tfevents.1.host")
    export = (RunFile.CARD, "saved_model.pb", "variables/variables.data-00000-of-00001")
    touch(tmp_path, "a/1.jpg", "b/2.jpg", *(f"runs/first/{name}" for name in run))
    touch(tmp_path, *(f"models/x/1/{name}" for name in export), "cache/audit.sqlite", "cache/f/0")
    touch(tmp_path, "venv/pyvenv.cfg", "venv/lib/icon.png")
    (tmp_path / "runs/second").mkdir()
    (tmp_path / "new").mkdir()
    listing = list_folder(str(tmp_path), own=[tmp_path / "runs/second", tmp_path / "new"])
    assert listing.class_names == ("a", "b")
    assert listing.ignored == {"files that kerastl wrote": 8, "files of programs": 2}


def test_class_folder_with_a_run_beside_its_images_stays(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "b/flags.txt", "b/splits.csv", "flags.txt", "splits.csv")
    listing = list_folder(str(tmp_path))
    assert listing.class_names == ("a", "b")
    assert listing.ignored == {"tables": 2, "texts": 2}


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT])
@pytest.mark.parametrize("place", ["", "b", "b/deep"])
def test_drive_that_fails_is_named(tmp_path, monkeypatch, number, place):
    touch(tmp_path, "a/1.jpg", "b/deep/2.jpg")
    scandir = os.scandir

    class Failing:
        def __init__(self, path):
            self.path = path

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def __iter__(self):
            raise OSError(number, os.strerror(number), self.path)

    monkeypatch.setattr(
        os,
        "scandir",
        lambda path: (Failing if str(path) == str(tmp_path / place) else scandir)(path),
    )
    names = f"holds {tmp_path / place}, which " if place else ""
    assert f": {names}cannot be read ({os.strerror(number)}). Check the drive" in refusal(tmp_path)


def test_folder_that_nobody_may_read_is_litter_too(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "lost+found/x.jpg")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("lost+found"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert list_folder(str(tmp_path)).class_names == ("a", "b")


def test_listing_looks_at_each_folder_once(tmp_path, monkeypatch):
    plant(tmp_path, " ".join(f"c{number}/1.jpg" for number in range(50)))
    calls = []
    scandir, stat, realpath = os.scandir, os.stat, os.path.realpath
    monkeypatch.setattr(os, "scandir", lambda path: calls.append("scan") or scandir(path))
    monkeypatch.setattr(
        os, "stat", lambda path, **options: calls.append("stat") or stat(path, **options)
    )
    monkeypatch.setattr(
        os.path, "realpath", lambda path, **_: calls.append("real") or realpath(path)
    )
    assert len(list_folder(str(tmp_path)).files) == 50
    assert calls.count("scan") == 51
    assert calls.count("stat") < 3 * 51
    assert calls.count("real") < 5


def test_deep_folders_need_no_recursion(tmp_path):
    touch(tmp_path, "a/1.jpg")
    deep = str(tmp_path / "b")
    for _ in range(300):
        os.mkdir(deep)
        deep += "/d"
    os.mkdir(deep)
    touch(pathlib.Path(deep), "2.jpg")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(250)
    try:
        assert len(list_folder(str(tmp_path)).files) == 2
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize(
    ("link", "target", "files", "told"),
    [
        (
            "test",
            "train",
            "train/a/1.jpg train/b/1.jpg",
            "; test is a link to train and is",
        ),
        ("c", "b", "a/1.jpg b/1.jpg", "; c is a link to b and is left out"),
        ("train/c", "b", "train/a/1.jpg train/b/1.jpg", "; train/c is a link to b and is left out"),
        ("test", "pool", "pool/a/1.jpg pool/b/1.jpg", "; test is a link to pool and is"),
        ("a/again", ".", "a/1.jpg b/1.jpg", "Layout: class, 2 classes, 2 images."),
    ],
)
def test_link_in_the_place_of_a_class_or_split_is_told(tmp_path, link, target, files, told):
    touch(tmp_path, *files.split())
    (tmp_path / link).symlink_to(target)
    said = io.StringIO()
    list_folder(str(tmp_path), progress=Progress(said))
    assert told in said.getvalue()


@pytest.mark.parametrize("inside", [True, False])
def test_other_splits_beside_the_folder_are_told(tmp_path, monkeypatch, inside):
    plant(tmp_path, "train/a/1.jpg train/b/2.jpg val/a/3.jpg val/b/4.jpg notes/x.txt")
    if inside:
        monkeypatch.chdir(tmp_path / "train")
    said = io.StringIO()
    list_folder("." if inside else str(tmp_path / "train"), progress=Progress(said))
    assert "; not read beside it: val, which the folder above would add." in said.getvalue()
    said = io.StringIO()
    list_folder(str(tmp_path), progress=Progress(said))
    assert "beside" not in said.getvalue()


def test_links_to_nowhere_are_told_where_a_class_would_be(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).symlink_to(f"/no/such/{name}")
    assert "holds 2 links to nowhere (cat to /no/such/cat, dog to" in refusal(tmp_path)
    (tmp_path / "dog").unlink()
    plant(tmp_path, "bird/1.jpg fox/2.jpg")
    said = io.StringIO()
    list_folder(str(tmp_path), progress=Progress(said))
    assert "cat is a link to /no/such/cat, which is not there, and is left out" in said.getvalue()


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000])
def test_name_that_is_too_long_is_shortened(name):
    message = refusal(name)
    assert "File name too long" in message
    assert len(message) < 1000


def test_folder_comes_before_a_link_to_it(tmp_path):
    touch(tmp_path, "b/1.jpg", "c/2.jpg", "else/d/3.jpg")
    (tmp_path / "c/a").symlink_to(tmp_path / "b")
    (tmp_path / "a_link").symlink_to(tmp_path / "else/d")
    (tmp_path / "up").symlink_to(tmp_path.parent)
    (tmp_path / "b/circle").symlink_to("circle")
    listing = list_folder(str(tmp_path))
    assert [file.example for file in listing.files] == [
        "b/1.jpg",
        "b/circle",
        "c/2.jpg",
        "else/d/3.jpg",
    ]
    assert listing.ignored == {"repeated links": 3}
