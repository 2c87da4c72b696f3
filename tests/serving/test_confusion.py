import pathlib

import pytest

from kerastl.serving.confusion import Confusion
from kerastl.serving.prediction import Prediction
from kerastl.serving.run_images import read_run_images


def lines(class_names, *predictions):
    confusion = Confusion(class_names, {})
    for path, class_name in predictions:
        confusion.add(Prediction(pathlib.Path(path), class_name))
    return list(confusion.lines())


def test_nearest_folder_of_a_class_is_the_label():
    predictions = [
        ("x/cat/1.jpg", "cat"),
        ("x/dog/cat/2.jpg", "dog"),
        ("dog/deep/er/3.jpg", "dog"),
        # macOS decomposes letters.
        ("c\u030ca\u0301p/4.jpg", "čáp"),
        ("other/5.jpg", "cat"),
    ]
    assert lines(["cat", "dog", "čáp"], *predictions) == [
        "1 image not counted: not in a folder named after a class.",
        "Accuracy 0.7500 (0.3006-0.9544) on 4 images",
        "Confusion matrix (rows: true class, columns: predicted class):",
        "     cat  dog  čáp",
        "cat    1    1    0",
        "dog    0    1    0",
        "čáp    0    0    1",
    ]


def test_of_many_classes_the_frequent_mistakes_are_shown():
    names = [f"class{number}" for number in range(30)]
    predictions = [("class3/1.jpg", "class7")] * 3 + [("class3/2.jpg", "class3")]
    assert lines(names, *predictions, ("class29/1.jpg", "class0"))[1:] == [
        "  3 of 4 class3 predicted as class7",
        "  1 of 1 class29 predicted as class0",
    ]


@pytest.mark.parametrize("problem", ["", "is empty"])
def test_unusable_file_is_not_counted(problem):
    confusion = Confusion(["a", "b"])
    if problem:
        confusion.add(Prediction(pathlib.Path("a/6.jpg"), problem=problem))
    assert list(confusion.lines()) == ["Accuracy: no image is in a folder named after a class."]


def test_images_that_the_model_has_learned_from_are_counted(tmp_path):
    rows = ("cat/0.png,cat,train,aa", "cat/1.png,cat,validation,bb", "cat/2.png,cat,test,cc")
    path = tmp_path / "splits.csv"
    # An image that is in two splits was trained on.
    more = ("dog/0.png,dog,train,dd", "dog/1.png,dog,test,dd")
    path.write_text("\n".join(["example,class_name,split,sha256", *rows, *more]))
    confusion = Confusion(["cat", "dog"], read_run_images(path))
    for sha256, name in zip(("aa", "bb", "cc", "dd", "ee"), ("cat",) * 4 + ("dog",), strict=True):
        confusion.add(Prediction(pathlib.Path("any/cat/x.png"), name, sha256=sha256))
    assert list(confusion.lines())[:3] == [
        "Accuracy 0.8000 (0.3755-0.9638) on 5 images",
        "Warning: the model was trained on 2 of these images, and 1 were validation images, which "
        "chose its best epoch: this accuracy is too high.",
        "Accuracy without them 0.5000 (0.0945-0.9055) on 2 images",
    ]


@pytest.mark.parametrize("content", ["example,class_name,split\na,b,train", "x\n1", None])
def test_where_nothing_tells_what_was_learned_that_is_printed(tmp_path, content):
    path = tmp_path / "splits.csv"
    if content:
        path.write_text(content)
    confusion = Confusion(["cat", "dog"], read_run_images(path if content else None))
    confusion.add(Prediction(pathlib.Path("cat/x.png"), "cat"))
    assert list(confusion.lines())[1].startswith("Not checked whether the model was trained on")
