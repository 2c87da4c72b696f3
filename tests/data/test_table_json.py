"""Tables in JSON, as programs and annotation tools write them."""

import collections
import io
import json
import pathlib

import pytest

from kerastl.data.tables import list_table
from kerastl.errors import UsageError
from kerastl.progress import Progress

ROWS = [{"file_name": f"{n}.jpg", "label": "cat" if n % 2 else "dog"} for n in range(4)]
PATHS = [row["file_name"] for row in ROWS]
LABELS = [row["label"] for row in ROWS]
CLASSES = ["cat", "dog"]
MARKED = [
    {"id": 9 + n, "image_id": n, "category_id": 5 + CLASSES.index(label)}
    for n, label in enumerate(LABELS)
]
LISTS = [[path, label] for path, label in zip(PATHS, LABELS, strict=True)]
NUMBERED = [{"image": path, "label": CLASSES.index(label)} for path, label in LISTS]
ROWS_OF = {
    name: [{"file": path, "size": 9} for path, label in LISTS if label == name] for name in CLASSES
}
COCO = {
    "images": [{"id": n, "file_name": path} for n, path in enumerate(PATHS)],
    "annotations": MARKED,
    "categories": [{"id": 5 + n, "name": name} for n, name in enumerate(CLASSES)],
}


def of_label_studio(row):
    result = [{"type": "choices", "value": {"choices": [row["label"]]}}]
    annotations = [{"result": result}, {"result": [], "was_cancelled": True}]
    return {"id": 1, "data": {"image": row["file_name"]}, "annotations": annotations}


def asked(row, *questions):
    """An annotation of Label Studio with an answer to each question, the class to the first."""
    result = [
        {"type": "choices", "from_name": name, "value": {"choices": [row["label"] * (n + 1)]}}
        for n, name in enumerate(questions)
    ]
    return {"data": {"image": row["file_name"]}, "annotations": [{"result": result}]}


def table(folder, text):
    for path in PATHS:
        (folder / path).touch()
    place = folder / "list.json"
    place.write_text(text, encoding="utf-8")
    return str(place)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "\ufeff\n" + json.dumps(ROWS),
        "\n".join(map(json.dumps, ROWS)),
        "\r\n\r\n".join(map(json.dumps, ROWS)) + "\n",
        # A list without its brackets, and rows of nested values beside the class.
        ",\n".join(json.dumps(row | {"box": {"x": [1, 2]}, "note": None}) for row in ROWS),
        # By path, by class, by column, and as data frames are written; and as of FiftyOne.
        json.dumps(
            {
                "classes": CLASSES,
                "labels": {
                    pathlib.PurePath(path).stem: CLASSES.index(label)
                    for path, label in zip(PATHS, LABELS, strict=True)
                },
            }
        ),
        json.dumps(dict(zip(PATHS, LABELS, strict=True))),
        json.dumps({path: [label] for path, label in zip(PATHS, LABELS, strict=True)}),
        json.dumps({"cat": PATHS[1::2], "dog": PATHS[::2]}),
        json.dumps({"image": PATHS, "label": LABELS}),
        json.dumps({"image": dict(enumerate(PATHS)), "label": dict(enumerate(LABELS))}),
        # With the classes in objects, as of what was drawn onto an image.
        json.dumps(
            [
                {"image": row["file_name"], "annotations": [{"label": row["label"], "x": 1}]}
                for row in ROWS
            ]
        ),
        json.dumps(
            [
                {
                    "file_name": row["file_name"],
                    "boxes": [{"class": row["label"]}, {"class": row["label"]}],
                }
                for row in ROWS
            ]
        ),
        # As COCO has them, with a box or without, and as Label Studio does.
        json.dumps(COCO),
        json.dumps(COCO | {"annotations": [{**one, "bbox": [0, 0, 1, 1]} for one in MARKED]}),
        json.dumps([of_label_studio(row) for row in ROWS]),
        # A project of VIA.
        json.dumps(
            {
                "_via_settings": {},
                "_via_img_metadata": {
                    f"{row['file_name']}123": {
                        "filename": row["file_name"],
                        "regions": [],
                        "file_attributes": {"class": row["label"]},
                    }
                    for row in ROWS
                },
            }
        ),
        # The same without the rest of the project, and with the class in its regions.
        json.dumps(
            {
                f"{path}123": {
                    "filename": path,
                    "regions": [
                        {"shape_attributes": {"x": 1}, "region_attributes": {"kind": label}}
                    ],
                    "file_attributes": {},
                }
                for path, label in zip(PATHS, LABELS, strict=True)
            }
        ),
        # COCO with numbers that are texts, and paths by another name.
        json.dumps(
            COCO
            | {
                "images": [{"id": str(n), "path": path} for n, path in enumerate(PATHS)],
                "annotations": [{**one, "bbox": None} for one in MARKED],
            }
        ),
        # Below one key, with what is said of all of them, or as lists.
        json.dumps({"data": ROWS}),
        json.dumps({"version": 2, "classes": CLASSES, "samples": ROWS}),
        json.dumps([[path, label] for path, label in zip(PATHS, LABELS, strict=True)]),
        json.dumps([["file", "what"], *([row["file_name"], row["label"]] for row in ROWS)]),
        json.dumps({"columns": ["image", "label"], "index": [0, 1, 2, 3], "data": LISTS}),
        json.dumps({"cat": ROWS_OF["cat"], "dog": ROWS_OF["dog"]}),
        # Numbers, and the names of the classes beside the rows, in three ways.
        json.dumps({"names": CLASSES, "rows": NUMBERED}),
        json.dumps({"labels": {"0": "cat", "1": "dog"}, "rows": NUMBERED}),
        json.dumps({"categories": [{"id": n, "name": CLASSES[n]} for n in (0, 1)], "x": NUMBERED}),
        json.dumps([[path, CLASSES.index(label), label] for path, label in LISTS]),
        # As cloud services nest them.
        "\n".join(
            json.dumps({"imageUri": path, "annotation": {"displayName": label}, "more": None})
            for path, label in LISTS
        ),
        "\n".join(
            json.dumps(
                {
                    "source-ref": path,
                    "job": CLASSES.index(label),
                    "job-metadata": {"class-name": label, "confidence": 0.9, "human": "yes"},
                }
            )
            for path, label in LISTS
        ),
        json.dumps(
            {
                "categories": {"label": {"labels": [{"name": name} for name in CLASSES]}},
                "items": [
                    {
                        "image": {"path": path, "size": [1, 1]},
                        "annotations": [{"label_id": CLASSES.index(label)}],
                    }
                    for path, label in LISTS
                ],
            }
        ),
        json.dumps(
            [{"image": {"bytes": None, "path": path}, "label": name} for path, name in LISTS]
        ),
        # With more about the class than its name.
        json.dumps([row | {"label": {"name": row["label"], "id": 0}} for row in ROWS]),
        json.dumps([row | {"label": {"id": 0, "class": row["label"]}} for row in ROWS]),
        json.dumps([row | {"label": [{"name": row["label"], "score": 1}]} for row in ROWS]),
        # Beside the class of the image, what is in it is more.
        json.dumps([row | {"faces": [{"class": "old"}, {"class": "new"}]} for row in ROWS]),
        json.dumps({row["file_name"]: {"label": row["label"], "width": 3} for row in ROWS}),
    ],
)
def test_records_are_rows(tmp_path, text):
    listing = list_table(table(tmp_path, text), columns={})
    assert sorted((file.example, file.class_name) for file in listing.files) == sorted(
        zip(PATHS, LABELS, strict=True)
    )


