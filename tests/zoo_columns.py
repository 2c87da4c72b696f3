"""Columns of tables, and what is right for what they mean."""

import collections

from zoo import readable_name
from zoo_images import TOP


def plain(rng, table):
    """Nothing else."""


def usual_headers(rng, table):
    table.headers["image"] = rng.choice(
        ["Image", "FILENAME", "file_name", " path", "filepath ", "Image_Path", "file"]
    )
    table.headers["label"] = rng.choice(
        ["Label", "CLASS", " label", "class_name", "category ", "target"]
    )


def unusual_headers(rng, table):
    table.headers["image"] = rng.choice(
        [
            "img",
            "photo",
            "picture name",
            "x",
            "0",
            "ImageID",
            "fname",
            "Unnamed: 0",
            "Bild",
            "image-file",
            "JPEG",
        ]
    )
    if rng.random() < 0.7:
        table.headers["label"] = rng.choice(
            ["breed", "species", "diagnosis", "y", "Class Label", "tag", "1", "Klasse"]
        )
        table.specimen.causes.append("label_column|header")


def no_header(rng, table):
    table.has_header = False
    table.specimen.causes.append(r"header|column \d")


def more_columns(rng, table):
    count = len(table.names)
    more = {
        "": [str(number) for number in range(count)],
        "width": ["8"] * count,
        "notes": [rng.choice(["", "good, really", "bad"]) for _ in range(count)],
        "confidence": [f"{rng.random():.3f}" for _ in range(count)],
        "taken": [f"2024-01-{number % 28 + 1:02}" for number in range(count)],
        "url": [f"https://x.example/{name}.png" for name in table.names],
        "photographer": [rng.choice(["Ann", "Bob"]) for _ in range(count)],
        "size": ["192"] * count,
    }
    for name in rng.sample(sorted(more), rng.randint(1, 4)):
        table.columns[name] = more[name]


_SPLIT_WORDS = [
    ("train", "val", "test"),
    ("Train", "Validation", "Test"),
    ("TRAIN", "VALID", "TEST"),
    ("training", "validation", "testing"),
    ("train ", " val", "test"),
    ("train", "dev", "tests"),
    ("train_set", "val_set", "test_set"),
    ("Training", "Validation", "Test"),
    ("tr", "val", "te"),
    ("fit", "tuning", "holdout"),
    ("T", "V", "E"),
    ("in-sample", "dev set", "out-of-sample"),
]


def _deal(rng, table):
    """Gives each class a training image and deals the others."""
    seen, splits = set(), []
    for label in table.labels:
        splits.append(rng.choice(["train", "validation", "test"]) if label in seen else "train")
        seen.add(label)
    return splits


def split_column(rng, table):
    splits = _deal(rng, table)
    words = dict(zip(("train", "validation", "test"), rng.choice(_SPLIT_WORDS[:5]), strict=True))
    table.headers["split"] = rng.choice(["split", "set", "subset", "Split", " split"])
    table.columns["split"] = [words[split] for split in splits]
    table.count(splits)


def unusual_split_column(rng, table):
    splits = _deal(rng, table)
    words = dict(zip(("train", "validation", "test"), rng.choice(_SPLIT_WORDS), strict=True))
    name = rng.choice(
        [
            "partition",
            "Usage",
            "phase",
            "fold",
            "data_split",
            "data set",
            "which",
            "dataset",
            "type",
        ]
    )
    table.headers["split"] = name
    table.columns["split"] = [words[split] for split in splits]
    table.count(splits)
    table.specimen.causes.append(f"{name}|split_column")


def numbered_splits(rng, table):
    """Numbers and flags that may mean splits: never passed over in silence."""
    name, values = rng.choice(
        [
            ("split", "012"),
            ("fold", "01234"),
            ("is_train", ["True", "False"]),
            ("train", "01"),
            ("is_test", "01"),
            ("kfold", "123"),
            ("Usage", ["Training", "PublicTest", "PrivateTest"]),
            ("split", ["fit", "extra"]),
            ("which", ["Main", "Main", "Test"]),
            ("origin", ["modelado", "prueba"]),
            ("usage", ["train", "eval_test"]),
            ("subset", ["A", "B"]),
            ("fld", "01234"),
            ("rnd", "01"),
            ("set_name", ["A", "B", "C"]),
            ("cv no", ["k1", "k2", "k3"]),
            ("Usage", ["Public", "Private"]),
            ("crossVal", ["1.0", "2.0"]),
        ]
    )
    table.headers["split"] = name
    table.columns["split"] = [values[number % len(values)] for number in range(len(table.names))]
    table.specimen.told.append(rf"splits in .*{name}|split_column=.*{name}")
    table.specimen.causes.append(name)
    table.specimen.readings.append(_anything)


