import pathlib

import pytest

from kerastl.serving.confusion import Confusion
from kerastl.serving.prediction import Prediction


def lines(class_names, *predictions):
    confusion = Confusion(class_names)
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
