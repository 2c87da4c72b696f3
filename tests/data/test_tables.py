import functools
import io

import pytest

from kerastl.data.table_rows import read_text
from kerastl.data.tables import list_paths, list_table
from kerastl.errors import UsageError, bad_value
from kerastl.progress import Progress

COLORS = ("blue", "green", "red")
NAMES = [f"{color}_{number:02d}.png" for color in COLORS for number in range(12)]


def color_of(name):
    return name.split("_")[0]


def table(folder, text, *, files=(), name="list.csv", encoding="utf-8"):
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def rows_of(head, cells):
    """A table with a row for each of the names."""
    return "\n".join([head, *(cells(name, color_of(name)) for name in NAMES)])


def read(place, *, split_values=None, **columns):
    said = io.StringIO()
    listing = list_table(
        str(place), columns=columns, split_values=split_values, progress=Progress(said)
    )
    lines = said.getvalue().splitlines()
    assert len(lines) <= 20
    return listing, lines


def refusal(place, *, split_values=None, **columns):
    with pytest.raises(UsageError) as caught:
        list_table(str(place), columns=columns, split_values=split_values)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message.replace(str(place), "").encode()) <= 500
    return message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.csv", "image,label\na/1.jpg,red\nb 2.jpg,blue\n"),
        ("list.csv", "\ufeffPath,Class\r\na/1.jpg,red\r\nb 2.jpg,blue\r\n"),
        ("list.csv", "image,label\ra/1.jpg,red\rb 2.jpg,blue\r"),
        ("list.tsv", "filename\tcategory\na/1.jpg\tred\nb 2.jpg\tblue"),
        ("list.csv", 'label;file\n"red";"a/1.jpg"\n\nblue;b 2.jpg\n'),
        ("list.csv", "'label','file'\n'red','a/1.jpg'\n'blue','b 2.jpg'\n"),
        ("list.csv", "# image | label\na/1.jpg | red\nb 2.jpg | blue\n"),
        # Each row in quotes as a whole.
        ("list.csv", '"image,label"\n"a/1.jpg,red"\n"b 2.jpg,blue"\n'),
        ("list.csv", '"""image"";""label"""\r\n"""a/1.jpg"";""red"""\r\n"""b 2.jpg"";""blue"""'),
        ("list.csv", '"note"|"file"|"label"\n"x, y, z"|"a/1.jpg"|"red"\n", x"|"b 2.jpg"|"blue"\n'),
        # As spreadsheets write them.
        ("list.csv", 'image,label,,\na/1.jpg, "red",,\nb 2.jpg,blue,,\n'),
        ("list.csv", "\r\n\nimage,label\na/1.jpg,red\nb 2.jpg,blue\n"),
        ("list.csv", "sep=|\r\nimage|label\r\na/1.jpg|red\r\nb 2.jpg|blue\r\n"),
        ("list.tsv", "image\tnote, long, very, many\tlabel\na/1.jpg\tx\tred\nb 2.jpg\ty\tblue"),
        # As databases and people print them, and as joined from several.
        ("list.md", "| image | label |\n|:---|---|\n| a/1.jpg | red |\n| b 2.jpg | blue |\n"),
        ("list.txt", "image|label\n-----+------\na/1.jpg|red\nb 2.jpg|blue\n"),
        ("list.csv", "image,label\n=====\na/1.jpg,red\nimage,label\nb 2.jpg,blue\n"),
        # With names of rows as R writes them.
        ("list.csv", "image,label\na/1.jpg,red,\nb 2.jpg,blue,\n"),
        ("list.csv", '"image","label"\n"1","a/1.jpg","red"\n"2","b 2.jpg","blue"\n'),
        # In other languages, and with a column that a data frame adds.
        ("list.csv", "Dateiname;Klasse\na/1.jpg;red\nb 2.jpg;blue\n"),
        ("list.csv", ",图片,标签\n0,a/1.jpg,red\n1,b 2.jpg,blue\n"),
    ],
)
def test_table_gives_paths_beside_itself(tmp_path, name, text):
    listing, _ = read(table(tmp_path, text, name=name, files=["a/1.jpg", "b 2.jpg"]))
    assert [(file.path, file.class_name, file.split) for file in listing.files] == [
        (tmp_path / "a/1.jpg", "red", "train"),
        (tmp_path / "b 2.jpg", "blue", "train"),
    ]
    assert listing.class_names == ("blue", "red")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32"])
def test_encodings_that_can_be_told_are_read(tmp_path, encoding):
    place = table(tmp_path, "image\tlabel\na.png\tčá\n", files=["a.png"], encoding=encoding)
    assert read(place)[0].class_names == ("čá",)


@pytest.mark.parametrize(
    ("head", "form"),
    [
        ("36\nimage  label", "{}      {}"),
        ("36\nimage,label", "{},{}"),
        ("36", "{} {}"),
        ("image label", '"7" "{}" "{}"'),
        ("image label", "7 {} {}"),
    ],
)
def test_lists_with_their_length_or_names_of_rows_are_read(tmp_path, head, form):
    text = rows_of(head, form.format)
    listing, _ = read(table(tmp_path, text, files=NAMES, name="list.txt"))
    assert [file.example for file in listing.files] == NAMES
    assert listing.class_names == COLORS


def test_table_of_a_cloud_service_is_read_if_its_files_are_there(tmp_path):
    splits = {"1": "TEST", "2": "VALIDATION", "3": "UNASSIGNED"}
    text = rows_of(
        "", lambda name, color: f"{splits.get(name[-5], 'TRAIN')},gs://b/x/{name},{color}"
    )
    place = table(tmp_path, text)
    assert "has web addresses as column 2, as 'gs://b/x/blue_00.png' and" in refusal(place)
    listing, lines = read(table(tmp_path, text, files=NAMES))
    assert {file.example: file.split for file in listing.files if file.class_name == "red"} == {
        name: {"1": "test", "2": "validation"}.get(name[-5], "train")
        for name in NAMES
        if name.startswith("red")
    }
    assert "splits in 'column 1' (UNASSIGNED is train)" in lines[1]


def test_of_numbers_and_names_of_the_classes_the_names_count(tmp_path):
    def cells(name, color):
        return f"{name},{COLORS.index(color)},{color},{'ab'[name[-5] == '1']}"

    listing, lines = read(table(tmp_path, rows_of("image,label,what,note", cells), files=NAMES))
    assert listing.class_names == COLORS
    assert "classes in 'what'; not used: note, label." in lines[0]
    assert read(tmp_path / "list.csv", label="label")[0].class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("exclude", "01"),
        ("is_rejected", ("False", "True")),
        ("answer", ("accept", "reject")),
        ("use", ("yes", "no")),
        ("approved by", ("x", "n")),
        ("status", ("", "Excluded")),
    ],
)
def test_rows_that_are_marked_as_left_out_are_told(tmp_path, name, cells):
    text = rows_of(
        f"image,label,{name}", lambda one, color: f"{one},{color},{cells[one[-5] == '1']}"
    )
    listing, lines = read(table(tmp_path, text, files=NAMES))
    assert len(listing.files) == len(NAMES)
    assert lines[1].startswith(f"Column {name!r} marks 6 rows as not to be used, but they are: rem")


def test_columns_that_leave_nothing_out_are_not_told(tmp_path):
    text = rows_of("image,label,user,exclude", lambda one, color: f"{one},{color},yes,0")
    assert len(read(table(tmp_path, text, files=NAMES))[1]) == 1


def test_other_encodings_are_refused_with_the_first_strange_line(tmp_path):
    place = table(tmp_path, "image,label\na.png,x\nb.png,é\n", encoding="cp1252")
    assert "is not UTF-8: line 3 has the byte 0xe9, which stands for" in refusal(place)