def group_column(rng, table):
    name = rng.choice(
        [
            "group",
            "patient",
            "patient_id",
            "subject",
            "group_id",
            "PatientID",
            "subject_id",
            "Patient ID",
            "PatientName",
            "patient-no",
            "MRN",
            "donor id",
            "subj",
        ]
    )
    groups = [f"p{number // 3}" for number in range(len(table.names))]
    table.columns[name] = groups
    table.specimen.groups = dict(zip(table.names, groups, strict=True))


def one_hot(rng, table):
    classes = sorted(set(table.labels))
    del table.columns["label"]
    yes, no = rng.choice([("1", "0"), ("1.0", "0.0"), ("True", "False"), (" 1", " 0")])
    for name in classes:
        table.columns[name] = [yes if label == name else no for label in table.labels]
    table.specimen.causes.append("one-hot|0/1|0 and 1|columns")
    if rng.random() < 0.4:
        table.columns[rng.choice(classes)] = [rng.choice([yes, no])] * len(table.labels)
        broken = [
            sum(table.columns[name][row] == yes for name in classes)
            for row in range(len(table.labels))
        ]
        if set(broken) != {1}:
            table.specimen.must_stop("one-hot|0/1|row|line")
        else:
            table.specimen.readings.append(_anything)


def one_hot_lists(rng, table):
    """The place of a 1 in each cell."""
    classes = sorted(set(table.labels))
    form = rng.choice(["[{}]", "[{}]", "({})"])
    gap = rng.choice([", ", " ", ","])
    table.columns["label"] = [
        form.format(gap.join(str(int(name == label)) for name in classes)) for label in table.labels
    ]
    table.labels = [str(classes.index(label)) for label in table.labels]
    table.count()
    table.specimen.told.append("one-hot lists")


def marked_rows(rng, table):
    """Rows that somebody wants to be left out."""
    name, keep, drop = rng.choice(
        [("exclude", "0", "1"), ("use", "yes", "no"), ("status", "ok", "rejected")]
    )
    rows = rng.sample(range(len(table.names)), 2)
    table.columns[name] = [drop if row in rows else keep for row in range(len(table.names))]
    table.specimen.told.append("marks 2 rows as not to be used")


def one_hot_of_one_class(rng, table):
    """One class was left of several, each of which has a column."""
    classes = sorted(set(table.labels))
    del table.columns["label"]
    for name in classes:
        table.columns[name] = ["1" if name == classes[-1] else "0" for _ in table.labels]
    table.specimen.must_stop("has one class")


def several_labels(rng, table):
    findings = ["Effusion", "Mass", "Edema", "Hernia", "Nodule"]
    mark = rng.choice(["|", ", ", ";", " | "])
    table.columns["label"] = [
        mark.join(rng.sample(findings, number % 3 + 1)) for number in range(len(table.names))
    ]
    table.labels = table.columns["label"]
    table.count()
    table.specimen.told.append(r"list|several|joined|more than one|labels in")
    table.specimen.causes.append(r"list|several|joined|more than one|labels in")


def missing_words(rng, table):
    word = rng.choice(["nan", "NaN", "None", "<NA>", "N/A", "null"])
    rows = rng.sample(range(len(table.names)), 2)
    kept = [label for row, label in enumerate(table.labels) if row not in rows]
    table.columns["label"] = [
        word if row in rows else label for row, label in enumerate(table.labels)
    ]
    table.labels = table.columns["label"]
    table.count()
    table.specimen.readings.append(
        collections.Counter(("train", readable_name(name)) for name in kept)
    )
    table.specimen.told.append(word)
    table.specimen.causes.append(f"{word}|missing")


def empty_labels(rng, table):
    # The file of a row that is left out may be missing.
    there = [row for row, path in enumerate(table.columns["image"]) if "not there" not in path]
    rows = rng.sample(there, 2)
    kept = [label for row, label in enumerate(table.labels) if row not in rows]
    for row in rows:
        table.columns["label"][row] = rng.choice(["", "  "])
        table.specimen.left_out.add(table.names[row])
    table.specimen.readings = [collections.Counter(("train", readable_name(name)) for name in kept)]
    table.specimen.told.append("Left out without .*: 2 rows, as of")


def honest_words(rng, table):
    """Classes that are honestly called as missing values are."""
    words = ["NA", "none", "null"]
    table.labels = [words[number % 3] for number in range(len(table.names))]
    table.columns["label"] = table.labels
    table.count()


