import os
import pathlib

import pytest

from kerastl.data.table_paths import Folders, find_places

NAMES = [f"blue_{number:02d}.png" for number in range(5)]


def write(folder, files):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("{name}", "{name}"),
        ("imgs\\{name}", "imgs/{name}"),
        ("./imgs//{name}", "imgs/{name}"),
        ("C:\\Users\\me\\imgs\\{name}", "imgs/{name}"),
        ("\\\\server\\share\\{name}", "deep/down/imgs/{name}"),
        ("/home/else/data/imgs/{name}", "imgs/{name}"),
        ("/data/upload/1/ab12cd34-{name}", "imgs/{name}"),
        ("/data/local-files/?d=imgs/{name}", "imgs/{name}"),
        ("file:///C:/Users/me/imgs/{name}", "imgs/{name}"),
        ("imgs/my%20{name}", "imgs/my {name}"),
        ("imgs/my+{name}", "imgs/my {name}"),
        ("Imgs/{upper}", "imgs/{name}"),
        # Marks that come along when a path is copied from a window.
        ("\u202aC:\\imgs\\{name}", "imgs/{name}"),
        ("imgs/{name}\u200b", "imgs/{name}"),
        ("{stem}", "train/{name}"),
        ("{stem}", "train/{stem}.JPEG"),
        ("{stem}.jpg", "{name}"),
        # Spreadsheets drop zeros.
        ("{number}", "imgs/000{number}.png"),
        ("images/{name}", "../images/{name}"),
        # In a folder named for images beside that of the table.
        ("{stem}", "../images/{name}"),
        ("/home/else/blue/{name}", "../Photos/deep/blue/{name}"),
        # Or in those named for splits.
        ("{name}", "../train/{name}"),
        ("{stem}", "../Test/images/{name}"),
    ],
)
def test_one_rule_finds_the_files_of_a_column(tmp_path, monkeypatch, form, files):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data/lists"
    folder.mkdir(parents=True)
    fields = [
        {"name": name, "stem": name[:-4], "upper": name.upper(), "number": name[6]}
        for name in NAMES
    ]
    wanted = [files.format(**one) for one in fields]
    write(folder, wanted)
    places = find_places([form.format(**one) for one in fields], folder, Folders())
    assert [place.is_found for place in places] == [True] * 5
    assert [place.others for place in places] == [()] * 5
    assert all(
        pathlib.Path(place.path).samefile(folder / path)
        for place, path in zip(places, wanted, strict=True)
    )


def test_paths_may_start_at_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, [f"data/imgs/{name}" for name in NAMES])
    paths = [f"data/imgs/{name}" for name in NAMES]
    places = find_places(paths, tmp_path / "data", Folders())
    assert [place.example for place in places] == [f"imgs/{name}" for name in NAMES]
    places = find_places(paths, tmp_path / "some/where/else", Folders())
    assert [place.path for place in places] == paths


def test_a_file_beside_the_table_comes_first(tmp_path, monkeypatch):
    write(tmp_path, [f"{place}{name}" for name in NAMES for place in ("", "lists/", "lists/imgs/")])
    monkeypatch.chdir(tmp_path)
    places = find_places(NAMES, tmp_path / "lists", Folders())
    assert [place.path for place in places] == [str(tmp_path / "lists" / name) for name in NAMES]


def test_what_fits_several_files_is_not_guessed(tmp_path):
    write(tmp_path, [f"{folder}/{name}" for name in NAMES for folder in "ab"])
    places = find_places(NAMES, tmp_path, Folders())
    assert [sorted([place.example, *place.others]) for place in places] == [
        [f"a/{name}", f"b/{name}"] for name in NAMES
    ]
    # The folder tells them apart, also that of another machine.
    places = find_places([f"/else/b/{name}" for name in NAMES], tmp_path, Folders())
    assert [place.example for place in places] == [f"b/{name}" for name in NAMES]


def test_masks_of_the_same_names_are_not_the_images(tmp_path):
    write(tmp_path, [f"{folder}/{name}" for name in NAMES for folder in ("images", "masks")])
    places = find_places(NAMES, tmp_path, Folders())
    assert [place.example for place in places] == [f"images/{name}" for name in NAMES]
    assert not any(place.others for place in places)


def test_masks_beside_the_table_are_not_the_images_elsewhere(tmp_path):
    write(tmp_path, [f"images/{name[:-4]}.jpg" for name in NAMES])
    write(tmp_path, [f"annotations/trimaps/{name}" for name in NAMES])
    stems = [name[:-4] for name in NAMES]
    places = find_places(stems, tmp_path / "annotations", Folders())
    assert [place.example for place in places] == [f"../images/{stem}.jpg" for stem in stems]


def test_different_paths_never_become_one_file(tmp_path):
    write(tmp_path, NAMES)
    paths = [f"/else/{folder}/{name}" for name in NAMES for folder in ("cats", "dogs")]
    assert not any(place.is_found for place in find_places(paths, tmp_path, Folders()))


@pytest.mark.parametrize("form", ["https://x.example/a/{}?sig=1", "gs://bucket/b/{}", "s3://c/{}"])
def test_addresses_lead_to_files_that_were_downloaded(tmp_path, form):
    values = [form.format(name) for name in NAMES]
    assert not any(place.is_found for place in find_places(values, tmp_path, Folders()))
    write(tmp_path, NAMES)
    places = find_places(values, tmp_path, Folders())
    assert [place.path for place in places] == [str(tmp_path / name) for name in NAMES]


def test_files_that_are_missing_keep_their_path(tmp_path):
    write(tmp_path, NAMES[:3])
    places = find_places(NAMES, tmp_path, Folders())
    assert [place.is_found for place in places] == [True] * 3 + [False] * 2
    assert places[4].path == str(tmp_path / NAMES[4])


def test_each_folder_is_listed_once(tmp_path, monkeypatch):
    write(tmp_path, [f"train/{number % 3}/{number:04d}.png" for number in range(60)])
    listed = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: listed.append(place) or scandir(place))
    folders = Folders()
    for _ in range(2):
        places = find_places([f"{number:04d}" for number in range(60)], tmp_path, folders)
    assert all(place.is_found for place in places)
    assert len(listed) == len(set(listed)) <= 8


def test_files_beside_the_folder_of_the_table_are_named_from_it(tmp_path):
    write(tmp_path, [f"images/{name}" for name in NAMES] + [f"more/{name}" for name in NAMES])
    (tmp_path / "lists").mkdir()
    places = find_places(NAMES, tmp_path / "lists", Folders())
    assert [place.example for place in places] == [f"../images/{name}" for name in NAMES]
    (tmp_path / "images/lists").mkdir()
    places = find_places(NAMES, tmp_path / "images/lists", Folders())
    assert [place.example for place in places] == [f"../{name}" for name in NAMES]
