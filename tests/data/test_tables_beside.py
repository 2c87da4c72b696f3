import re
import shlex

import pytest

from folder_trees import plant
from kerastl.data.folders import list_folder
from kerastl.data.tables import list_table
from kerastl.progress import Progress

NAMES = [f"{name}/{name[0]}{number}.jpg" for name in ("cat", "dog") for number in range(12)]


class Lines(Progress):
    def __init__(self):
        self.lines = []

    def line(self, text):
        self.lines.append(text)


def line_on(root, head, row, *, name="list.csv", tree="cat/c#.jpg*12 dog/d#.jpg*12"):
    plant(root, tree)
    rows = [head, *(row(path, number) for number, path in enumerate(NAMES))]
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(rows))
    lines = Lines()
    list_folder(str(root), progress=lines)
    return lines.lines[0]


def split_of(number):
    return "test" if number % 4 == 3 else "train"


def patient_of(number):
    return f"p{number // 2}"


def with_split(path, number):
    return f"{path},{split_of(number)}"


def with_patient(path, number):
    return f"{path[4:]},{patient_of(number)}"


@pytest.mark.parametrize(
    ("head", "row", "what"),
    [
        ("filename,split", with_split, "list.csv has splits in 'split'"),
        ("filename,patient_id", with_patient, "list.csv has groups in 'patient_id'"),
        ("filename,is_test", lambda path, number: f"{path},{number % 4 // 3}", "splits in 'is_tes"),
    ],
)
def test_table_beside_class_folders_is_used_with_a_column_of_classes(tmp_path, head, row, what):
    line = line_on(tmp_path, head, row)
    assert what in line
    path = tmp_path / "list.csv"
    assert f"is not used: with a column of classes added, --dataset=csv:{path} uses it" in line
    head, *rows = path.read_text().split("\n")
    classes = [name[:3] for name in NAMES]
    path.write_text("\n".join([f"{head},class", *map("{},{}".format, rows, classes)]))
    files = list_table(str(path), columns={}).files
    assert {file.split for file in files} == ({"train"} if "patient" in head else {"train", "test"})
    assert all(file.group for file in files) == ("patient" in head)


def test_table_that_has_the_classes_too_is_used_as_it_is(tmp_path):
    line = line_on(
        tmp_path,
        "file,kind,split,patient",
        lambda path, number: f"{path},{path[:3]},{split_of(number)},{patient_of(number)}",
    )
    assert "list.csv has splits in 'split' and groups in 'patient' and is not used: --data" in line
    dataset, label = shlex.split(re.search(r"(--dataset=.*) uses it", line)[1])
    columns = {"label": label.removeprefix("--label_column=")}
    files = list_table(dataset.removeprefix("--dataset=csv:"), columns=columns).files
    assert {file.split for file in files} == {"train", "test"}
    assert {file.class_name for file in files} == {"cat", "dog"}


def test_other_classes_than_those_of_the_folders_are_told(tmp_path):
    line = line_on(
        tmp_path, "file,species", lambda path, number: f"{path},{('fox', 'deer')[number % 2]}"
    )
    place = shlex.quote(f"csv:{tmp_path / 'list.csv'}")
    assert f"has classes in 'species' and is not used: --dataset={place} --label_column=sp" in line


@pytest.mark.parametrize(
    ("head", "row", "tree"),
    [
        ("filename,width", lambda path, number: f"{path},{number}", None),
        # Of other images, of nothing, and where the folders name the splits.
        ("filename,split", lambda _, number: f"x/y{number}.jpg,{split_of(number)}", None),
        ("", lambda *_: "", None),
        # The same classes, and finer ones.
        ("file,animal", lambda path, _: f"{path},{path[:3].upper()}", None),
        ("file,breed", lambda path, number: f"{path},{path[:3]}{number % 2}", None),
        (
            "filename,split",
            with_split,
            "train/cat/c#.jpg*9 train/dog/d#.jpg*9 test/cat/c#.jpg*3 test/dog/d#.jpg*3",
        ),
    ],
)
def test_other_tables_beside_class_folders_are_not_mentioned(tmp_path, head, row, tree):
    line = line_on(tmp_path, head, row, **({"tree": tree} if tree else {}))
    assert "list.csv" not in line


def test_a_table_is_mentioned_once(tmp_path):
    line = line_on(tmp_path, "filename,split", with_split, name="train_test_split.csv")
    assert line.count("train_test_split.csv has splits") == 1
    assert "may list" not in line