def test_table_may_name_files_elsewhere(tmp_path):
    text = f"image,label\n../photos/1.jpg,a\n{tmp_path}/photos/2.jpg,b\n"
    place = table(tmp_path, text, files=["photos/1.jpg", "photos/2.jpg"], name="lists/list.csv")
    listing, _ = read(place)
    assert [file.path.exists() for file in listing.files] == [True, True]
    assert [file.example for file in listing.files] == [
        "../photos/1.jpg",
        f"{tmp_path}/photos/2.jpg",
    ]


def test_table_may_bring_splits_and_groups_and_name_its_columns(tmp_path):
    text = "id,photo,kind,fold,who\n1,a.jpg,x,Train,ann\n2,b.jpg,y,valid,bob\n3,c.jpg,y,test,\n"
    columns = {"image": "photo", "label": "kind", "split": "fold", "group": "who"}
    place = table(tmp_path, text, files=["a.jpg", "b.jpg", "c.jpg"])
    listing, lines = read(place, **columns)
    assert [file.split for file in listing.files] == ["train", "validation", "test"]
    assert [file.group for file in listing.files] == ["ann", "bob", ""]
    assert lines == [
        "Table: 3 rows, paths in 'photo', classes in 'kind', splits in 'fold' (valid is "
        "validation), 2 groups in 'who'; not used: id."
    ]


def test_column_of_another_meaning_may_be_left_alone(tmp_path):
    place = table(tmp_path, "image,label,set\na.jpg,x,12\nb.jpg,y,13\n", files=["a.jpg", "b.jpg"])
    assert "has '12', '13' as set, which looks like the split, in 2 rows, as in lines 2 and 3." in (
        refusal(place)
    )
    listing, lines = read(place, split="none")
    assert [file.split for file in listing.files] == ["train", "train"]
    assert lines[0].endswith("not used: set.")


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("path,label\n", {}, "has no rows. Give a row for each image."),
        (" \n", {}, "is empty. Give it a header and a row for each image."),
        ("path,label,path\na.jpg,red,b\n", {}, "has two columns named 'path'. Give each its own"),
        (
            'path,label\n"a.jpg,red\nb.jpg,blue\n',
            {},
            "cannot be read after line 3 (unexpected end",
        ),
        ("path,label\na\0.jpg,red\n", {}, "has a NUL character in line 2. Remove it."),
        ("path,label\na.jpg,\n", {}, "has no label in line 2. Fill it in or remove the line."),
        ("path,label\nnan,red\n,blue\nNone,x\na.jpg,y", {}, "has no path in 3 rows, as in lines 2"),
        ("path,label,split\na.jpg,red,hold\n", {}, "has 'hold' as split, which looks like the spl"),
        ("path,label\na.jpg,x\nb.jpg,x,y\n", {}, "has more cells than its header in line 3."),
        ("My list\nx,y\na.jpg,red\n", {}, "has a header of 1 cell above rows of 2. Name"),
        ("path,label\na.jpg,red\n", {"label": "lable"}, "label_column='lable': is not a column"),
        (
            "path,label,Class\na.jpg,0,red\nb.jpg,0,blue",
            {},
            "has 2 columns for the label (label, Class). Choose",
        ),
        (
            "a.jpg,red,1,x\nb.jpg,blue,1,y\na2.jpg,red,1,x\nb2.jpg,blue,1,y",
            {},
            "has 2 columns that may be the label (column 2: 2, column 4: 2 cl",
        ),
        ("id,label\n1.23E+11,x\n1.24E+11,y\n", {}, "has numbers that a spreadsheet has rounded as"),
        ("url,label\ngs://b/c.jpg,x\ns3://b/d.jpg,y\n", {}, "has web addresses as url, as 'gs://"),
        ("path\na.jpg\n", {}, "has paths, but no column for the label"),
        ("a.jpg\nb.jpg\n", {}, "has paths, but no column for the label. Add"),
        ("path,set\na.jpg,train\nb.jpg,test", {}, "has paths, but no column for the label"),
        ("ID,Labels\na.jpg x\nb.jpg y", {}, "has ',' between the cells of its header and ' '"),
        ("ID;Labels\na.jpg,x\nb.jpg,y", {}, "has ';' between the cells of its header and ','"),
        ("ID;Labels\na.jpg,x,1\nb.jpg,y,1", {}, "has ';' between the cells of its header and ','"),
        ("path,label\n/else/c.jpg,x\n/else/d.jpg,y\n", {}, "has 2 paths as path, and none leads"),
        ("path,label\na,cat\nb,cat\x07\n", {}, "has a class named 'cat\\x07', which is not one"),
        ("path,label\na,big cat\nb,big_cat\n", {}, "classes 'big cat' and 'big_cat' differ by sep"),
        ("path,label\na,cat\nb,'cat'\n", {}, "differ by separators, quotes or the mark of a copy"),
        ("path,label\na,Cat\nb,cat\n", {}, "classes 'Cat' and 'cat' differ by case, spaces or"),
        ("image^label\na.jpg^x\nb.jpg^y\n", {}, "has a single column, 'image^label'. Put commas,"),
        ("100 Boeing 707\n101 A 320\n", {}, "has a single column, '100 Boeing 707'. Put commas,"),
        ("a.jpg -> x\nb.jpg -> y\n", {}, "has a single column, 'a.jpg -> x'. Put commas, tabs,"),
        (
            "path,label\na.jpg,1\nb.jpg,1.0\n",
            {},
            "has the classes '1' and '1.0', which are one num",
        ),
    ],
)
def test_table_that_lacks_something_is_refused(tmp_path, text, columns, message):
    place = table(tmp_path, text, files=["a.jpg", "b.jpg"])
    assert message in refusal(place, **columns)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04" + bytes(99), "is an Excel file or a ZIP archive, not a CSV"),
        (b"PAR1\x15\x00", "is a Parquet file"),
        (b"\x1f\x8b\x08", "is a compressed file, not a CSV or TSV file. Unpack it."),
        (b"\n<!doctype HTML><html>", "is a web page"),
        (b"<annotation>\n<filename>a.png</filename>", "is a file of Pascal VOC"),
        (b"<meta charset='x'><style>p{}</style><table>", "is a web page"),
        (b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/vnd.oasis.x", "is an OpenDocument file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        # Pixels, in columns and in cells, or whole images as text.
        (
            b"label,%s\n3,%s\n" % (b"p," * 784, b"7," * 784),
            "in 785 columns, as of images of 28 x 28 and no paths",
        ),
        (
            b"emotion, pixels\n3,%s\n" % (b"70 " * 2304),
            "(2304 numbers in a cell, as of images of 48 x 48) and",
        ),
        (b'label,image\n3,"[%s0]"\n' % (b"70, " * 99), "In Python, give the images as arrays to"),
        (b"label,image\n3,%s\n" % (b"70 " * 60_000), "holds a cell of more than 131072 characters"),
        (b"label,image\n3,%s\n" % (b"iVBORw0K" * 100), "holds whole images as text and no paths"),
    ],
)
def test_file_that_is_no_table_of_paths_is_refused_by_what_it_is(tmp_path, content, message):
    assert message in refusal(table(tmp_path, content))


def test_file_that_is_not_there_is_refused(tmp_path):
    assert "cannot be read (No such file or directory)" in refusal(tmp_path / "no.csv")
    assert "is a folder, not a table. Give a table in it as csv:FILE, or the folder" in refusal(
        tmp_path
    )


def test_table_without_a_header_is_used_and_told(tmp_path):
    folders = [f"{color_of(name)}/{name}" for name in NAMES]
    text = "\n".join(f"{path},{path.split('/')[0]},test" for path in folders)
    listing, lines = read(table(tmp_path, text, files=folders), label="column 2")
    assert listing.class_names == COLORS
    assert lines[0] == "The table has no header; its columns are column 1, column 2, column 3."
    # Names without an ending, and a list that blanks divide.
    place = table(tmp_path, rows_of("", lambda name, color: f"{name[:-4]},{color}"), files=NAMES)
    assert len(read(place)[0].files) == 36
    place = table(tmp_path, rows_of("", lambda name, color: f"{name} {len(color)}"))
    assert read(place)[0].class_names == ("3", "4", "5")


