import functools

import pytest

from kerastl.data.table_columns import Finder
from kerastl.data.table_shape import has_header
from kerastl.errors import UsageError, bad_value

PATHS = [f"{number}.png" for number in range(12)]
IDS = [f"x{number}" for number in range(12)]
COLORS = ["blue", "red", "green"] * 4
SIDES = ["train", "test"] * 6


def roles_of(columns, **given):
    """The roles of columns, where IDs lead to files as paths do."""

    def count_files(values):
        return sum(value in IDS + PATHS for value in values)

    wrong = functools.partial(bad_value, "dataset", "csv:t.csv")
    finder = Finder(columns, given, wrong=wrong, table="t.csv", count_files=count_files)
    return finder.find_roles()


@pytest.mark.parametrize(
    ("rows", "is_named"),
    [
        ([["photo", "kind"], ["a.png", "x"]], True),
        ([["a.png", "x"], ["b.png", "y"]], False),
        ([["a", "x"], ["b", "x"]], False),
        ([["kind", "x"], ["a", "x"]], False),
        ([["image", "x"], ["a", "x"]], True),
        ([["photo", ""], ["a", ""]], True),
    ],
)
def test_header_is_told_from_an_image(rows, is_named):
    assert has_header(rows) == is_named


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        # Whatever the names.
        ({"a": PATHS, "b": COLORS}, {"image": "a", "label": "b"}),
        ({"b": COLORS, "a": IDS}, {"image": "a", "label": "b"}),
        ({" ID_code": IDS, "Rasse": COLORS}, {"image": " ID_code", "label": "Rasse"}),
        ({"a": PATHS, "score": [str(n / 7) for n in range(12)], "b": COLORS}, {"label": "b"}),
        ({"image": PATHS, "mask_path": PATHS, "label": COLORS}, {"image": "image"}),
        ({"image": IDS, "mask": PATHS, "label": COLORS}, {"image": "image"}),
        ({"Id": IDS, "mask_path": PATHS, "label": COLORS}, {"image": "Id"}),
        ({"file": [*"123456789abc"], "photo": PATHS, "label": COLORS}, {"image": "photo"}),
        ({"a": PATHS, "label": [*"012" * 4], "class name": COLORS}, {"label": "class name"}),
        ({"class id": [*"012" * 4], "a": PATHS, "labels": COLORS}, {"label": "labels"}),
        # Splits by their values, unless those are the classes.
        ({"a": PATHS, "b": COLORS, "c": SIDES}, {"label": "b", "split": "c"}),
        ({"a": PATHS, "label": [*SIDES[1:], "control"]}, {"label": "label", "split": ""}),
        ({"a": PATHS, "label": COLORS, "b": ["train_set", "val_set"] * 6}, {"split": "b"}),
        ({"a": PATHS, "label": COLORS, "b": ["train", "eval_test"] * 6}, {"split": "b"}),
        ({"a": PATHS, "label": COLORS, "split": SIDES, "fold": [*"012" * 4]}, {"split": "split"}),
        ({"a": PATHS, "label": COLORS, "is_test": [*"011" * 4]}, {"split": "is_test"}),
        ({"a": PATHS, "label": COLORS, "valid": ["1"] * 12}, {"split": ""}),
        (
            {"a": PATHS, "label": COLORS, "in_train": [*"01" * 6], "in_val": [*"10" * 6]},
            {"split": "", "split_flags": ("in_train", "in_val")},
        ),
        (
            {"a": PATHS, "label": COLORS, "train": [*"01" * 6], "test": [*"10" * 6]},
            {"split": "", "split_flags": ("train", "test")},
        ),
        ({"a": PATHS, "label": COLORS, "tested": [*"011" * 4]}, {"split": ""}),
        ({"a": PATHS, "label": COLORS, "note": ["a train", "no test"] * 6}, {"split": ""}),
        ({"a": PATHS, "label": COLORS, "contest": COLORS, "scaffold": COLORS}, {"split": ""}),
        ({"a": PATHS, "label": COLORS, "test_time": IDS, "trainers": COLORS}, {"split": ""}),
        ({"a": PATHS, "test result": ["good", "bad"] * 6}, {"label": "test result", "split": ""}),
        # Yes and no.
        ({"a": PATHS, "tall": [*"yn" * 6], "sex": ["f"] * 12}, {"label": "tall", "one_hot": ()}),
        ({"a": PATHS, "cat": [*"01" * 6], "dog": [*"10" * 6]}, {"one_hot": ("cat", "dog")}),
        ({"a": PATHS, "cat": [*"1" * 12], "dog": [*"0" * 12]}, {"one_hot": ("cat", "dog")}),
        (
            {"a": PATHS, "ok": [*"1" * 12], "b": COLORS, "x": [*"0" * 12]},
            {"label": "b", "one_hot": ()},
        ),
        (
            {"a": PATHS, "b": COLORS, "cat": [*"1" * 12], "dog": [*"0" * 12], "emu": [*"0" * 12]},
            {"one_hot": ("cat", "dog", "emu")},
        ),
        ({"a": PATHS, "cat": [*"01" * 6]}, {"label": "cat", "one_hot": ()}),
        ({"a": PATHS, "cat": [*"01" * 6], "empty": [""] * 12}, {"label": "cat", "one_hot": ()}),
        ({"a": PATHS, "b": COLORS, "n": ["1"] * 12, "m": ["0"] * 12}, {"label": "b"}),
        ({"a": PATHS, "label": COLORS, "x1": [*"01" * 6], "y1": [*"10" * 6]}, {"one_hot": ()}),
        (
            {"a": PATHS, "bus": [*"011" * 4], "train": [*"100" * 4]},
            {"one_hot": ("bus", "train"), "split": ""},
        ),
        (
            {"a": PATHS, "cat": [*"01" * 6], "dog": [*"10" * 6], "is_test": [*"001" * 4]},
            {"one_hot": ("cat", "dog"), "split": "is_test"},
        ),
        # Groups and boxes.
        ({"a": PATHS, "label": COLORS, "PatientID": [*"123456"] * 2}, {"group": "PatientID"}),
        (
            {"a": PATHS, "label": COLORS, "camera": [*"123456"] * 2},
            {"group": "", "may_group": "camera"},
        ),
        (
            {"a": PATHS, "label": COLORS, "deployment": [*"123456"] * 2},
            {"group": "", "may_group": "deployment"},
        ),
        ({"a": PATHS, "label": COLORS, "uid": IDS, "classid": COLORS}, {"may_group": ""}),
        ({"a": PATHS, "label": COLORS, "bbox": IDS}, {"boxes": ("bbox",)}),
        ({"a": PATHS, "label": COLORS, "y": IDS}, {"boxes": ()}),
        # A split that divides by class, and the names of numbered classes.
        ({"a": PATHS, "label": ["x", "y"] * 6, "b": ["Main", "Test"] * 6}, {"split": "b"}),
        (
            {"a": PATHS, "label": [*"01"] * 6, "b": ["train", "bus"] * 6},
            {"label": "b", "split": ""},
        ),
        # What is said of the classes, and other numbers, are no second label.
        ({"a": PATHS, "label": COLORS, "word": ["red"] * 12}, {"others": ("word",)}),
        ({"a": PATHS, "label": COLORS, "label_from": ["web", "app"] * 6}, {"label": "label"}),
        ({"a": PATHS, "label": [*"01"] * 6, "blurry": [*"001"] * 4}, {"label": "label"}),
        ({"a": PATHS, "label": [*"01"] * 6, "class_weight": [*"12"] * 6}, {"label": "label"}),
        ({"a": PATHS, "label": COLORS, "genus": ["x", "y", "y"] * 4}, {"label": "label"}),
        ({"a": PATHS, "label": COLORS, "fix": [""] * 12}, {"label": "label"}),
    ],
)
def test_columns_are_told_by_their_values(columns, found):
    roles = roles_of(columns)
    assert {name: getattr(roles, name) for name in found} == found


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": COLORS, "label": COLORS}, "has no column named image or path or file, and no other"),
        ({"a": PATHS, "b": IDS}, "has no column named label or class or category, and no other"),
        (
            {"a": PATHS, "b": COLORS, "c": [*"0123"] * 3},
            "has 2 columns that may be the label (b: 3, c: 4 classes). Choose one with --label_col",
        ),
        ({"a": PATHS, "b": PATHS, "label": COLORS}, "has 2 columns for the image (a, b). Choose"),
        (
            {"a": PATHS, "label": COLORS, "set": SIDES, "split": ["val", "train", "test"] * 4},
            "has 2 columns for the split (set, split). Choose one with --split_column.",
        ),
        (
            {"a": PATHS, "label": COLORS, "patient": [*"123"] * 4, "subject": [*"112233"] * 2},
            "has 2 columns for the group (patient, subject). Choose one with --group_column.",
        ),
        ({"a": PATHS, "label": COLORS, "valid": ["1"] * 11 + ["0"]}, "has yes and no as valid, "),
        (
            {"a": PATHS, "label": COLORS, "is_valid": [*"TTF" * 4]},
            "which may mean a split or somethi",
        ),
        ({"a": PATHS, "label": COLORS, "test": [*"01" * 6]}, "Add --split_column=test if it is"),
        ({"a": PATHS, "label": COLORS, "Eval": ["x", ""] * 6}, "split, or --split_column=none."),
        (
            {"a": PATHS, "label": COLORS, "is_test": [*"01" * 6], "in_test": [*"100" * 4]},
            "has 2 columns for the split (is_test, in_test). Choose one with --split_column.",
        ),
        (
            {"a": PATHS, "well": ["1.0", ""] * 6, "Edema": ["", "1.0"] * 6, "b": ["-1.0", ""] * 6},
            "has -1 beside 1 in b, as for several labels an image. Choose one with --label_c",
        ),
        ({"a": PATHS, "old": ["1", "-1"] * 6, "tall": ["-1", "1"] * 6}, "has -1 beside 1 in old, "),
        (
            {"cat": PATHS[:6], "dog": PATHS[6:]},
            "has 2 columns for the image (cat, dog). Choose one with --image_column, or write a",
        ),
        # A second label.
        (
            {"a": PATHS, "label": COLORS, "label_corrected": ["red", *COLORS[1:]]},
            "has classes in 'label' and in 'label_corrected', which differ in 1 of 12 rows. Choose "
            "one with --label_column, as --label_column=label, or write one class for each image",
        ),
        (
            {"a": PATHS, "label": COLORS, "label 2": ["wet", "wet", *[""] * 10]},
            "in 'label 2', which is filled in 2 of 12 rows and differs in 2. Choose one",
        ),
        ({"a": PATHS, "label": COLORS, "fix": ["red", *[""] * 11]}, "in 'fix', which is filled in"),
        ({"a": PATHS, "Ann": COLORS, "Bob": ["red", *[""] * 11]}, "in 'Bob', which is filled in 1"),
        (
            {"a": PATHS, "target": [*"012"] * 4, "NewClass": [*"022"] * 4},
            "has classes in 'target' and in 'NewClass', which differ in 4 of 12 rows.",
        ),
        # Probabilities, several people, and measurements.
        (
            {"a": PATHS, "cat": [f"{n / 20}" for n in range(12)]}
            | {"dog": [f"{(n % 5) / 40:.2f}" for n in range(12)]}
            | {"emu": [f"{1 - n / 20 - (n % 5) / 40:.2f}" for n in range(12)]},
            "has numbers in 3 columns (cat, dog, emu) whose sum is 1 in each row, as probabilities "
            "of classes have. Each image has one class: write the most likely into one column",
        ),
        (
            {"a": PATHS, "cat": [f"{7 * n}" for n in range(12)]}
            | {"dog": [f"{100 - 7 * n}" for n in range(12)]},
            "has numbers in 2 columns (cat, dog) whose sum is 100 in each row, as probabilities",
        ),
        (
            {"a": PATHS, "is_round": [f"{n / 20}" for n in range(12)]}
            | {"is_old": [f"{n / 30}" for n in range(12)]},
            "has numbers in 2 columns (is_round, is_old) from 0 to 1, as probabilities",
        ),
        (
            {"a": PATHS, "Ann": COLORS, "Bob": [*COLORS[:6], *COLORS[1:7]], "Eve": COLORS},
            "has the same classes in 3 columns (Ann, Bob, Eve), as of several people, which agree "
            "in 6 of 12 rows. Choose one with --label_column, or write what most of them say",
        ),
        (
            {
                "a": PATHS,
                "score": [f"{n / 7}" for n in range(12)],
                "size": [f"{n * 3.7}" for n in range(12)],
            },
            "has measurements and no classes (score, size, as 0.0, 0.14285714285714285 and 10",
        ),
        ({"a": PATHS} | {"x" * 99 + f"{n}": IDS for n in range(99)}, "and 94 more."),
    ],
)
def test_role_that_several_or_no_columns_may_have_is_refused(columns, message):
    with pytest.raises(UsageError) as caught:
        roles_of(columns)
    assert message in str(caught.value)
    assert len(str(caught.value)) <= 500