def float_labels(rng, table):
    table.labels = [f"{number % 12}.0" for number in range(len(table.names))]
    table.columns["label"] = table.labels
    table.count()
    whole = collections.Counter(("train", label[:-2]) for label in table.labels)
    table.specimen.readings.append(whole)


def number_and_name(rng, table):
    """The class as a number and as a name."""
    classes = sorted(set(table.labels))
    table.headers["label"] = "class_name"
    table.columns["number"] = [str(classes.index(label)) for label in table.labels]
    table.headers["number"] = "label"
    table.specimen.causes.append("label_column")
    table.specimen.readings.append(
        collections.Counter(("train", str(classes.index(label))) for label in table.labels)
    )


def repeated_rows(rng, table):
    """Each row several times: a picture counts once."""
    times = rng.choice([2, 3])
    for name in table.columns:
        table.columns[name] = table.columns[name] * times
    table.specimen.told.append("row|repeat|twice|times|several")


def contradictions(rng, table):
    """Two rows of one picture with two classes."""
    classes = list(dict.fromkeys(table.labels))
    rows = rng.sample(range(len(table.names)), 2)
    for name, values in table.columns.items():
        values += [values[row] for row in rows]
        if name == "label":
            values[-2:] = [
                classes[(classes.index(table.labels[row]) + 1) % len(classes)] for row in rows
            ]
    paths = table.columns["image"]
    if paths[0].startswith("imgs/") and rng.random() < 0.5:
        # Not in the same words.
        paths[-2:] = [f"./{path}" for path in paths[-2:]]
    kept = [label for row, label in enumerate(table.labels) if row not in rows]
    table.specimen.readings = [collections.Counter(("train", readable_name(name)) for name in kept)]
    table.specimen.told.append("2 .*(class|label)")
    table.specimen.causes.append(
        "two classes|several classes|contradict|different|2 classes|more than one class"
    )


def boxes(rng, table):
    """A table of detections: several boxes of one class in each picture."""
    for name in table.columns:
        table.columns[name] = table.columns[name] * 2
    for name in rng.choice(
        [
            ("xmin", "ymin", "xmax", "ymax"),
            ("x", "y", "w", "h"),
            ("bbox_x", "bbox_y", "bbox_w", "bbox_h"),
        ]
    ):
        table.columns[name] = [str(rng.randrange(8)) for _ in table.columns["image"]]
    table.specimen.told.append("box")
    table.specimen.causes.append("box")


def pixels(rng, table):
    """The pictures themselves, as numbers."""
    kind = rng.choice(["columns", "cell"])
    del table.columns["image"]
    # Addresses would lead to the pictures.
    table.columns.pop("url", None)
    count = len(table.names)
    if kind == "columns":
        for number in range(784):
            table.columns[f"pixel{number}"] = [str(rng.randrange(256)) for _ in range(count)]
    else:
        table.headers["pixels"] = rng.choice(["pixels", " pixels"])
        table.columns["pixels"] = [" ".join(["17"] * 2304)] * count
        table.headers["label"] = "emotion"
    table.specimen.must_stop("pixels.*array|address")


def given_columns(rng, table):
    """Names that say nothing, and flags that say what they are."""
    more_columns(rng, table)
    table.headers |= {"image": "a", "label": "b"}
    table.specimen.flags |= {"image_column": "a", "label_column": "b"}
    if rng.random() < 0.5:
        splits = _deal(rng, table)
        table.columns["c"] = splits
        table.specimen.flags["split_column"] = "c"
        table.count(splits)


def levels(rng, table):
    """Several columns that may be the classes."""
    del table.columns["label"]
    count = len(table.names)
    table.columns["family"] = [rng.choice(["Felidae", "Canidae"]) for _ in range(count)]
    table.columns["genus"] = [rng.choice(["Felis", "Canis", "Vulpes"]) for _ in range(count)]
    table.specimen.must_stop("label_column")


def label_forms(rng, table):
    """One class written in two ways that look alike, or nearly."""
    other = rng.choice(
        [
            "Big cat",
            "b\u200big cat",
            "big\u00a0cat",
            "BIG CAT",
            "big ca\u00adt",
            "bigcat",
        ]
    )
    table.labels = [["big cat", "dog", other][number % 3] for number in range(len(table.names))]
    table.columns["label"] = table.labels
    table.count()
    table.specimen.must_stop(
        "case|spaces|form|invisible|one line|differ|letters|character|separators"
    )


def separated_labels(rng, table):
    """One class whose words are joined in two ways."""
    other = rng.choice(["big_cat", "big-cat", "big cat.", "Big-Cat"])
    table.labels = [["big cat", "dog", other][number % 3] for number in range(len(table.names))]
    table.columns["label"] = table.labels
    table.count()
    table.specimen.must_stop("differ by (separators|case)")