@pytest.mark.parametrize(("no", "yes"), [("0", "1"), ("0.0", "1.0"), ("False", "True")])
def test_one_hot_columns_are_classes(tmp_path, no, yes):
    def cells(name, color):
        return ", ".join([name, *(yes if one == color else no for one in COLORS)])

    text = rows_of("filename, blue, green, train", cells)
    listing, lines = read(table(tmp_path, text, files=NAMES))
    # The class that is named like a split is one.
    assert listing.class_names == ("blue", "green", "train")
    assert {file.split for file in listing.files} == {"train"}
    assert "classes in one-hot columns (blue, green, train)" in lines[0]
    text += f"\na.png,{yes},{yes},{no}\nb.png,{no},{no},{no}"
    assert "has one-hot columns (blue, green, train), but none or several with 1 in 2 rows, as" in (
        refusal(table(tmp_path, text))
    )


def test_image_with_several_equal_rows_is_used_once(tmp_path):
    text = rows_of("image,label", lambda name, color: f"imgs/{name},{color}")
    again = rows_of("", lambda name, color: f"./imgs/{name},{color}")
    linked = rows_of("", lambda name, color: f"links/{name},{color}")
    place = table(tmp_path, text + again + linked, files=[f"imgs/{name}" for name in NAMES])
    (tmp_path / "links").symlink_to("imgs")
    listing, lines = read(place)
    assert [file.example for file in listing.files] == [f"imgs/{name}" for name in NAMES]
    assert lines[1] == (
        "Repeats: 72 rows of images that the table has before, with the same class, as "
        "imgs/blue_00.png in lines 2 and 38; each image is used once."
    )


@pytest.mark.parametrize(("field", "what"), [("label", "classes"), ("split", "splits")])
def test_rows_of_an_image_that_differ_are_refused(tmp_path, field, what):
    text = rows_of("image,label,split", lambda name, color: f"{name},{color},train")
    change = {"label": "red,train", "split": "blue,test"}[field]
    text += "".join(f"\n{name},{change}" for name in NAMES[:6])
    assert f"has 6 images with rows of different {what}: blue_00.png (" in (
        refusal(table(tmp_path, text, files=NAMES))
    )


def test_boxes_are_not_used_and_told(tmp_path):
    head = "filename,width,height,class,xmin,ymin,xmax,ymax"
    text = rows_of(head, lambda name, color: f"{name},64,48,{color},1,2,30,40")
    listing, lines = read(table(tmp_path, text, files=NAMES))
    assert len(listing.files) == 36
    assert lines[1] == "Boxes (xmin, ymin, xmax, ymax) are not used: an image counts as a whole."


@pytest.mark.parametrize("joint", ["|", ", ", " ", ";"])
def test_several_labels_in_a_cell_are_told(tmp_path, joint):
    names = ("Edema", "Mass", "Hernia")
    labels = [
        joint.join(names[place] for place in range(3) if number >> place & 1)
        for number in range(1, 8)
    ]
    files = [f"{number}.png" for number in range(7)]
    text = "\n".join(f'{name},"{label}"' for name, label in zip(files, labels, strict=True))
    _, lines = read(table(tmp_path, f"image,label\n{text}", files=files))
    assert lines[1].startswith("Labels look like several in a cell, joined by")
    assert "3 names make 7 classes. This trains one class an image." in lines[1]


@pytest.mark.parametrize(
    "labels",
    [("hot dog", "corn dog"), ("acer rubrum", "acer nigrum"), ("A/B", "C"), ("1,5", "2,5")],
)
def test_names_of_several_words_are_single_labels(tmp_path, labels):
    text = "".join(f'{number}.png,"{labels[number % 2]}"\n' for number in range(4))
    place = table(tmp_path, f"image,label\n{text}", files=[f"{number}.png" for number in range(4)])
    assert len(read(place)[1]) == 1


@pytest.mark.parametrize(
    ("form", "names", "line"),
    [
        (
            "b'{}'",
            ("cat", "dog"),
            "Labels are bytes of Python, as \"b'cat'\": that class is 'cat'.",
        ),
        ('="{}"', ("a", "b"), "Labels are formulas of a spreadsheet, as '=\"a\"': that class is "),
        ("{}.0", ("0", "1"), "Labels are whole numbers with a point, as '0.0': that class is '0'."),
        ("{}.00", ("-1", "1"), "Labels are whole numbers with a point, as '-1.00': that class is "),
        # One of another form: they may differ by more than that.
        ("{}.5", ("0", "1"), ""),
        ("version {}.0", ("0", "1"), ""),
    ],
)
def test_labels_lose_the_mark_of_their_type(tmp_path, form, names, line):
    cells = [form.format(names[number % 2]) for number in range(8)]
    text = "".join(f"{number}.png,{cell}\n" for number, cell in enumerate(cells))
    place = table(tmp_path, f"image,label\n{text}", files=[f"{number}.png" for number in range(8)])
    listing, lines = read(place)
    assert listing.class_names == (names if line else tuple(sorted({*cells})))
    assert line == "" or lines[1].startswith(line)


@pytest.mark.parametrize("form", ["['{}']", '[""{}""]', "[{}]"])
def test_lists_of_one_label_are_told_and_hold_its_name(tmp_path, form):
    text = rows_of("image,label", lambda name, color: f'{name},"{form.format(color)}"')
    listing, lines = read(table(tmp_path, text, files=NAMES))
    assert listing.class_names == COLORS
    assert lines[1].startswith("Labels are lists of one, as ")
    text = text.replace(form.format("red"), form.format("red,blue"), 1)
    assert len(read(table(tmp_path, text))[0].class_names) == 4


@pytest.mark.parametrize(
    ("cell", "class_name", "line"),
    [
        ("['{}']", "red", "Labels are lists of one, as \"['blue']\": that one is the class."),
        ('{{"choices": ["{}"]}}', "red", "Labels are lists of one, as '{"),
        ('{{"class":"{}"}}', "red", "Labels are lists of one, as '{"),
        ("['{}', 'big']", "red, big", "Labels are lists of several, as "),
        ('{{"choices": ["{}","a, b"]}}', "red, a, b", "Labels are lists of several, as "),
        ("{{'{}'}}", "red", "Labels are lists of one, as "),
        ("{};", "red", "Labels have a separator at an end, as 'blue;': it is left out."),
        ("|{}|", "red", "Labels have a separator at an end, as '|blue|': it is left out."),
        ("[{}", "[red", ""),
    ],
)
def test_labels_written_as_lists_are_plain_names(tmp_path, cell, class_name, line):
    text = rows_of("image\tlabel", lambda name, color: f"{name}\t{cell.format(color)}")
    listing, lines = read(table(tmp_path, text, files=NAMES, name="list.tsv"))
    assert listing.class_names[-1] == class_name
    assert line in "\n".join(lines[1:])


@pytest.mark.parametrize(
    "form",
    [
        "[{}, {}, {}]",
        "[{} {} {}]",
        "{},{},{}",
        "{} {} {}",
        "({}.0; {}.0; {}.0)",
        "tensor([{}., {}., {}.])",
    ],
)
def test_lists_of_zeros_and_a_one_are_the_place_of_the_one(tmp_path, form):
    def cells(name, color):
        return f"{name}\t{form.format(*(int(color == one) for one in COLORS))}"

    listing, lines = read(
        table(tmp_path, rows_of("image\tlabel", cells), files=NAMES, name="t.tsv")
    )
    numbers = {file.class_name: color_of(file.example) for file in listing.files}
    assert numbers == {"0": "blue", "1": "green", "2": "red"}
    assert lines[1].startswith("Labels are one-hot lists of 3, as ")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ("[1, 0, 1]", "[0, 0, 1]"),
            "has lists of 0 and 1 as label, but none or several with 1 in",
        ),
        (("0 0 0", "0 0 1"), "Each image has one class: leave one 1 in each list, or remove the"),
        (
            ("[0.25, 0.75]", "[.9 .1]"),
            "has a list of probabilities in each cell of label, as '[0.25",
        ),
        # Numbers that nobody writes in two ways on purpose.
        (("1", "01"), "has the classes '1' and '01', which are one number. Write it in one way."),
        (("7,0", "7"), "has the classes '7,0' and '7', which are one number. Write it in one way."),
        (
            ("cat", "c\u0430t"),
            "('cat') and 'c\u0430t' ('c\\u0430t') look alike, but have letters",
        ),
        (
            ("Ag", "\u0391g"),
            "look alike, but have letters of different alphabets. Merge them or ren",
        ),
    ],
)
def test_labels_that_mean_no_two_classes_are_refused(tmp_path, labels, message):
    text = rows_of("image\tlabel", lambda name, _: f"{name}\t{labels[name[-5] == '1']}")
    place = table(tmp_path, text, files=NAMES, name="t.tsv")
    assert message in refusal(place)


