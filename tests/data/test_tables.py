import pathlib

import pytest

from kerastl.data.tables import list_table
from kerastl.errors import UsageError


def refusal(place, **columns):
    with pytest.raises(UsageError) as caught:
        list_table(str(place), columns=columns)
    return str(caught.value)


def test_table_may_name_files_elsewhere(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.jpg").touch()
    (tmp_path / "lists").mkdir()
    place = table(
        tmp_path / "lists",
        f"image,label\n../photos/1.jpg,a\n{tmp_path}/photos/1.jpg,b\n",
    )
    files = list_table(str(place), columns={}).files
    assert [file.path.samefile(tmp_path / "photos/1.jpg") for file in files] == [True, True]


def table(tmp_path, text, name="list.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "image,label\na/1.jpg,red\nb 2.jpg,blue\n"),
        ("list.csv", "\ufeffPath,Class\r\na/1.jpg,red\r\nb 2.jpg,blue\r\n"),
        ("list.tsv", "filename\tcategory\na/1.jpg\tred\nb 2.jpg\tblue"),
        ("list.csv", 'label;file\n"red";"a/1.jpg"\n\nblue;b 2.jpg\n'),
        # As spreadsheets write them.
        ("list.csv", 'image,label,,\na/1.jpg, "red",,\nb 2.jpg,blue,,\n'),
        ("list.csv", "\r\n\nimage,label\na/1.jpg,red\nb 2.jpg,blue\n"),
        ("list.csv", "sep=|\r\nimage|label\r\na/1.jpg|red\r\nb 2.jpg|blue\r\n"),
        ("list.tsv", "image\tnote, long, very, many\tlabel\na/1.jpg\tx\tred\nb 2.jpg\ty\tblue"),
    ],
)
def test_table_gives_paths_beside_itself(tmp_path, name, text):
    listing = list_table(str(table(tmp_path, text, name)), columns={})
    assert [(file.path, file.class_name, file.split) for file in listing.files] == [
        (tmp_path / "a/1.jpg", "red", "train"),
        (tmp_path / "b 2.jpg", "blue", "train"),
    ]
    assert listing.class_names == ("blue", "red")


def test_table_may_bring_splits_and_groups_and_name_its_columns(tmp_path):
    text = "id,photo,kind,fold,who\n1,a.jpg,x,Train,ann\n2,/b.jpg,y,valid,bob\n3,c.jpg,y,test,\n"
    columns = {"image": "photo", "label": "kind", "split": "fold", "group": "who"}
    files = list_table(str(table(tmp_path, text)), columns=columns).files
    assert [file.split for file in files] == ["train", "validation", "test"]
    assert [file.group for file in files] == ["ann", "bob", ""]
    assert files[1].path == pathlib.Path("/b.jpg")


def test_column_of_another_meaning_may_be_left_alone(tmp_path):
    path = str(table(tmp_path, "image,label,set\na.jpg,x,12\nb.jpg,y,13\n"))
    assert "has '12' as set in line 2. Use train, validation or test, or --split_column=none." in (
        refusal(path)
    )
    files = list_table(path, columns={"split": "none"}).files
    assert [file.split for file in files] == ["train", "train"]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("path\na.jpg\n", {}, "has no column named label or class or class_name. Choose one with "),
        ("path,label\n", {}, "has no rows. Give a row for each image."),
        ("", {}, "is empty. Give it a header and a row for each image."),
        ("path,label,path\na.jpg,red,b\n", {}, "has two columns named 'path'. Give each its own"),
        (
            'path,label\n"a.jpg,red\nb.jpg,blue\n',
            {},
            "cannot be read after line 1 (unexpected end",
        ),
        ("path,label\na\0.jpg,red\n", {}, "has a NUL character in line 2. Remove it."),
        ("path,label\na.jpg,\n", {}, "has no label in line 2. Fill it in or remove the line."),
        ("path,label\n,red\n", {}, "has no path in line 2."),
        ("path,label,split\na.jpg,red,hold\n", {}, "has 'hold' as split in line 2. Use train, "),
        ("path,label\na.jpg,red,blue\n", {}, "has more cells than its header in line 2."),
        ("path,label\na.jpg,red\n", {"label": "lable"}, "label_column='lable': is not a column"),
        (
            "path,label,Class\na.jpg,0,red\n",
            {},
            "has 2 columns for the label (label, Class). Choose",
        ),
    ],
)
def test_table_that_lacks_something_is_refused(tmp_path, text, columns, message):
    text = refusal(table(tmp_path, text), **columns)
    assert message in text
    assert "\n" not in text


def test_table_that_cannot_be_read_is_refused(tmp_path):
    assert "cannot be read (No such file or directory)" in refusal(tmp_path / "no.csv")
    path = table(tmp_path, "path,label\na.jpg,č\n", encoding="utf-16")
    assert "is not UTF-8. Save it as UTF-8." in refusal(path)