SIXTH = [*"123456"] * 2
HALVES = [*"xxxxxxyyyyyy"]


@pytest.mark.parametrize(
    "name",
    [
        *("PatientName", "patient_name", "patientId", "mrn", "MRN", "donor", "subj", "Subj. No"),
        *("de-identified patient id", "anon_patient_key", "patientnr", "Patienten-ID", "患者番号"),
        *("slide", "SlideName", "video_name", "VIDEO PATH", "case", "CaseNumber", "animal_no"),
        *("StudyInstanceUID", "specimen barcode", "lesion-id", "parent_image", "Person Key"),
    ],
)
def test_column_that_is_called_like_whom_images_show_is_of_groups(name):
    assert roles_of({"a": PATHS, "label": HALVES, name: SIXTH}).group == name


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        # A remark on them, or their kind.
        ("patient_age", SIXTH),
        ("animal", ["cow", "pig", "hen"] * 4),
        ("age_group", ["old", "young"] * 6),
        ("caseless", SIXTH),
        # Each image has its own.
        ("slide", IDS),
    ],
)
def test_other_columns_are_of_no_groups(name, cells):
    assert roles_of({"a": PATHS, "label": HALVES, name: cells}).group == ""


def test_groups_of_which_a_class_has_too_few_are_told():
    roles = roles_of({"a": PATHS, "label": [*"xxyyzz"] * 2, "video_id": [*"1122"] * 3})
    assert (roles.group, roles.may_group) == ("", "video_id")


def test_of_groups_within_groups_the_outer_ones_count():
    columns = {"series uid": IDS[:6] * 2, "StudyUID": SIXTH, "patient_name": [*"112233"] * 2}
    roles = roles_of({"a": PATHS, "label": HALVES} | columns)
    assert (roles.group, roles.may_group) == ("patient_name", "")


def test_column_of_groups_is_not_taken_for_the_classes():
    roles = roles_of({"a": PATHS, "slide": SIXTH, "what": HALVES})
    assert (roles.label, roles.group) == ("what", "slide")


def test_columns_may_be_given():
    columns = {"a": PATHS, "b": COLORS, "c": COLORS[::-1], "split": SIDES}
    roles = roles_of(columns, image="a", label="c", split="none", group="b")
    assert (roles.label, roles.split, roles.group) == ("c", "", "b")
    assert roles_of({"a": PATHS, "b": PATHS}, label="a").image == "b"
    with pytest.raises(UsageError, match=r"group_column='spilt': .* Did you mean 'split'\?"):
        roles_of(columns, group="spilt")