def test_letters_of_two_alphabets_may_be_classes(tmp_path):
    letters = ("A", "\u0410")
    text = rows_of("image,label", lambda name, _: f"{name},{letters[name[-5] == '1']}")
    assert read(table(tmp_path, text, files=NAMES))[0].class_names == letters


def test_decimal_commas_are_those_of_numbers(tmp_path):
    text = rows_of("Bild;Klasse", lambda name, color: f"{name};{len(color)},0")
    listing, lines = read(table(tmp_path, text, files=NAMES))
    assert listing.class_names == ("3", "4", "5")
    assert lines[1] == "Labels are whole numbers with a point, as '4,0': that class is '4'."
    text = rows_of("Bild;Wert;Klasse", lambda name, color: f"{name};0,{name[-6:-4]}5;{color}")
    assert read(table(tmp_path, text))[0].class_names == COLORS
    text = rows_of("Bild;label", lambda name, color: f"{name};{len(color)},{name[-6:-4]}5")
    assert "holds 36 different measurements, as 4,005, 4,015" in refusal(table(tmp_path, text))


def test_line_break_within_a_label_is_refused(tmp_path):
    text = rows_of("image,label", lambda name, color: f'{name},"{color}\nbig"')
    message = refusal(table(tmp_path, text, files=NAMES))
    assert "has a line break in label, as between several labels, in 36 rows" in message


@pytest.mark.parametrize(
    "word", ["missing", "Unknown", "-999", "n.a.", "\\N", "not_labelled", "TBD"]
)
def test_words_for_labels_that_are_not_known_are_told(tmp_path, word):
    def label_of(name, color):
        return f"{name},{word if name[-5] == '1' else color}"

    listing, lines = read(table(tmp_path, rows_of("image,label", label_of), files=NAMES))
    assert word in listing.class_names
    assert lines[1].startswith(f"Classes that may mean a missing value: {word} (6 rows).")


@pytest.mark.parametrize(
    "above",
    [
        "# exported 2024-01-02, by lab\nimage,label",
        "# by\n# a, b, c\nimage,label",
        "#image,label",
        "#image,label\n# 36 images",
        "# a list of images",
        "Colors,\nimage,label",
        "Colors\n\nInputs,Outputs\nimage,label",
        "image,label\nfile,class",
    ],
)
def test_header_is_found_below_remarks_and_titles(tmp_path, above):
    text = rows_of(above, lambda name, color: f"{name},{color}")
    listing, _ = read(table(tmp_path, text, files=NAMES))
    assert len(listing.files) == len(NAMES)
    assert set(listing.class_names) == {"red", "blue", "green"}


@pytest.mark.parametrize(
    "cell", ['"{""choices"":[""red"",""blue""]}"', "\"['red']\"", '"[""red"", ""blue""]"']
)
def test_lists_beside_plain_names_are_no_classes(tmp_path, cell):
    def row(name, color):
        return f"{name},{cell if name[-5] == '1' else color}"

    message = refusal(table(tmp_path, rows_of("image,label", row), files=NAMES))
    assert "has lists or objects beside plain names as label, as " in message
    assert "in 6 rows, as in lines 3 and 13. Leave one class in each cell" in message


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("", "studies/{name}/,{label}"),
        ("path,label\n", "{place}/{name},{label}"),
        ("path,label\n", "{folder}/studies/{name},{label}"),
        ("study,sick\n", "studies\\{name},{label}"),
    ],
)
def test_rows_of_folders_are_rows_of_their_images_in_groups(tmp_path, head, row):
    folder = tmp_path / "data"
    names = [f"patient{number}" for number in range(8)]
    files = [f"studies/{name}/{view}.png" for name in names for view in "ab"]
    folder.mkdir()
    rows = [
        row.format(name=name, place=folder / "studies", folder="data", label=number % 2)
        for number, name in enumerate(names)
    ]
    listing, lines = read(table(folder, head + "\n".join(rows), files=files))
    assert sorted(file.example for file in listing.files) == files
    assert [file.class_name for file in listing.files] == [*"0011"] * 4
    assert len({file.group for file in listing.files}) == len(names)
    assert "8 groups in 'group'" in " ".join(lines)


def test_words_that_are_folders_too_are_no_rows_of_folders(tmp_path):
    files = [f"{split}/{number}.png" for split in ("train", "test") for number in range(6)]
    rows = [
        f"{path.split('/')[1][:-4]},{path.split('/')[0]},{'ab'[n % 2]}"
        for n, path in enumerate(files)
    ]
    text = "\n".join(["id,split,label", *rows])
    listing, _ = read(table(tmp_path, text, files=files))
    assert len(listing.files) == len(files)


@pytest.mark.parametrize("more", ["", " cohen"])
def test_list_that_blanks_divide_may_begin_with_a_patient(tmp_path, more):
    rows = "".join(f"p{n // 2} {name} {color_of(name)}{more}\n" for n, name in enumerate(NAMES))
    place = table(tmp_path, rows, name="train_split.txt", files=NAMES)
    listing, _ = read(place, label="column 3")
    assert {file.class_name for file in listing.files} == {"red", "blue", "green"}
    assert len(listing.files) == len(NAMES)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["fold_1.csv", "fold_2.csv", "fold_10.csv"], "fold_1.csv, fold_10.csv, fold_2.csv"),
        (["fold_1.csv", "folds.csv", "fold_1.txt", "fold_x.csv", "my_fold_1.csv"], "fold_1.csv"),
        (["fold.csv"], ""),
    ],
)
def test_tables_that_differ_by_a_number_are_named(tmp_path, names, told):
    text = rows_of("image,label", lambda name, color: f"{name},{color}")
    place = table(tmp_path, text, name="fold_0.csv", files=NAMES)
    for name in names:
        write_beside(tmp_path, name, text)
    listing, lines = read(place)
    assert len(listing.files) == len(NAMES)
    found = [line for line in lines if "Not read" in line]
    assert found == (
        [
            f"Not read, though named like fold_0.csv: {told}. To use them, join all in one table, "
            "with a column fold if they are folds."
        ]
        if told
        else []
    )


def test_fold_is_read_with_the_table_of_its_number(tmp_path):
    text = rows_of("image,label", lambda name, color: f"{name},{color}")
    place = table(tmp_path, text, name="train_fold1.csv", files=[*NAMES, "a.png", "b.png"])
    write_beside(tmp_path, "val_fold1.csv", "image,label\na.png,red\n")
    write_beside(tmp_path, "val_fold2.csv", "image,label\nb.png,red\n")
    listing, _ = read(place)
    assert [file.example for file in listing.files if file.split == "validation"] == ["a.png"]


def test_classes_that_a_spreadsheet_made_dates_of_are_told(tmp_path):
    cells = ("1-2", "2-Mar", "4")
    text = rows_of("image,label", lambda name, _: f"{name},{cells[int(name[-5]) % 3]}")
    _, lines = read(table(tmp_path, text, files=NAMES))
    assert "Classes that look like dates (2-Mar): a spreadsheet makes them of grades" in lines[1]


