import pathlib

import numpy as np

from kerastl.serving.predictor import Prediction
from kerastl.serving.scoring import Score


def of(path, label, classes=3):
    return Prediction(pathlib.Path(path), np.eye(classes, dtype=np.float32)[label])


def test_nearest_folder_of_a_class_is_the_label():
    score = Score(["cat", "dog", "čáp"])
    score.add([of("x/cat/1.jpg", 0), of("x/dog/cat/2.jpg", 1), of("dog/deep/er/3.jpg", 1)])
    # macOS takes letters apart.
    score.add([of("c\u030ca\u0301p/4.jpg", 2), of("other/5.jpg", 0)])
    score.add([Prediction(pathlib.Path("cat/6.jpg"), None, "is empty")])
    assert list(score.lines()) == [
        "1 image not counted: in no folder of a class's name.",
        "Accuracy 0.7500 (0.3006-0.9544) on 4 images",
        "Rows are the true classes, columns what they were taken for:",
        "     cat  dog  čáp",
        "cat    1    1    0",
        "dog    0    1    0",
        "čáp    0    0    1",
    ]


def test_of_many_classes_the_frequent_mistakes_are_shown():
    names = [f"class{number}" for number in range(30)]
    score = Score(names)
    score.add([of("class3/1.jpg", 7, 30)] * 3 + [of("class3/2.jpg", 3, 30)])
    score.add([of("class29/1.jpg", 0, 30)])
    assert list(score.lines())[1:] == [
        "  3 of 4 class3 taken for class7",
        "  1 of 1 class29 taken for class0",
    ]


def test_nothing_to_count_is_said():
    assert list(Score(["a", "b"]).lines()) == [
        "Accuracy: no image lies in a folder with a class's name."
    ]