def test_values_are_those_that_a_csv_file_would_have(tmp_path):
    rows = [
        {"image": path, "label": number % 2, "split": split}
        for number, (path, split) in enumerate(zip(PATHS, ["train"] * 3 + ["test"], strict=True))
    ]
    said = io.StringIO()
    listing = list_table(table(tmp_path, json.dumps(rows)), columns={}, progress=Progress(said))
    counts = collections.Counter((file.split, file.class_name) for file in listing.files)
    assert counts == {("train", "0"): 2, ("train", "1"): 1, ("test", "1"): 1}
    assert "paths in 'image', classes in 'label', splits in 'split'." in said.getvalue()


def test_one_of_several_questions_of_label_studio_is_read(tmp_path):
    place = table(tmp_path, json.dumps([asked(row, "hair", "eyes") for row in ROWS]))
    for question, names in (("hair", ("cat", "dog")), ("eyes", ("catcat", "dogdog"))):
        assert list_table(place, columns={"label": question}).class_names == names


@pytest.mark.parametrize(
    "inside",
    [
        lambda rows: rows,
        lambda rows: {row["file_name"]: row["label"] for row in rows},
        lambda rows: {
            name: [row["file_name"] for row in rows if row["label"] == name] for name in CLASSES
        },
        lambda rows: [[row["file_name"], row["label"]] for row in rows],
        lambda rows: (
            {"image": [row["file_name"] for row in rows]}
            | {"label": [row["label"] for row in rows]}
        ),
    ],
)
@pytest.mark.parametrize("more", [{}, {"numTraining": 2, "labels": {"0": "cat", "1": "dog"}}])
def test_keys_of_an_object_may_be_splits(tmp_path, inside, more):
    text = json.dumps({"training": inside(ROWS[:2]), "val": inside(ROWS[2:])} | more)
    listing = list_table(table(tmp_path, text), columns={})
    files = sorted(listing.files, key=lambda file: file.example)
    assert [(file.example, file.class_name, file.split) for file in files] == [
        (path, label, "train" if n < 2 else "validation") for n, (path, label) in enumerate(LISTS)
    ]