def test_minus_one_beside_one_means_no(tmp_path):
    text = rows_of("image,Male", lambda name, _: f"{name},{('-1', '1')[name[-5] == '1']}")
    listing, lines = read(table(tmp_path, text, files=NAMES))
    assert listing.class_names == ("-1", "1")
    assert not [line for line in lines if "missing" in line]


def test_first_row_that_names_a_file_is_no_header(tmp_path):
    rows = [name.removesuffix(".png") + f",{color_of(name)}" for name in NAMES]
    files = [f"photos/{name}" for name in NAMES]
    place = table(tmp_path, "\n".join(["blue_00,rare", *rows[1:]]), files=files)
    listing, lines = read(place)
    assert lines[0] == "The table has no header; its columns are column 1, column 2."
    assert (len(listing.files), listing.files[0].class_name) == (36, "rare")
    listing, _ = read(table(tmp_path, "\n".join(["what,rare", *rows[1:]])))
    assert len(listing.files) == 35


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("['{}.png']", "column 'image' holds lists, not paths, as \"['0.png']\" and"),
        ('["{}"]', "holds lists, not paths"),
        ("{{'bytes': b'\\\\x89PNG{}', 'path': None}}", "holds bytes of images as text, not paths"),
        ("{{'bytes': None, 'path': '{}.png'}}", "holds lists, not paths, as"),
        ("[[[{} 2 3]", "holds arrays as text, not paths"),
        ("tensor([{}., 2., 3.])", "holds arrays as text, not paths"),
        ("<PIL.Image.Image image mode=RGB at 0x7F{}>", "holds Python objects as text, not paths"),
        ("<img src='{}.png'>", "holds HTML, not paths"),
        ("{}.png;{}.png", "holds several paths in a cell, not paths"),
        ("'{}.png'", "holds quotes within the cells, not paths"),
        ("iVBORw0KGgo{}" + "A" * 200, "holds images as base64 text, not paths"),
        ("'{}.png", "holds quotes within the cells, not paths"),
        ('="{}.png"', "holds formulas of a spreadsheet, not paths"),
        ("{}.png?raw=1", "holds addresses with queries, not paths"),
        ("x{}.png", "has 12 paths as image, and none leads to a file: no 'x0.png' and 'x1.png'"),
    ],
)
def test_column_that_holds_no_paths_is_refused_by_what_it_holds(tmp_path, cell, message):
    rows = [f"{cell.format(*[n] * 2)}\t{'ab'[n % 2]}" for n in range(12)]
    place = table(tmp_path, "\n".join(["image\tlabel", *rows]), name="t.tsv", files=["0.png"])
    assert message in refusal(place)


@pytest.mark.parametrize("names", [[f"p{n}" for n in range(49)], [f"{n}x{n}" for n in range(25)]])
def test_few_numbered_columns_of_numbers_are_pixels(tmp_path, names):
    rows = [["a", *(str(row * n % 255) for n in range(len(names)))] for row in range(12)]
    place = table(tmp_path, "\n".join(map(",".join, [["label", *names], *rows])))
    assert f"holds pixels or other numbers in {len(names)} columns" in refusal(place)


@pytest.mark.parametrize("blank", [" ", "\t", "   "])
def test_blanks_between_cells_and_within_paths_are_named(tmp_path, blank):
    text = "\n".join(f"my pics/{name}{blank}{n % 3}" for n, name in enumerate(NAMES))
    place = table(tmp_path, text, name="t.txt", files=[f"my pics/{name}" for name in NAMES])
    if "\t" in blank:
        assert len(read(place)[0].files) == 36
    else:
        assert "has blanks between its cells and within its paths, as in 'my " in refusal(place)


def test_numbers_with_a_fraction_of_zero_are_found(tmp_path):
    rows = [f"{n}.0,{'ab'[n % 2]}" for n in range(12)]
    place = table(
        tmp_path, "\n".join(["id,label", *rows]), files=[f"photos/{n}.png" for n in range(12)]
    )
    listing, lines = read(place)
    assert [file.example for file in listing.files] == [f"photos/{n}.png" for n in range(12)]
    assert "'0.0' is photos/0.png" in lines[1]


@pytest.mark.parametrize("word", ["Total", "Summe:", "# Count"])
def test_row_of_sums_is_refused(tmp_path, word):
    text = rows_of("image,label", lambda *row: ",".join(row)) + f"\n{word},36\n"
    message = refusal(table(tmp_path, text, files=NAMES))
    assert "has a sum as image, not an image, in line 38. Remove that row." in message


def test_words_for_missing_values_are_classes_and_told(tmp_path):
    labels = [f"{number}.0" for number in range(12)] * 2 + ["nan"] * 4 + ["None", "<NA>", "NULL"]
    files = [f"{number}.png" for number in range(len(labels))]
    text = "\n".join(map(",".join, zip(files, labels, strict=True)))
    listing, lines = read(table(tmp_path, f"image,label\n{text}", files=files))
    assert listing.class_names == (
        *(f"{number}.0" for number in range(12)),
        *("<NA>", "NULL", "None", "nan"),
    )
    assert lines[1].startswith(
        "Classes that may mean a missing value: nan (4 rows), None (1 row), <NA> (1 row), NULL"
    )


@pytest.mark.parametrize(
    ("head", "cells", "message"),
    [
        ("image,label,Usage", ("Training", "PublicTest"), "PublicTest is test"),
        ("image,label,whatever", ("TRAIN", "val"), "val is validation"),
        ("fname,label,is_valid", ("False", "True"), "True is validation"),
        ("image,label,is_train", ("1", "0"), "0 is test"),
        ("image,label,split", ("", "test"), "(30 rows without one: train)"),
        # Words and marks for yes and no.
        ("image,label,is_test", ("n", "y"), "n is train, y is test"),
        ("image,label,is_test", ("F", "T"), "F is train, T is test"),
        ("image,label,in_train", ("ja", "nein"), "nein is test"),
        ("image,label,isTest", ("", "x"), "x is test"),
        ("image,label,is_val", ("nan", "1.0"), "1.0 is validation"),
        ("image,label,is_train", ("✓", ""), "6 rows without one: test"),
        ("image,label,train", ("Y", "N"), "N is test"),
        # Few rows that say it, or shortened.
        ("image,label,note", ("", "test"), "(30 rows without one: train)"),
        ("image,label,remark", ("None", "val set"), "val set is validation"),
        ("image,label,usage", ("tr", "te"), "te is test"),
        ("image,label,x", ("tr", "val"), "val is validation"),
        # Words that tables alone have for splits, and letters.
        ("image,label,role", ("fit", "holdout"), "fit is train, holdout is test"),
        ("image,label,purpose", ("modelling", "scoring"), "scoring is test"),
        ("image,label,x", ("in-sample", "out of sample"), "out of sample is test"),
        ("image,label,Usage", ("Train", "Private"), "Private is test"),
        ("image,label,x", ("train", "public"), "public is test"),
        ("image,label,cohort", ("derivation", "external"), "external is test"),
        ("image,label,tvt", ("T", "V"), "T is train, V is validation"),
        ("image,label,subset_name", ("L", "T"), "L is train, T is test"),
        ("image,label,is_in_sample", ("1", "0"), "0 is test"),
        # What is open trains.
        ("image,label,x", ("UNASSIGNED", "TEST"), "(UNASSIGNED is train)"),
    ],
)
def test_column_that_looks_like_a_split_is_one(tmp_path, head, cells, message):
    text = rows_of(head, lambda name, color: f"{name},{color},{cells[name[-5] == '1']}")
    listing, lines = read(table(tmp_path, text, files=NAMES))
    assert message in lines[0]
    assert [file.split for file in listing.files].count("train") == 30


