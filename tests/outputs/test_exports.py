import hashlib
import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

import fakes
import kerastl
from kerastl.data.images import decode_and_resize
from kerastl.data.splits import make_splits
from kerastl.model.backbones import SYMMETRIC
from kerastl.model.build import build_classifier
from kerastl.outputs import exports, judging
from kerastl.outputs.parity import Answers
from kerastl.training.evaluate import Evaluation


@pytest.fixture
def trainer(tmp_path):
    """Exports a classifier with a head of random weights beside its own answers."""
    source = fakes.colour_source(per_class=8)
    network = fakes.tiny_net(
        include_top=False, weights=None, input_shape=(16, 16, 3), name="backbone"
    )
    classifier = build_classifier(network, scaling=SYMMETRIC, num_classes=3, dropout=0.5)
    classifier.get_layer("logits").kernel.assign(np.random.default_rng(0).normal(size=(8, 3)))
    (tmp_path / "exports").mkdir()
    scores = dict.fromkeys(
        ("num_images", "accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy"), 0.5
    )

    def export(**changes):
        config = fakes.tiny_config(tmp_path, export_dir=str(tmp_path / "exports"), **changes)
        splits = make_splits(source, config)
        asked = splits.test[exports.parity_sample(splits, config)]
        images = np.stack(
            [decode_and_resize(source.read(index), image_size=16, rule="crop") for index in asked]
        )
        probabilities = tf.nn.softmax(classifier.predict(images, verbose=0)).numpy()
        answers = Evaluation(source.labels[asked], probabilities, np.zeros(len(asked)))
        return exports.export_checked(
            classifier,
            splits,
            config,
            metrics={"test": scores | {"macro_f1": 0.5}},
            answers=answers,
            progress=kerastl.Progress(),
        )

    return export


def without_scaling(classifier, card):
    network = keras.models.clone_model(classifier.get_layer("backbone"))
    other = build_classifier(network, scaling=None, num_classes=3, dropout=0.5)
    other.set_weights(classifier.get_weights())
    return other, card


def other_class_order(classifier, card):
    return classifier, card | {"class_names": card["class_names"][::-1]}


def other_resize_rule(classifier, card):
    return classifier, card | {"input": card["input"] | {"resize": "stretch"}}


def not_a_number(classifier, card):
    other = keras.models.clone_model(classifier)
    other.set_weights(classifier.get_weights())
    other.get_layer("logits").bias.assign([np.nan, 0.0, 0.0])
    return other, card


@pytest.mark.thorough
@pytest.mark.parametrize("spoil", [without_scaling, other_class_order, other_resize_rule])
def test_savedmodel_that_answers_otherwise_is_caught(
    trainer, tmp_path, monkeypatch, in_this_process, spoil
):
    def write_spoilt(classifier, path, *, card):
        other, card = spoil(classifier, card)
        write_savedmodel(other, path, card=card)

    write_savedmodel = exports.write_savedmodel
    monkeypatch.setattr(exports, "write_savedmodel", write_spoilt)
    with pytest.raises(
        kerastl.KerastlError,
        match=r"^export_dir='.*': savedmodel answers otherwise than the trainer, by up to \S+ of "
        r"probability, where 0.0001 is allowed; most on colours\[\d+\] \((red|green|blue) \S+, not "
        r"(red|green|blue) [0-9.]+\), colours.*\. No export is left; leave out of --format ",
    ):
        trainer()
    assert os.listdir(tmp_path / "exports") == []


@pytest.mark.thorough
def test_other_features_are_caught(trainer, monkeypatch, in_this_process):
    monkeypatch.setattr("kerastl.outputs.savedmodel.POOLED", "images")
    with pytest.raises(kerastl.KerastlError, match="savedmodel answers otherwise than the trainer"):
        trainer()


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["keras", "litert", "onnx"])
def test_file_that_answers_otherwise_is_removed_and_the_rest_kept(
    trainer, tmp_path, monkeypatch, in_this_process, name
):
    pytest.importorskip({"litert": "ai_edge_litert", "onnx": "onnxruntime"}.get(name, "keras"))
    write = exports._WRITERS[name]
    monkeypatch.setitem(
        exports._WRITERS,
        name,
        lambda classifier, path: write(without_scaling(classifier, {})[0], path),
    )
    with pytest.raises(
        kerastl.KerastlError,
        match=rf": {name} answers otherwise than the trainer, .* The other formats are in .*/1; ",
    ):
        trainer(format=f"savedmodel,{name}")
    version = tmp_path / "exports" / "1"
    assert list(json.loads((version / "export.json").read_text())) == ["savedmodel"]
    assert not list(version.glob("model.*"))


@pytest.mark.thorough
@pytest.mark.parametrize("spoil", [other_class_order, other_resize_rule])
def test_card_that_says_otherwise_is_caught(trainer, monkeypatch, in_this_process, spoil):
    """A file of pixels has its classes and its resizing from the card alone."""
    write_card = exports.write_card
    monkeypatch.setattr(
        exports, "write_card", lambda place, card: write_card(place, spoil(None, card)[1])
    )
    with pytest.raises(kerastl.KerastlError, match="keras answers otherwise than the trainer"):
        trainer(format="keras")


