import dataclasses
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
from kerastl.export_formats import FORMATS
from kerastl.model import mirrored
from kerastl.model.backbones import SYMMETRIC
from kerastl.model.build import build_classifier
from kerastl.outputs import exporting
from kerastl.outputs.formats import finding, savedmodel
from kerastl.outputs.parity import Comparison
from kerastl.training.evaluation import Evaluation


@pytest.fixture
def trained(tmp_path):
    """Exports a classifier with a head of random weights beside its own predictions."""
    source = fakes.color_source(per_class=8)
    network = fakes.tiny_net(
        include_top=False, weights=None, input_shape=(16, 16, 3), name="backbone"
    )
    classifier = build_classifier(network, scaling=SYMMETRIC, num_classes=3, dropout=0.5)
    classifier.get_layer("logits").kernel.assign(np.random.default_rng(0).normal(size=(8, 3)))
    (tmp_path / "exports").mkdir()
    scores = dict.fromkeys(
        ("num_images", "accuracy", "accuracy_low", "accuracy_high", "balanced_accuracy"), 0.5
    )

    def export(delivered=classifier, **changes):
        config = fakes.tiny_config(tmp_path, export_dir=str(tmp_path / "exports"), **changes)
        splits = make_splits(source, config)
        chosen = splits.test[exporting.parity_sample(splits, config.parity_images)]
        images = np.stack(
            [decode_and_resize(source.read(index), image_size=16, rule="crop") for index in chosen]
        )
        probabilities = tf.nn.softmax(delivered.predict(images, verbose=0)).numpy()
        predictions = Evaluation(source.labels[chosen], probabilities, np.zeros(len(chosen)))
        return exporting.export_checked(
            exporting.ToExport(delivered, predictions),
            splits,
            config,
            metrics={"test": scores | {"macro_f1": 0.5}},
            progress=kerastl.Progress(),
        )

    export.classifier = classifier
    return export


def without_scaling(model):
    network = keras.models.clone_model(model.classifier.get_layer("backbone"))
    other = build_classifier(network, scaling=None, num_classes=3, dropout=0.5)
    other.set_weights(model.classifier.get_weights())
    return exporting.make_exportable(other, model.card, draw_images=model.draw_images)


def other_class_order(model):
    return dataclasses.replace(model, card=reversed_classes(model.card))


def other_resize_rule(model):
    return dataclasses.replace(model, card=stretched(model.card))


def not_a_number(model):
    other = keras.models.clone_model(model.classifier)
    other.set_weights(model.classifier.get_weights())
    other.get_layer("logits").bias.assign([np.nan, 0.0, 0.0])
    return exporting.make_exportable(other, model.card, draw_images=model.draw_images)


def reversed_classes(card):
    return card | {"class_names": card["class_names"][::-1]}


def stretched(card):
    return card | {"input": card["input"] | {"resize": "stretch"}}


@pytest.fixture
def spoil(monkeypatch):
    """Lets a format write a spoilt model."""

    def spoil(name, spoilt):
        module = finding.format_module(name)
        write = module.write
        monkeypatch.setattr(module, "write", lambda model, path: write(spoilt(model), path))

    return spoil


@pytest.mark.thorough
@pytest.mark.parametrize("spoilt", [without_scaling, other_class_order, other_resize_rule])
def test_savedmodel_that_predicts_otherwise_is_caught(
    trained, tmp_path, spoil, in_this_process, spoilt
):
    spoil("savedmodel", spoilt)
    with pytest.raises(
        kerastl.KerastlError,
        match=r"^export_dir='.*': savedmodel does not predict what the trained model does, by up "
        r"to \S+ in probability, where 0.0001 is allowed; most on colors\[\d+\] "
        r"\((red|green|blue) \S+, not (red|green|blue) [0-9.]+\), colors.*\. No "
        r"export is left. Remove failing formats from ",
    ):
        trained()
    assert os.listdir(tmp_path / "exports") == []


@pytest.mark.thorough
def test_mean_with_the_mirror_image_is_in_every_format(trained, in_this_process):
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("onnxruntime")
    averaged = mirrored.average_mirrored(trained.classifier)
    results = trained(averaged, format=",".join(FORMATS)).formats
    for name, result in results.items():
        assert result["largest_difference"] < (FORMATS[name].tolerance or 0.05)
    # Weights are in the file once, though they are used twice.
    plain = trained(format=",".join(FORMATS)).formats
    for name in ("savedmodel", "keras", "litert", "litert_int8", "onnx"):
        assert results[name]["bytes"] < 1.5 * plain[name]["bytes"] + 20_000


def without_mirror_image(model):
    network = model.classifier.get_layer("backbone")
    other = build_classifier(network, scaling=SYMMETRIC, num_classes=3, dropout=0.5)
    other.get_layer("logits").set_weights(model.classifier.get_layer("logits").get_weights())
    return exporting.make_exportable(other, model.card, draw_images=model.draw_images)