def test_class_that_is_called_like_a_split_is_none(tmp_path):
    text = json.dumps({"train": PATHS[::2], "bus": PATHS[1::2]})
    assert list_table(
        table(tmp_path, text),
        columns={},
    ).class_names == ("bus", "train")


def test_what_coco_knows_of_an_image_counts(tmp_path):
    images = [
        {"id": n, "file_name": f"{n}.jpg", "width": 9, "seq_id": n // 2, "split": split, "url": "x"}
        for n, split in enumerate(["train", "train", "train", "test"])
    ]
    listing = list_table(
        table(tmp_path, json.dumps(COCO | {"images": images})), columns={"group": "seq_id"}
    )
    assert [(file.group, file.split) for file in listing.files] == [
        *(("0", "train"), ("0", "train"), ("1", "train"), ("1", "test")),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"images": [{}], "annotations": [{}]}, "is COCO's annotations without its categories"),
        ({"images": [{}], "categories": [{}]}, "is COCO's list of images without their annotatio"),
        (COCO | {"images": [{"id": n} for n in range(4)]}, "with 4 images without a file name, as"),
        (COCO | {"images": COCO["images"][1:]}, "with images that are not in its list, as image"),
        (COCO | {"categories": COCO["categories"][1:]}, "with categories that are not in its list"),
        (COCO | {"annotations": MARKED[2:]}, "has no label in 2 rows, as of 0.jpg and 1.jpg."),
        (
            [asked(row, "hair", "eyes") for row in ROWS],
            "may be the label (hair: 2, eyes: 2 classes). Choose one with --label_column.",
        ),
        ({"train": PATHS[:3], "test": PATHS[3:]}, "has paths, but no column for the label. Add"),
        ({"fold1": ROWS[:2], "fold2": ROWS[2:]}, "has 'fold1', 'fold2' as split, which looks like"),
        ([of_label_studio(ROWS[0]), {"data": {"image": "1"}, "annotations": []}], "has no label"),
        ([{"data": {"image": "1"}, "annotations": []}], "Export it from there as CSV or JSON-MIN."),
        ({"shapes": [], "imagePath": "0.jpg"}, "is a file of LabelMe, not a CSV or TSV file"),
        ({"_via_img_metadata": {}, "_via_settings": {}}, "is a VIA project in JSON, not a table"),
        (
            [{"image": "0.jpg"}, {"image": "1.jpg", "label": "x"}],
            "has no label in the row of 0.jpg",
        ),
        ([["0.jpg", "cat"], {}], "is JSON without names of columns in line 1. Write an object"),
        ([{"image": "s3://b/a.jpg", "label": "x"}] * 2, "and images are not downloaded"),
        (
            [row | {"label": {"id": 0, "color": "red"}} for row in ROWS],
            "has an object without a name in label in 4 rows, as of 0.jpg and 1.jpg. Write the nam",
        ),
        ([{"image": "0.jpg"}], "has paths, but no column for the label"),
        ({"images": []}, "has no rows. Give a row for each image."),
        ([], "has no rows"),
        ({}, "has no rows"),
    ],
)
def test_what_is_no_table_of_images_is_refused_by_what_it_is(tmp_path, document, message):
    with pytest.raises(UsageError) as caught:
        list_table(table(tmp_path, json.dumps(document)), columns={})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"image": "0.jpg"}\n{"image": "1.jpg"', 2),
        ('[{"image": "0.jpg",\n "label": "x"},\n {"image": }]', 3),
        ('{"image": ' * 100_000, 1),
    ],
)
def test_broken_json_is_refused_with_its_line(tmp_path, text, line):
    with pytest.raises(UsageError, match=f"is JSON that is broken in line {line}. Write it again"):
        list_table(table(tmp_path, text), columns={})


@pytest.mark.parametrize(
    ("text", "place"), [(json.dumps(ROWS * 2), ""), (None, " in lines 1 and 5")]
)
def test_rows_of_an_image_are_named_by_their_lines_if_they_have_their_own(tmp_path, text, place):
    said = io.StringIO()
    text = text or "\n".join(map(json.dumps, ROWS * 2))
    list_table(table(tmp_path, text), columns={}, progress=Progress(said))
    assert f"with the same class, as 0.jpg{place}; each image is used once." in said.getvalue()


def test_wrong_rows_in_one_line_are_named_by_their_images(tmp_path):
    rows = [row | {"label": ""} for row in ROWS]
    with pytest.raises(UsageError, match=r"has no label in 4 rows, as of 0.jpg and 1"):
        list_table(table(tmp_path, json.dumps(rows)), columns={})


def test_what_was_skipped_in_an_annotation_tool_is_left_out(tmp_path):
    said = io.StringIO()
    place = table(tmp_path, json.dumps(COCO | {"annotations": MARKED[1:]}))
    files = list_table(place, columns={}, progress=Progress(said)).files
    assert len(files) == 3
    assert "Left out without label: 1 row, as of 0.jpg." in said.getvalue()