@pytest.mark.thorough
def test_nothing_is_kept_beside_a_savedmodel_that_failed(
    trainer, tmp_path, monkeypatch, in_this_process
):
    """A server that watches the directory could not load the version."""

    def write_spoilt(classifier, path, *, card):
        write_savedmodel(not_a_number(classifier, card)[0], path, card=card)

    write_savedmodel = exports.write_savedmodel
    monkeypatch.setattr(exports, "write_savedmodel", write_spoilt)
    with pytest.raises(kerastl.KerastlError, match=r"savedmodel answers .* No export is left"):
        trainer(format="keras,savedmodel")
    assert os.listdir(tmp_path / "exports") == []


def test_what_cannot_be_converted_is_one_line(trainer, monkeypatch, in_this_process):
    def fail(*_):
        raise ValueError("no such operation\nand more")

    monkeypatch.setitem(exports._WRITERS, "onnx", fail)
    with pytest.raises(
        kerastl.KerastlError, match=r"onnx cannot be written \(no such operation\)\."
    ):
        trainer(format="onnx,keras")


@pytest.mark.parametrize(
    ("name", "difference", "accuracy", "is_right"),
    [
        ("savedmodel", 0.99e-4, 1.0, True),
        ("savedmodel", 1.01e-4, 1.0, False),
        ("savedmodel", np.nan, 1.0, False),
        ("onnx", 1.01e-4, 1.0, False),
        ("litert", 0.99e-3, 1.0, True),
        ("litert", 1.01e-3, 1.0, False),
        ("litert_int8", 0.5, 0.75, True),
        ("litert_int8", 0.0, 0.5, False),
        ("litert_int8", np.nan, 1.0, False),
    ],
)
def test_each_format_has_its_own_measure(tmp_path, name, difference, accuracy, is_right):
    config = fakes.tiny_config(tmp_path, max_accuracy_drop=0.25)
    labels = np.array([0, 1, 2, 0])
    right = np.eye(3, dtype=np.float32)[labels]
    said = right.copy()
    said[: round(4 * (1 - accuracy))] = np.roll(right, 1, axis=1)[: round(4 * (1 - accuracy))]
    differences = np.array([0, difference, 0, 0], np.float32)
    answers = Answers(said, ("x", "y", "z"), differences, {1: 1.0, 32: 1.0})
    trainer = Evaluation(labels, right, np.zeros(4))
    if is_right:
        judging.check(name, answers, trainer, list("abcd"), config)
    else:
        with pytest.raises(judging.Unfit, match="otherwise than the trainer"):
            judging.check(name, answers, trainer, list("abcd"), config)


def test_ranges_of_eight_bits_come_from_training_images_of_all_classes(tmp_path, monkeypatch):
    source = fakes.colour_source(per_class=8, noise=2.0)
    config = fakes.tiny_config(tmp_path)
    splits = make_splits(source, config)
    asked = []
    monkeypatch.setattr(exports, "_REPRESENTATIVE", 6)
    monkeypatch.setattr(
        exports,
        "evaluation_dataset",
        lambda source, indices, images, *, batch_size: (
            asked.extend(indices)
            or tf.data.Dataset.from_tensors((tf.zeros([len(indices), 16, 16, 3]), indices))
        ),
    )
    assert exports._representative(splits, config).shape == (6, 16, 16, 3)
    assert set(asked) <= set(splits.train)
    assert sorted(source.labels[asked]) == [0, 0, 1, 1, 2, 2]


@pytest.fixture
def export(trainer, monkeypatch):
    """Exports a file, taking for granted that it answers right."""

    def answer(_, questions, probabilities, names, *, head):
        differences = np.zeros(len(probabilities), np.float32)
        return Answers(probabilities, names, differences, {1: 1.0, 32: 1.0})

    monkeypatch.setattr(exports, "ask", answer)
    return lambda: trainer(format="keras").path


def digests(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_versions_count_up_and_leave_the_earlier_alone(export):
    first = export()
    before = digests(first)
    second = export()
    assert (first.name, second.name) == ("1", "2")
    assert second.parent == first.parent
    assert digests(first) == before
    assert set(digests(second)) == set(before)


def test_next_version_follows_the_highest_integer(export, tmp_path):
    others = {"2", "9", "23", "v40", "41.bak", "-50", "6_0", "README.md"}
    for name in others:
        (tmp_path / "exports" / name).mkdir()
    assert export().name == "24"
    assert set(os.listdir(tmp_path / "exports")) == others | {"24"}


def test_version_taken_meanwhile_is_passed_over(export, tmp_path, monkeypatch):
    place = tmp_path / "exports" / "1"
    rename = os.rename

    def rename_late(written, to):
        if not place.exists():
            place.mkdir()
            (place / "saved_model.pb").write_text("another run's")
        rename(written, to)

    monkeypatch.setattr(os, "rename", rename_late)
    assert export().name == "2"
    assert (place / "saved_model.pb").read_text() == "another run's"


def test_every_format_can_be_written():
    assert set(exports._WRITERS) | {"savedmodel", "litert_int8"} == set(exports.FORMATS)
