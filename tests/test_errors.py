import pytest

from kerastl.errors import (
    KerastlError,
    UsageError,
    bad_value,
    closest,
    first_line,
    unknown_name,
)


def test_wrong_value_names_the_field_the_problem_and_the_way_out():
    error = bad_value("batch_size", 0, "must be at least 1", "The default is 64")
    assert isinstance(error, UsageError)
    assert isinstance(error, KerastlError)
    assert str(error) == "batch_size=0: must be at least 1. The default is 64."


def test_text_is_quoted():
    assert str(bad_value("resize", "a b", "is odd", "Go")) == "resize='a b': is odd. Go."


def test_near_miss_is_named():
    error = unknown_name("resize", "Crops", ("crop", "pad"), what="one of its choices")
    assert str(error) == (
        "resize='Crops': is not one of its choices. Did you mean 'crop'? Known: crop, pad."
    )


def test_without_a_near_miss_all_names_are_listed():
    error = unknown_name("optimizer", "lion", iter(("sgd", "adamw")), what="one of its choices")
    assert str(error) == "optimizer='lion': is not one of its choices. Known: sgd, adamw."


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet50", ["ResNet50"]),
        ("MobilNetV2", ["MobileNetV2"]),
        ("zzz", []),
        ("", []),
    ],
)
def test_closest_ignores_case_and_keeps_spelling(name, near):
    assert closest(name, ["MobileNetV2", "ResNet50", "VGG16"]) == near


def test_closest_gives_the_best_first_and_no_more_than_asked():
    known = ["block_13", "block_1", "block_16", "out"]
    assert closest("block_13", known, count=2) == ["block_13", "block_1"]


def test_line_of_another_error_ends_with_a_sentence_or_a_word():
    assert first_line(ValueError("\n one\ntwo")) == "one"
    assert first_line(ValueError()) == "ValueError"
    sentence = "It has no config.json, says v1.2 of it."
    assert first_line(ValueError(f"{sentence} Make sure {60 * 'that '}")) == sentence
    cut = first_line(ValueError(60 * "words "))
    assert cut.endswith("words ...")
    assert len(cut) <= 204
    assert first_line(ValueError(300 * "x")) == f"{200 * 'x'} ..."