@pytest.mark.parametrize(
    ("head", "cells", "message"),
    [
        ("image,label,fold", "012", "has '0', '1', '2' as fold, which looks like the split"),
        ("image,label,part", ("train", "val", "x"), "has 'x' beside 'train', 'val' as part, which"),
        ("image,label,phase", ("train", "", ""), "has '' beside 'train' as phase, which looks"),
        # A word for splits in its name.
        ("image,label,strat_fold", "012", "has '0', '1', '2' as strat_fold, which looks like"),
        ("image,label,cvSplit", "012", "as cvSplit, which looks like the split"),
        ("image,label,train_test", "011", "as train_test, which looks like the split"),
        ("image,label,trainVal", "011", "as trainVal, which looks like the split"),
        ("image,label,train/test/val", "012", "as train/test/val, which looks like the split"),
        ("image,label,test set", ("in", "out", "in"), "as test set, which looks like the split"),
        # One of the words for columns of folds, and numbers or letters one after the other.
        ("image,label,fld", "012", "has '0', '1', '2' as fld, which looks like the split"),
        ("image,label,rnd", "010", "has '0', '1' as rnd, which looks like the split"),
        ("image,label,cv", "213", "as cv, which looks like the split"),
        ("image,label,set_name", "ABA", "has 'A', 'B' as set_name, which looks like the split"),
        ("image,label,xval-no", ("k 1", "k 2", "k 3"), "as xval-no, which looks like the split"),
        ("image,label,crossVal", ("1.0", "2.0", "0.0"), "as crossVal, which looks like the sp"),
        ("image,label,set", "LUT", "has 'L', 'U', 'T' as set, which looks like the split"),
        # Any word for a split, beside words that are none.
        (
            "image,label,x",
            ("Main", "Main", "Test"),
            "has 'Main' beside 'Test' as x, which looks like the split, in 27 rows, as in lines 2 "
            "and 3. Say which are for training, as --split_values=Main=train, or add",
        ),
        ("image,label,x", ("good", "bad", "dev_set"), "has 'good', 'bad' beside 'dev_set' as x"),
        ("image,label,x", ("train", "more", ""), "has 'more' beside 'train' as x, which"),
        ("image,label,x", ("train", "контроль", "3"), "Say which are not for training, as --split"),
        (
            "image,label,x",
            ("development", "development", "validation"),
            "has 'development', 'validation' as x, which looks like the split and is all "
            "validation, in 36 rows, as in lines 2 and 3. Say which are for training, as "
            "--split_values=development=train",
        ),
    ],
)
def test_split_that_cannot_be_read_is_never_ignored(tmp_path, head, cells, message):
    text = rows_of(head, lambda name, color: f"{name},{color},{cells[int(name[-5]) % 3]}")
    place = table(tmp_path, text, files=NAMES)
    assert message in refusal(place)
    assert {file.split for file in read(place, split="none")[0].files} == {"train"}


def test_user_says_what_the_values_of_a_split_mean(tmp_path):
    text = rows_of("image,label,fold", lambda name, color: f"{name},{color},{int(name[-5]) % 5}")
    place = table(tmp_path, text, files=NAMES)
    assert "Say which are not for training, as --split_values=4=test, or add" in refusal(place)
    listing, lines = read(place, split_values={"4": "test", "3": "validation"})
    assert [file.split for file in listing.files if file.class_name == "red"] == [
        *("train", "train", "train", "validation", "test") * 2,
        *("train", "train"),
    ]
    assert "splits in 'fold' (3 is validation, 4 is test, 0 is train, 1 is train and" in lines[0]
    assert "split_values='5': is no value in the column 'fold' of splits. Its values: 0, 1" in (
        refusal(place, split_values={"5": "test"})
    )
    assert "the table has no column of splits. Name it with --split_column." in (
        refusal(place, split_values={"4": "test"}, split="none")
    )


def test_parts_of_one_split_are_never_trained_on_unless_a_person_says_so(tmp_path):
    def cells(name, color):
        return f"{name},{color},{('Public', 'Private')[name[-5] == '1']}"

    place = table(tmp_path, rows_of("image,label,Usage", cells), files=NAMES)
    message = refusal(place)
    assert "has 'Public', 'Private' as Usage, which looks like the split and is all test, in 3" in (
        message
    )
    assert "Say which are for training, as --split_values=Public=train, or add" in message
    listing, _ = read(place, split_values={"Public": "train"})
    assert [file.split for file in listing.files].count("test") == 6


@pytest.mark.parametrize(
    "cells",
    [
        ("valid", "invalid", "valid"),
        ("train station", "test tube", "bus stop"),
        # Of the same classes, whose names may be words for splits.
        ("red", "blue", "red"),
        ("test", "control", "other"),
    ],
)
def test_words_beside_which_a_split_is_none(tmp_path, cells):
    classes = {"red": "test", "blue": "control"} if "test" in cells else {}

    def row(name, color):
        return f"{name},{classes.get(color, color)},{cells[int(name[-5]) % 3]}"

    listing, _ = read(table(tmp_path, rows_of("image,label,x", row), files=NAMES), label="label")
    assert {file.split for file in listing.files} == {"train"}


@pytest.mark.parametrize(
    ("name", "cells", "shown"),
    [
        # Such words and numbers mean much else.
        ("seen", ("seen", "unseen", "seen"), "(seen, unseen): if it is the split, add --split_"),
        ("visibility", ("private", "public"), "--split_column=visibility --split_values=public="),
        ("lot no", "012", "--split_column='lot no' --split_values=2=test."),
    ],
)
def test_values_that_may_be_those_of_splits_are_told(tmp_path, name, cells, shown):
    text = rows_of(
        f"image,label,{name}",
        lambda one, color: f"{one},{color},{cells[int(one[-6:-4]) % len(cells)]}",
    )
    listing, lines = read(table(tmp_path, text, files=NAMES))
    assert {file.split for file in listing.files} == {"train"}
    assert shown in lines[1]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("role", ("cook", "waiter")),
        ("rating", "122344"),
        ("kind of set", ("chair", "table")),
        ("mode", "HV"),
        ("k", ("low", "high")),
        ("class_no", "012"),
    ],
)
def test_other_columns_are_no_splits(tmp_path, name, cells):
    def value(one, color):
        place = len(color) - 3 if name == "class_no" else int(one[-6:-4])
        return cells[place % len(cells)]

    text = rows_of(f"image,label,{name}", lambda one, color: f"{one},{color},{value(one, color)}")
    _, lines = read(table(tmp_path, text, files=NAMES))
    assert lines == [f"Table: 36 rows, paths in 'image', classes in 'label'; not used: {name}."]


@pytest.mark.parametrize(
    ("head", "split_of", "message"),
    [
        ("in_train,in_val", {"1,0": "train", "0,1": "validation"}, ""),
        ("is_val,is_test", {"F,F": "train", "T,F": "validation", "F,T": "test"}, ""),
        ("train,val,test", {"x,,": "train", ",x,": "validation", ",,x": "test"}, ""),
        ("val,test", {"1,0": "train", "0,1": "test"}, ""),
        ("in_train,in_val", {"1,0": "", "1,1": ""}, "has yes in several of in_train, in_val, whi"),
        ("is_train,is_test", {"1,0": "", "0,0": "", "0,1": ""}, "has yes in none of is_train, is_"),
    ],
)
def test_flags_of_different_splits_are_read_together(tmp_path, head, split_of, message):
    cells = [list(split_of)[number % len(split_of)] for number in range(len(NAMES))]
    rows = (f"{name},{color_of(name)},{cell}" for name, cell in zip(NAMES, cells, strict=True))
    place = table(tmp_path, "\n".join([f"image,label,{head}", *rows]), files=NAMES)
    if message:
        assert message in refusal(place)
        assert {file.split for file in read(place, split="none")[0].files} == {"train"}
    else:
        listing, lines = read(place)
        assert [file.split for file in listing.files] == [split_of[cell] for cell in cells]
        assert f"splits in {head.replace(',', ', ')}." in lines[0]


