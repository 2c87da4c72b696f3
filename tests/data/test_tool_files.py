import io
import json
import re

import pyarrow.ipc
import pyarrow.parquet
import pytest
import tensorflow as tf
from PIL import Image

from command_line import REPOSITORY
from kerastl.data.folders import list_folder
from kerastl.data.tables import list_table
from kerastl.errors import UsageError
from picture_files import file_bytes, solid

PAGE = REPOSITORY / "docs/how_to/other_tools.md"
COLORS = {"red": (200, 0, 0), "blue": (0, 0, 200)}
XML = '<?xml version="1.0"?>\n'


def png(name):
    return file_bytes(solid(COLORS[name]), "PNG")


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def two_halves():
    """A picture that is red on the left and blue on the right, and the boxes of both."""
    image = Image.new("RGB", (20, 10), COLORS["blue"])
    image.paste(COLORS["red"], (0, 0, 10, 10))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue(), {"red": (0, 0, 10, 10), "blue": (10, 0, 20, 10)}


def parquet(root):
    rows = [{"image": {"bytes": png(name)}, "label": name} for name in COLORS]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), root / "train-0.parquet")


def arrow(root):
    rows = [{"image": {"bytes": png(name)}, "label": name} for name in COLORS]
    table = pyarrow.Table.from_pylist(rows)
    with pyarrow.ipc.new_stream(root / "data.arrow", table.schema) as file:
        file.write_table(table)


def tfrecord(root):
    (root / "train").mkdir()
    for shard in range(2):
        path = root / f"train/x.tfrecord-0000{shard}-of-00002"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for number, name in enumerate(COLORS):
                features = {
                    "image/encoded": tf.train.Feature(bytes_list={"value": [png(name)]}),
                    "image/class/label": tf.train.Feature(int64_list={"value": [number]}),
                }
                example = tf.train.Example(features={"feature": features})
                writer.write(example.SerializeToString())


def voc(root):
    image, boxes = two_halves()
    for number in range(2):
        write(root / f"VOC/JPEGImages/{number}.png", image)
        objects = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax>"
            f"<ymax>{d}</ymax></bndbox></object>"
            for name, (a, b, c, d) in boxes.items()
        )
        text = f"<annotation><filename>{number}.png</filename>{objects}</annotation>"
        write(root / f"VOC/Annotations/{number}.xml", text)


def yolo(root):
    image, _ = two_halves()
    write(root / "data.yaml", "train: images/train\nval: images/val\nnc: 2\nnames: [red, blue]\n")
    for split in ("train", "val"):
        write(root / f"images/{split}/1.png", image)
        write(root / f"labels/{split}/1.txt", "0 0.25 0.5 0.5 1.0\n1 0.75 0.5 0.5 1.0\n")


def cvat(root):
    for name in COLORS:
        write(root / f"images/{name}1.png", png(name))
    tags = "".join(
        f'<image id="0" name="{name}1.png"><tag label="{name}"/></image>' for name in COLORS
    )
    write(root / "annotations.xml", f"{XML}<annotations>{tags}</annotations>")


def labelme(root):
    image, boxes = two_halves()
    write(root / "1.png", image)
    shapes = [
        {"label": name, "points": [[a, b], [c - 1, d - 1]]} for name, (a, b, c, d) in boxes.items()
    ]
    write(root / "1.json", json.dumps({"version": "5", "shapes": shapes, "imagePath": "1.png"}))


@pytest.mark.parametrize(
    ("title", "make", "words"),
    [
        ("Parquet", parquet, "holds 1 Parquet or Arrow file and no class folders. Save the images"),
        ("Parquet", arrow, "holds 1 Parquet or Arrow file and no class folders. Save the images"),
        ("TFRecord", tfrecord, "holds 2 TFRecord files and no class folders. Save the images in"),
        ("Pascal VOC", voc, "no class folders. Cut out the objects that Pascal VOC has marked, or"),
        ("YOLO", yolo, "but no class folders. Cut out the objects that YOLO has marked, or write"),
        ("CVAT", cvat, "no class folders. Cut out the objects that CVAT has marked, or write a t"),
        ("LabelMe", labelme, "no class folders. Cut out the objects that LabelMe has marked, or"),
    ],
)
def test_stop_names_the_page_whose_lines_lead_on(tmp_path, monkeypatch, title, make, words):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    with pytest.raises(UsageError) as caught:
        list_folder(".")
    assert words in str(caught.value)
    assert "(the docs show it on the page From other tools)." in str(caught.value)
    layout = "class/group" if make in (voc, yolo, labelme) else "class"
    [code] = re.findall(rf"^## {title}.*?\n```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    exec(compile(code, str(PAGE), "exec"), {})
    made = (
        list_table("classes.csv", columns={})
        if make is cvat
        else list_folder("classes", layout=layout)
    )
    names = {"0": "red", "1": "blue"}
    for file in made.files:
        pixel = Image.open(file.path).convert("RGB").getpixel((0, 0))
        assert pixel == COLORS[names.get(file.class_name, file.class_name)]
    assert len(made.class_names) == len(COLORS)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("data.yaml", "train: a\nval: b\nnc: 1\nnames: [x]\n", "is a file of YOLO, not a CSV or"),
        ("a.xml", f"{XML}<annotations></annotations>", "is a file of CVAT, not a CSV or TSV file"),
        ("a.xml", "<annotation><folder>x</folder></annotation>", "is a file of Pascal VOC, not a"),
        ("t.parquet", "PAR1....", "Save the images in them as files with pyarrow (the docs show"),
    ],
)
def test_file_of_a_tool_is_no_table(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError) as caught:
        list_table(str(tmp_path / name), columns={})
    assert words in str(caught.value)


def test_folder_in_place_of_a_table_names_the_table_in_it(tmp_path):
    (tmp_path / "list.csv").write_text("image,label\n")
    with pytest.raises(UsageError, match=r"is a folder, not a table\. Give csv:\S+list\.csv, or"):
        list_table(str(tmp_path), columns={})
    (tmp_path / "more.csv").write_text("image,label\n")
    with pytest.raises(UsageError, match="Give a table in it as csv:FILE, or the folder as folder"):
        list_table(str(tmp_path), columns={})
