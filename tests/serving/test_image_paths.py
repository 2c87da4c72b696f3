import io
import sys

import pytest

from kerastl.errors import UsageError
from kerastl.serving.image_paths import find_images


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("a/2.jpg", "a/10.png", "a/b/1.JPG", "a/.hidden.jpg", "a/Thumbs.db", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*names, **options):
    return [str(path) for path in find_images(names, **options)]


def test_files_are_taken_as_they_are_named(folder):
    # A file that is named is used, whatever its ending.
    assert found("a/notes.txt", "none.jpg", "a/2.jpg", "a/2.jpg") == [
        "a/notes.txt",
        "none.jpg",
        "a/2.jpg",
        "a/2.jpg",
    ]


def test_folder_is_searched_to_any_depth_without_litter(folder):
    assert found("a") == ["a/10.png", "a/2.jpg", "a/b/1.JPG"]


def test_glob_is_matched_where_the_shell_has_not(folder):
    assert found("a/*.jpg") == ["a/2.jpg"]
    assert found("a/**/*.JPG") == ["a/b/1.JPG"]
    (folder / "x[1].jpg").touch()
    assert found("x[1].jpg") == ["x[1].jpg"]


def test_table_names_paths_beside_itself(folder):
    (folder / "a/list.csv").write_text("id,path,label\n1,2.jpg,x\n2,,x\n3,b/1.JPG,y\n")
    assert found("a/list.csv") == ["a/2.jpg", "a", "a/b/1.JPG"]
    (folder / "a/list.tsv").write_text("photo\tpath\n10.png\t2.jpg\n")
    assert found("a/list.tsv", image_column="photo") == ["a/10.png"]


def test_dash_reads_standard_input(folder, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("a/2.jpg\n\n my file.png\r\n"))
    assert found("-", "a/10.png") == ["a/2.jpg", " my file.png", "a/10.png"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "paths='empty': contains no images. Give files, folders, globs, CSV files or -."),
        ("a/*.gif", "paths='a/*.gif': matches no file. Give"),
        ("none.csv", "paths='none.csv': cannot be read (No such file or directory). Check its"),
        ("bad.csv", "paths='bad.csv': has no column named image or path or file, and no other"),
    ],
)
def test_name_without_images_is_refused(folder, name, message):
    (folder / "bad.csv").write_text("x\nnothing\n")
    with pytest.raises(UsageError) as caught:
        found(name)
    assert message in str(caught.value)


def test_misspelled_column_is_refused(folder):
    (folder / "list.csv").write_text("photo\n1\n")
    with pytest.raises(UsageError, match=r"image_column='foto': is not a column of list\.csv\."):
        found("list.csv", image_column="foto")


@pytest.mark.parametrize(
    "name", ["photos [2024]", "[x]", "a*", "what?", "{a,b}", "[!a]", "deep [1]/er [2]"]
)
def test_what_exists_of_a_glob_is_taken_as_it_stands(tmp_path, name):
    place = tmp_path / name
    place.mkdir(parents=True)
    for number in range(3):
        (place / f"{number}.png").touch()
    (place / "list.csv").write_text("path\n0.png\n1.png\n2.png\n")
    expected = [str(place / f"{number}.png") for number in range(3)]
    assert found(f"{place}/*.png") == expected
    assert found(f"{place}/[0-2].png") == expected
    assert found(str(place)) == expected
    assert found(f"{place}/list.csv") == expected
    assert found(f"{tmp_path}/{name.partition('/')[0]}/**/?.png") == expected


def test_brackets_below_a_star_are_a_name_if_they_match_nothing(tmp_path):
    (tmp_path / "a/photos [2024]").mkdir(parents=True)
    (tmp_path / "a/photos [2024]/1.png").touch()
    (tmp_path / "b/photos 2").mkdir(parents=True)
    assert found(f"{tmp_path}/*/photos [2024]/*.png") == [str(tmp_path / "a/photos [2024]/1.png")]
    (tmp_path / "b/photos 2/1.png").touch()
    assert found(f"{tmp_path}/*/photos [2024]/*.png") == [str(tmp_path / "b/photos 2/1.png")]