@pytest.mark.parametrize(("train", "test"), [("training", "test"), ("trainImages", "2 test data")])
def test_folders_of_the_paths_may_name_the_splits(tmp_path, train, test):
    def place_of(name):
        return f"{test if name[-5] == '1' else train}/{name}"

    files = list(map(place_of, NAMES))
    text = rows_of("image,label", lambda name, color: f"{place_of(name)},{color}")
    listing, lines = read(table(tmp_path, text, files=files))
    assert [file.split for file in listing.files].count("test") == 6
    assert "splits in the folders of the paths" in lines[0]
    text = rows_of(
        "image,label", lambda name, _: f"{place_of(name)},{place_of(name).split('/')[0]}"
    )
    listing, _ = read(table(tmp_path, text), label="label")
    assert {file.split for file in listing.files} == {"train"}


def test_column_that_repeats_like_a_group_is_told(tmp_path):
    text = rows_of("image,label,Lot ID", lambda name, color: f"{name},{color},{name[:-5]}")
    _, lines = read(table(tmp_path, text, files=NAMES))
    assert lines[1].startswith("Column 'Lot ID' has 6 values in 36 rows: if images with the")
    assert len(read(tmp_path / "list.csv", group="Lot ID")[1]) == 1


def test_paths_that_fit_several_files_are_refused_once(tmp_path):
    files = [f"{folder}/{name}" for name in NAMES for folder in "ab"]
    place = table(tmp_path, rows_of("id,label", lambda *row: ",".join(row)), files=files)
    message = refusal(place)
    assert "has 'blue_00.png' as id, which fits " in message
    assert "and the like in 36 rows, as in lines 2 and 3. Write the folder and the end" in message


def test_paths_to_predict_are_understood_alike(tmp_path):
    place = table(tmp_path, "id,note\n7,x\n,y\n9,z\n", files=["imgs/7.png", "imgs/9.JPG"])
    assert list(list_paths(place)) == [tmp_path / "imgs/7.png", tmp_path, tmp_path / "imgs/9.JPG"]


def write_beside(folder, name, text):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def test_tables_of_other_splits_beside_it_are_read_with_it(tmp_path):
    text = rows_of("image,label", lambda name, color: f"{name},{color}")
    place = table(tmp_path, text, name="train.csv", files=[*NAMES, "a.png", "b.png"])
    write_beside(tmp_path, "val.csv", "image,label\na.png,red\n")
    write_beside(tmp_path, "test.csv", "image,label\nb.png,blue\n")
    listing, lines = read(place)
    splits = {file.example: file.split for file in listing.files}
    assert splits == dict.fromkeys(NAMES, "train") | {"a.png": "validation", "b.png": "test"}
    assert lines[-1] == (
        "Tables of splits are read together: train.csv is train, test.csv is test, val.csv is "
        "validation; --split_column=none reads train.csv alone."
    )
    alone, lines = read(place, split="none")
    assert len(alone.files) == len(NAMES)
    assert not [line for line in lines if "test.csv" in line]


def test_tables_of_the_same_name_in_folders_of_splits_are_read_together(tmp_path):
    text = rows_of("image,label", lambda name, color: f"{name},{color}")
    files = [*(f"train/{name}" for name in NAMES), "valid/1.png", "notes/1.png"]
    place = table(tmp_path, text, name="train/_classes.csv", files=files)
    for folder in ("valid", "notes"):
        write_beside(tmp_path, f"{folder}/_classes.csv", "image,label\n1.png,red\n")
    listing, _ = read(place)
    assert [(one.example, one.split) for one in listing.files if one.split != "train"] == [
        ("../valid/1.png", "validation")
    ]
    assert listing.files[0].example == NAMES[0]


def test_only_of_other_splits_the_first_is_what_train_is_split_off(tmp_path):
    text = rows_of("image,label", lambda name, color: f"{name},{color}")
    place = table(tmp_path, text, name="test.csv", files=[*NAMES, "a.png"])
    write_beside(tmp_path, "val.csv", "image,label\na.png,red\n")
    files = read(place)[0].files
    assert {file.example: file.split for file in files} == (
        dict.fromkeys(NAMES, "test") | {"a.png": "train"}
    )


@pytest.mark.parametrize(
    ("beside", "reason"),
    [
        ({"test.csv": "image\na.png\n"}, "test.csv is not read with train.csv for test: has other"),
        ({"test.csv": ""}, "test.csv is not read with train.csv for test: is empty."),
        ({"test.csv": "image,label\na.png,\n"}, "for test: has no label in line 2"),
        ({"test.csv": "image,label\nno.png,x\n"}, "for test: has 1 path as image, and none leads"),
        (
            dict.fromkeys(("test_1.csv", "test_2.csv"), "image,label\na.png,red\n"),
            "test_1.csv, test_2.csv are not read with train.csv for test: each may be it.",
        ),
    ],
)
def test_table_of_another_split_that_is_not_used_is_named(tmp_path, beside, reason):
    text = rows_of("image,label", lambda name, color: f"{name},{color}")
    place = table(tmp_path, text, name="train.csv", files=[*NAMES, "a.png"])
    for name, content in beside.items():
        write_beside(tmp_path, name, content)
    listing, lines = read(place)
    assert len(listing.files) == len(NAMES)
    assert reason in lines[-1]


@pytest.mark.parametrize(
    ("name", "text", "folders"),
    [
        ("train.csv", "id,label\n0,a\n1,b\n", ["train", "train"]),
        ("train_labels.csv", "id,label\n0,a\n1,b\n", ["train", "train"]),
        ("test/list.csv", "id,label\n0,a\n1,b\n", ["test", "test"]),
        ("all.csv", "id,label,split\n0,a,train\n1,b,test\n", ["train", "test"]),
    ],
)
def test_names_that_are_in_folders_of_two_splits_are_of_that_of_the_row(
    tmp_path, name, text, folders
):
    inside = [f"{folder}/images/{n}.png" for folder in ("train", "test") for n in range(2)]
    place = table(tmp_path, text, name=name, files=inside)
    files = read(place, split="" if "split" in text else "none")[0].files
    assert [file.path.resolve().relative_to(tmp_path).parts[0] for file in files] == folders


def test_names_in_folders_of_two_splits_are_refused_where_nothing_tells(tmp_path):
    inside = [f"{folder}/{n}.png" for folder in ("train", "test") for n in range(2)]
    place = table(tmp_path, "id,label\n0,a\n1,b\n", name="labels.csv", files=inside)
    assert "has '0' as id, which fits test/0.png and train/0.png, and the like" in refusal(place)


@pytest.mark.parametrize(
    "label", ["n02 {} 2 30 40", "n02 1 {} 3 4 n03 5 6 7 8", "1 0.5 0.{} 0.1 0"]
)
def test_classes_with_boxes_are_refused(tmp_path, label):
    lines = [f"{name},{label.format(n)}" for n, name in enumerate(NAMES)]
    place = table(tmp_path, "\n".join(["image,label", *lines]), files=NAMES)
    assert "has a class and four numbers or more in 'label', as " in refusal(place)


@pytest.mark.parametrize("label", ["remark {}", "{}"])
def test_labels_of_which_each_row_has_its_own_are_named(tmp_path, label):
    lines = [f"{name},{label.format(n)}" for n, name in enumerate(NAMES)]
    place = table(tmp_path, "\n".join(["image,label", *lines]), files=NAMES)
    expected = f"Each of the {len(NAMES)} rows has a label of its own, as {label.format(0)}"
    assert expected in "\n".join(read(place)[1])


def test_folders_that_name_other_classes_are_told(tmp_path):
    files = [f"{folder}/{n}.png" for folder in ("cat", "dog") for n in range(3)]
    rows = [f"{path},{path.partition('/')[0]}" for path in files]
    rows[1] = f"{files[1]},dog"
    place = table(tmp_path, "\n".join(["path,label", *rows]), files=files)
    assert read(place)[1][-1] == (
        "The folders of 1 image are named as other classes, as cat/1.png of class 'dog': the table "
        "counts."
    )