def two_paths(rng, table):
    """A second picture for each row: its mask or its small copy."""
    name = rng.choice(["mask", "thumbnail_path", "mask_path"])
    for number in range(len(table.names)):
        table.specimen.files[f"{TOP}/masks/{number}.png"] = table.specimen.picture()
    start = "../masks/" if "/lists/" in table.place else "masks/"
    table.columns[name] = [f"{start}{number}.png" for number in range(len(table.names))]
    table.specimen.causes.append("image_column")


def no_labels(rng, table):
    del table.columns["label"]
    if rng.random() < 0.4:
        group_column(rng, table)
    table.specimen.must_stop("label|cell")


def short_rows(rng, table):
    """Rows that end before an optional column."""
    table.columns["notes"] = [""] * len(table.names)
    table.ragged = -1


def long_rows(rng, table):
    """Cells that hold the delimiter without quotes."""
    table.columns["notes"] = ["x"] * len(table.names)
    table.ragged = 1
    table.specimen.must_stop("more cells|cells|columns|line")


def no_table(rng, table):
    """Something else under a table's name."""
    content, cause = rng.choice(
        [
            (b"", "empty|no rows"),
            (b"image,label\n", "no rows|empty"),
            (b"\n\n\n", "empty|no rows"),
            (b"PK\3\4\x14\0\6\0" + bytes(range(256)), "UTF-8|Excel|spreadsheet|workbook|zip"),
            (b"PAR1" + bytes(range(256)), "UTF-8|parquet|NUL|text"),
            (b'{"image": "imgs/a.png", "label": "cat"}\n' * 3, "leads to a file|one class|read"),
            (b'[{"image": "imgs/a.png"}]', "no column for the label|leads to a file"),
            (b"<html><body>404</body></html>\n", "column|HTML|web page|header"),
            (
                b"image,label\n" + b"x" * 200_000 + b",cat\n",
                "long|large|limit|characters|exist|no such file|name",
            ),
            (b'image,label\n"imgs/a.png,cat\nimgs/b.png,dog\n', "quote"),
            (b'"image,label\nimgs/a.png,cat\n', "quote|column"),
            (b'image,"la"bel\nimgs/a.png,cat\n', "quote|column|label"),
            (b"image,label,image\na,b,c\n", "two columns|twice"),
            (b"im\0age,label\nimgs/a.png,cat\n", "NUL|column|binary"),
            (b"image,label\nimgs/a\0.png,cat\n", "NUL|binary"),
        ]
    )
    table.raw = content
    table.specimen.must_stop(cause)


def commented(rng, table):
    """A line about the table before it."""
    table.before = rng.choice(["# made by a program\n", "Flowers 2024\n\n"])
    table.specimen.causes.append("header|column|quote")


def spaced(rng, table):
    """A list of path and number, as older tools read it."""
    classes = sorted(set(table.labels))
    table.raw = "".join(
        f"{path} {classes.index(label)}\n"
        for path, label in zip(table.columns["image"], table.labels, strict=True)
    ).encode()
    numbers = collections.Counter(("train", str(classes.index(label))) for label in table.labels)
    table.specimen.readings = [numbers]
    table.specimen.causes.append("header|column|delimiter|comma")


def tables_of_splits(rng, table):
    """A table for each split, of which the first is given."""
    table.apart = ["train"] * (len(table.labels) - 2) + ["test", rng.choice(["test", "validation"])]
    table.count(table.apart)
    table.specimen.told.append("are read together")


MEANINGS = [
    plain,
    usual_headers,
    no_header,
    split_column,
    unusual_headers,
    group_column,
    one_hot,
    repeated_rows,
    several_labels,
    unusual_split_column,
    more_columns,
    missing_words,
    numbered_splits,
    float_labels,
    contradictions,
    boxes,
    pixels,
    honest_words,
    number_and_name,
    empty_labels,
    no_labels,
    short_rows,
    long_rows,
    no_table,
    commented,
    spaced,
    given_columns,
    levels,
    label_forms,
    two_paths,
    separated_labels,
    one_hot_of_one_class,
    tables_of_splits,
    one_hot_lists,
    marked_rows,
]


# Without a column that is clearly the classes others may be taken for them, and for groups.
NAMELESS = (no_header, no_labels, spaced, one_hot_of_one_class)


class _Anything(collections.Counter):
    """A reading that equals every other: that something is told is what counts."""

    def __eq__(self, other):
        return True

    __hash__ = None


_anything = _Anything()
