import os

import pytest

from kerastl.data.folders import list_folder
from kerastl.errors import UsageError


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def refusal(place):
    with pytest.raises(UsageError) as caught:
        list_folder(str(place))
    return str(caught.value)


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
        "hidden or system files": 6,
        "outside the class folders": 2,
        "not images by their ending": 2,
    }
    total = sum(len(files) for _, _, files in os.walk(tmp_path))
    assert len(listing.files) + sum(listing.ignored.values()) == total


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
    assert listing.ignored == {"pipes and devices": 1}


def test_link_to_the_whole_folder_is_no_class(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    listing = list_folder(str(tmp_path))
    assert listing.class_names == ("a", "b")
    assert listing.ignored == {"links that lead back": 1}


def test_litter_is_counted_to_any_depth(tmp_path):
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "a/@eaDir/1.jpg/THUMB.jpg", "a/@eaDir/1.jpg/deep/X.jpg")
    (tmp_path / "a/@eaDir/empty").mkdir()
    assert list_folder(str(tmp_path)).ignored == {"hidden or system files": 2}


@pytest.mark.parametrize("closed", ["a", "a/deep"])
def test_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch, closed):
    touch(tmp_path, "a/1.jpg", "a/deep/2.jpg", "b/3.jpg")
    scandir = os.scandir

    def refuse(path):
        if str(path) == str(tmp_path / closed):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    message = refusal(tmp_path)
    assert f"holds {tmp_path / closed}, which cannot be read (Permission denied)." in message


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


def test_wrong_place_is_told_apart(tmp_path):
    touch(tmp_path, "flat/1.jpg", "flat/2.jpg", "split/train/a/1.jpg", "split/other/a/1.jpg")
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / "no").endswith("does not exist. Check its path.")
    assert "is a file, not a folder" in refusal(tmp_path / "flat" / "1.jpg")
    assert "holds 2 files and no class folders" in refusal(tmp_path / "flat")
    assert "holds no class folders" in refusal(tmp_path / "empty")
    assert "mixes split folders with others (other)" in refusal(tmp_path / "split")


def test_folder_one_too_high_names_the_one_to_give(tmp_path):
    touch(tmp_path, "archive/train/a/1.jpg", "archive/train/b/2.jpg")
    text = refusal(tmp_path)
    assert "holds a single folder, archive, with train and others in it. Give folder:" in text
    assert text.endswith("/archive.")


def test_link_to_a_hidden_store_is_followed(tmp_path):
    touch(tmp_path, ".store/cat/1.jpg", "cat/2.jpg", "dog/3.jpg")
    (tmp_path / "cat" / "more").symlink_to(tmp_path / ".store" / "cat")
    (tmp_path / "dog" / "again").symlink_to(tmp_path / "cat")
    assert sorted(found(tmp_path)) == ["cat/2.jpg", "cat/more/1.jpg", "dog/3.jpg"]
    assert list_folder(str(tmp_path)).ignored["links that lead back"] == 1


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
    touch(tmp_path, *(f"{name}/a/1.jpg" for name in folders))
    listing = list_folder(str(tmp_path))
    assert [file.split for file in listing.files] == splits
    told = [finding.kind for finding in listing.findings]
    assert told == ([] if "training" in folders else ["no folder train"])
    touch(tmp_path, "train/a/1.jpg")
    assert list_folder(str(tmp_path)).findings == ()