def test_image_in_tables_of_two_splits_is_refused(tmp_path):
    text = rows_of("image,label", lambda name, color: f"{name},{color}")
    place = table(tmp_path, text, name="train.csv", files=NAMES)
    write_beside(tmp_path, "test.csv", f"image,label\n{NAMES[0]},{color_of(NAMES[0])}\n")
    message = refusal(place)
    assert f"has 1 image with rows of different splits: {NAMES[0]} (train and test)" in message


@pytest.mark.parametrize("title", ["My export,,", '"Flowers, all",,,'])
def test_title_above_the_header_is_named(tmp_path, title):
    rows = "".join(f"{name},{name[0]},x\n" for name in NAMES)
    place = table(tmp_path, f"{title}\nimage,x,note\n{rows}", files=NAMES)
    assert "and remove lines above the header." in refusal(place)


def test_list_that_blanks_divide_may_have_remarks_and_no_endings(tmp_path):
    rows = "".join(f"cat_{n} {n % 2 + 1} 1 7\n" for n in range(6))
    text = f"#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\n{rows}"
    files = [f"images/cat_{n}.jpg" for n in range(6)]
    place = table(tmp_path, text, name="annotations/list.txt", files=files)
    listing, lines = read(place, label="column 2")
    assert sorted(file.class_name for file in listing.files) == ["1"] * 3 + ["2"] * 3
    assert "not used: column 3, column 4" in lines[1]


@pytest.mark.parametrize("name", ["images/{}.jpg", "{}.jpg", "{}"])
@pytest.mark.parametrize("head", ["", "file species\n"])
def test_class_behind_a_file_may_have_blanks(tmp_path, name, head):
    classes = ["golden retriever", "pug", "A340-300", "bull mastiff"]
    files = [f"images/{number:03d}.jpg" for number in range(60)]
    rows = [
        f"{name.format(f'{number:03d}')} {classes[number % len(classes)]}" for number in range(60)
    ]
    listing, lines = read(table(tmp_path, head + "\n".join(rows), name="x.txt", files=files))
    assert set(listing.class_names) == set(classes)
    assert len(listing.files) == 60
    assert [file.class_name for file in listing.files[:2]] == ["golden retriever", "pug"]
    assert any("'species'" in line for line in lines) == bool(head)


@pytest.mark.parametrize(
    "text",
    ["a.jpg -> red dog\nb.jpg -> x\n", "a 1.jpg\nb 2.jpg\n", "a 1 0.5\nb 7 0.25\n"],
)
def test_what_is_no_class_behind_a_file_is_not_divided(tmp_path, text):
    place = table(tmp_path, text, files=["a.jpg", "b.jpg"])
    assert "has a single column" in refusal(place) or "no column" in refusal(place)


def test_row_without_a_class_behind_its_file_is_named(tmp_path):
    files = [f"{number}.jpg" for number in range(60)]
    rows = [f"{name} {'red dog' if number % 2 else 'cat'}" for number, name in enumerate(files)]
    place = table(tmp_path, "\n".join([*rows[:55], files[55], *rows[56:]]), files=files)
    assert "Left out without column 2: 1 row, as of 55.jpg." in read(place)[1]
    place = table(tmp_path, "\n".join([*rows[:55], "55.jpg red dog, old", *rows[56:]]))
    assert "has more cells than its first row in line 56" in refusal(place)


def test_names_that_a_comma_in_their_brackets_divides_are_whole(tmp_path):
    head = "Image Index,Finding Labels,Size[Width,Height],Spacing(x,y),a,b,"
    text = rows_of(head, lambda name, color: f"{name},{color},10,20,0.1,0.2,c,{name[-5]}x,")
    listing, lines = read(table(tmp_path, text, files=NAMES))
    assert listing.class_names == COLORS
    assert "not used: Size[Width], Size[Height], Spacing(x), Spacing(y) and 2 more" in lines[0]
    text = rows_of("file,x),label", lambda name, color: f"{name},1,{color}")
    assert "not used: x)." in read(table(tmp_path, text, files=NAMES))[1][0]


@pytest.mark.parametrize("label", ["label", "choice"])
def test_few_rows_without_a_label_are_left_out_with_their_number(tmp_path, label):
    head = f"file,{label},created"

    def row_of(every):
        def row(name, color):
            return f"{name}," if int(name[-6:-4]) % every == 0 else f"{name},{color},2026-01-01"

        return row

    place = table(tmp_path, rows_of(head, row_of(4)), files=NAMES)
    listing, lines = read(place)
    assert listing.class_names == COLORS
    assert len(listing.files) == 27
    assert f"Left out without {label}: 9 rows, as of blue_00.png and blue_04.png." in lines
    # Where most lack one, the column may be the wrong one.
    place = table(tmp_path, rows_of(head, row_of(2)))
    assert f"has no {label} in 18 rows, as in lines 2 and 4." in refusal(place, label=label)


def test_an_unlabeled_row_may_lack_its_image(tmp_path):
    text = rows_of("file,label", "{},{}".format) + "\n,\nno.png,\n"
    listing, _ = read(table(tmp_path, text, files=NAMES))
    assert len(listing.files) == 36


def test_lists_beside_folders_of_splits_lead_to_their_own(tmp_path):
    files = [f"../{split}/{number}.png" for split in ("train", "val") for number in range(4)]
    for name in ("train.txt", "val.txt"):
        place = table(
            tmp_path / "meta",
            "\n".join(f"{number}.png {number % 2}" for number in range(4)),
            name=name,
            files=files,
        )
    listing, _ = read(place)
    assert sorted((file.split, file.path.parent.name) for file in listing.files) == [
        *[("train", "train")] * 4,
        *[("validation", "val")] * 4,
    ]


def test_few_rows_of_another_split_are_read_like_the_others(tmp_path):
    rows = {
        "train": [f"{number} {number % 3}-0" for number in range(6)],
        "test": ["6 0-0", "7 1-0"],
    }
    files = [f"images/{number}.jpg" for number in range(8)]
    for split, some in rows.items():
        table(tmp_path, "\n".join(some), name=f"images_{split}.txt", files=files)
    listing, _ = read(tmp_path / "images_train.txt")
    assert [file.split for file in listing.files] == ["train"] * 6 + ["test"] * 2


def test_groups_of_another_split_are_those_of_the_same_column(tmp_path):
    rows = {"train": ["0,a,p0", "1,b,p0", "2,a,p1", "3,b,p1"], "test": ["4,a,p1", "5,b,p2"]}
    files = [f"images/{number}.jpg" for number in range(6)]
    for split, some in rows.items():
        text = "\n".join(["image,label,MRN", *some])
        table(tmp_path, text, name=f"labels-{split}.csv", files=files)
    listing, _ = read(tmp_path / "labels-train.csv")
    assert [file.group for file in listing.files] == ["p0", "p0", "p1", "p1", "p1", "p2"]
    listing, _ = read(tmp_path / "labels-train.csv", group="none")
    assert [file.group for file in listing.files] == [""] * 6


def test_file_that_is_nearly_named_is_shown(tmp_path):
    text = "\n".join(f"train_{number:05}.jpg {number % 2 + 1}" for number in range(6))
    files = [f"../Image/aligned/train_{number:05}_aligned.jpg" for number in range(6)]
    place = table(tmp_path / "labels", text, name="list.txt", files=files)
    assert "but ../Image/aligned/train_00000_aligned.jpg. Give paths" in refusal(place)


def test_table_with_an_unresolved_merge_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(
        "image,label\na.png,x\n<<<<<<< HEAD\nb.png,x\n=======\nb.png,y\n>>>>>>> other\nc.png,y\n"
    )
    with pytest.raises(UsageError, match=r"has an unresolved merge conflict in line 3\. Resolve"):
        read_text(path, functools.partial(bad_value, "dataset", "csv:t.csv"))