def with_features_of_the_image_twice(model):
    right = model.outputs()
    outputs = right(right.input)
    twice = outputs | {"mirrored_features": outputs["features"]}
    return dataclasses.replace(model, outputs=lambda: keras.Model(right.input, twice))


@pytest.mark.thorough
@pytest.mark.parametrize("spoilt", [without_mirror_image, with_features_of_the_image_twice])
def test_export_that_leaves_the_mirror_image_out_is_caught(trained, spoil, in_this_process, spoilt):
    spoil("savedmodel", spoilt)
    with pytest.raises(kerastl.KerastlError, match="savedmodel does not predict what the trained"):
        trained(mirrored.average_mirrored(trained.classifier))


@pytest.mark.thorough
def test_other_features_are_caught(trained, monkeypatch, in_this_process):
    monkeypatch.setattr(mirrored, "POOLED", "input_scaling")
    with pytest.raises(kerastl.KerastlError, match="savedmodel does not predict what the trained"):
        trained()


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["keras", "litert", "onnx"])
def test_file_that_predicts_otherwise_is_removed_and_the_rest_kept(
    trained, tmp_path, spoil, in_this_process, name
):
    pytest.importorskip({"litert": "ai_edge_litert", "onnx": "onnxruntime"}.get(name, "keras"))
    spoil(name, without_scaling)
    with pytest.raises(
        kerastl.KerastlError,
        match=rf": {name} does not predict what the .* The other formats are in .*/1\. ",
    ):
        trained(format=f"savedmodel,{name}")
    version = tmp_path / "exports" / "1"
    assert list(json.loads((version / "export.json").read_text())) == ["savedmodel"]
    assert not list(version.glob("model.*"))


@pytest.mark.thorough
@pytest.mark.parametrize("spoilt", [reversed_classes, stretched])
def test_card_that_says_otherwise_is_caught(trained, monkeypatch, in_this_process, spoilt):
    """A file of pixels has its classes and its resizing from the card alone."""
    write_card = savedmodel.write_card
    monkeypatch.setattr(
        exporting, "write_card", lambda place, card: write_card(place, spoilt(card))
    )
    with pytest.raises(kerastl.KerastlError, match="keras does not predict what the trained model"):
        trained(format="keras")


@pytest.mark.thorough
def test_nothing_is_kept_beside_a_savedmodel_that_failed(trained, tmp_path, spoil, in_this_process):
    """A server that watches the directory could not load the version."""
    spoil("savedmodel", not_a_number)
    with pytest.raises(kerastl.KerastlError, match=r"savedmodel does not .* No export is left"):
        trained(format="keras,savedmodel")
    assert os.listdir(tmp_path / "exports") == []


@pytest.mark.thorough
def test_what_cannot_be_converted_is_one_line(trained, spoil, in_this_process):
    pytest.importorskip("onnxruntime")

    def fail(_):
        raise ValueError("no such operation\nand more")

    spoil("onnx", fail)
    with pytest.raises(
        kerastl.KerastlError, match=r"onnx cannot be written \(no such operation\)\."
    ):
        trained(format="onnx,keras")


def test_ranges_of_eight_bits_come_from_training_images_of_all_classes(tmp_path, monkeypatch):
    source = fakes.color_source(per_class=8, noise=2.0)
    config = fakes.tiny_config(tmp_path)
    splits = make_splits(source, config)
    drawn = []
    monkeypatch.setattr(exporting, "NUM_REPRESENTATIVE", 6)
    monkeypatch.setattr(
        exporting,
        "evaluation_dataset",
        lambda source, indices, images, *, batch_size: (
            drawn.extend(indices)
            or tf.data.Dataset.from_tensors((tf.zeros([len(indices), 16, 16, 3]), indices))
        ),
    )
    assert exporting.draw_images(splits, config, batch_size=8).shape == (6, 16, 16, 3)
    assert set(drawn) <= set(splits.train)
    assert sorted(source.labels[drawn]) == [0, 0, 1, 1, 2, 2]


@pytest.fixture
def export(trained, monkeypatch, in_this_process):
    """Exports a file, taking for granted that it predicts right."""

    def compare(model, samples, reference, distance_tolerance):
        probabilities = reference.predictions.probabilities
        differences = np.zeros(len(probabilities), np.float32)
        return Comparison(probabilities, differences, {1: 1.0, 32: 1.0})

    monkeypatch.setattr(exporting, "compare", compare)
    return lambda: trained(format="keras").path


def hashes(folder):
    return {
        path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_versions_count_up_and_leave_the_earlier_alone(export):
    first = export()
    before = hashes(first)
    second = export()
    assert (first.name, second.name) == ("1", "2")
    assert second.parent == first.parent
    assert hashes(first) == before
    assert set(hashes(second)) == set(before)


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


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_module_that_writes_and_opens_it(name):
    for module in FORMATS[name].modules:
        pytest.importorskip(module)
    module = finding.format_module(name)
    assert callable(module.write)
    assert callable(module.open)
