import numpy as np
import pytest

from folder_trees import plant
from kerastl.data.folders import list_folder
from kerastl.data.source import Source
from kerastl.data.split_words import split_named, split_within
from kerastl.errors import UsageError

IMAGES = [np.full((4, 5, 3), number, np.uint8) for number in range(4)]


@pytest.mark.parametrize(
    ("labels", "numbers", "names"),
    [
        (np.array([0, 1, 1, 0], np.uint8), [0, 1, 1, 0], ("0", "1")),
        (np.array([[0], [1], [1], [0]], np.uint64), [0, 1, 1, 0], ("0", "1")),
        (np.array(["b", "a", "a", "b"], object), [1, 0, 0, 1], ("a", "b")),
        # One name in both forms of Unicode is one class.
        (["\u010d", "a", "c\u030c", "a"], [1, 0, 1, 0], ("a", "\u010d")),
    ],
)
def test_labels_of_usual_kinds_are_taken(labels, numbers, names):
    source = Source.from_arrays(IMAGES, labels)
    assert source.labels.tolist() == numbers
    assert source.class_names == names


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (["a", "x\ny", "b", "a"], {}, r"class_names='x\ny': is not one line of text."),
        (["a", "x\u2028y", "b", "a"], {}, r"class_names='x\u2028y': is not one line of text."),
        (["a", "\u200d\u2800", "b", "a"], {}, "is not one line of text."),
        (["a", "c", "b", "a"], {"class_names": [1, 2]}, "labels='a': is not in class_names ("),
    ],
)
def test_labels_that_cannot_be_meant_are_refused(labels, options, message):
    with pytest.raises(UsageError) as caught:
        Source.from_arrays(IMAGES, labels, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "latih uji",
        "Trainingsdaten Validierungsdaten Testbilder",
        "opleiding toets",
        "trénovací validační testovací",
        "trening walidacja testowe",
        "eğitim_verisi doğrulama s\u0131nama",
        "treinamento validação teste",
        "обучающая_выборка валидационная тестовые",
        "训练数据 验证图像 测试用",
        "訓練用データ 検証用データ テスト用",
        "훈련데이터 검증 시험",
        "huấn_luyện kiểm_tra",
        "تدريب اختبار",
    ],
)
def test_splits_are_known_in_many_languages(words):
    train, *middle, test = map(split_within, words.split())
    assert (train, middle, test) == ("train", ["validation"] * len(middle), "test")


@pytest.mark.parametrize(
    "name",
    [
        "\u06af\u0631\u0628\u0647\u200c\u0647\u0627",
        "\U0001f469\u200d\u2695\ufe0f",
        "\u65e5\u672c\u3000\u8a9e",
        "\u05d0\u200f",
        "a\u00a0b",
    ],
)
def test_honest_names_hold_what_cannot_be_seen(tmp_path, name):
    assert Source.from_arrays(IMAGES, [name, "a", "a", name]).class_names == ("a", name)
    plant(tmp_path, f"{name}/1.jpg a/1.jpg")
    assert list_folder(str(tmp_path)).class_names == ("a", name)


def test_numbers_name_classes_in_their_order():
    image = np.zeros((2, 2), np.uint8)
    assert Source.from_arrays([image] * 3, [2, 0, 1]).class_names == ("0", "1", "2")
    named = Source.from_arrays([image] * 2, np.array([1, 0]), class_names=["z", "a"])
    assert [named.class_names[label] for label in named.labels] == ["a", "z"]
    assert Source.from_arrays([image] * 3, ["10", "9", "1"]).class_names == ("1", "9", "10")
    floats = ["10.0", "nan", "2.0", "-1", "03", "2.5"]
    ordered = ("-1", "2.0", "2.5", "03", "10.0", "nan")
    assert Source.from_arrays([image] * 6, floats).class_names == ordered


@pytest.mark.parametrize(
    ("split", "names"),
    [
        (
            "train",
            ["train", "TRAIN_2", "Training-01", "train2017", "trainval", "entra\u00eenement"],
        ),
        (
            "validation",
            ["val", " Valid. ", "dev", "Validacio\u0301n", "\u9a8c\u8bc1\u96c6", "v\u200bal"],
        ),
        ("test", ["tests", "\u00a0Test", "hold-out", "\u0442\u0435\u0441\u0442", "testing"]),
        (None, ["contest", "trainer", "invalid", "train_test", "fold1", "2", ""]),
    ],
)
def test_splits_are_known_however_they_are_written(split, names):
    assert {split_named(name) for name in names} == {split}
    assert {split_within(name) for name in names} == {split}


@pytest.mark.parametrize(
    ("split", "names"),
    [
        ("train", ["train_images", "trainset", "seg_train", "imagesTrain", "TrainSet"]),
        ("validation", ["2024 val set", "xray-VALIDATION", "valset"]),
        ("test", ["my-test-set", "PublicTest", "cats test", "testing data"]),
        ("train", ["treningssett i bruk", "Opplæring data", "eğitim_verisi", "tanítóhalmaz"]),
        (None, ["latest images", "train and test", "VOCdevkit", "pretest", "trainers"]),
    ],
)
def test_longer_names_hold_the_word_of_a_split(split, names):
    assert {split_named(name) for name in names} == {None}
    assert {split_within(name) for name in names} == {split}
