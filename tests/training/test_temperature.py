import csv
import json

import numpy as np
import pytest
import scipy.optimize
import tensorflow as tf
from scipy.special import log_softmax, softmax

import fakes
from kerastl.training import final
from kerastl.training.temperature import Temperature, fit_temperature


def made_up(count=3000, num_classes=4, *, times=1.0, seed=0, views=1):
    """Logits that are right as often as they say at a temperature of `times`."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2.0, size=(count, views, num_classes))
    shares = softmax(logits, axis=2).mean(axis=1)
    labels = np.array([rng.choice(num_classes, p=row) for row in shares])
    return (times * logits).astype(np.float32), labels


def fit(logits, labels, groups=None):
    groups = np.arange(len(labels)) if groups is None else groups
    return fit_temperature(logits, labels, groups, seed=0)


@pytest.mark.parametrize("times", [0.4, 1.5, 3.0])
@pytest.mark.parametrize("views", [1, 2])
def test_temperature_undoes_what_made_a_model_too_sure_or_not_sure_enough(times, views):
    logits, labels = made_up(times=times, views=views)
    found = fit(logits, labels)
    assert found.value == found.tried == pytest.approx(times, rel=0.08)
    assert found.loss < found.loss_before
    assert str(found).startswith(f"Confidence: calibrated by a temperature of {found.value:.3g}. ")


def test_temperature_has_the_lowest_loss_of_those_near_it():
    logits, labels = made_up(times=2.0)
    found = scipy.optimize.minimize_scalar(
        lambda value: -log_softmax(logits[:, 0] / value, axis=1)[range(len(labels)), labels].sum(),
        bounds=(0.5, 5),
        method="bounded",
    )
    # One image more that is right and one that is wrong change little among thousands.
    assert fit(logits, labels).value == pytest.approx(found.x, rel=0.01)


def test_temperature_that_helps_no_held_out_image_is_not_kept():
    logits, labels = made_up(count=60, seed=3)
    found = fit(logits, labels)
    assert found.tried != 1
    assert found.loss >= found.loss_before
    assert found.value == 1
    assert str(found).startswith("Confidence: as it is. A temperature of ")


def test_few_images_that_are_all_right_do_not_make_a_model_certain():
    labels = np.arange(20) % 4
    logits = (2.0 * np.eye(4)[labels])[:, np.newaxis].astype(np.float32)
    found = fit(logits, labels)
    confidence = softmax(logits[0, 0] / found.value).max()
    # As Laplace's rule of succession has it: (20 + 1) / (20 + 2).
    assert confidence == pytest.approx(21 / 22, abs=1e-3)


def test_images_of_one_group_are_too_few():
    logits, labels = made_up(count=30)
    assert fit(logits, labels, np.zeros(30, int)) == Temperature()
    assert "not calibrated" in str(Temperature())


def test_same_images_give_the_same_bits():
    logits, labels = made_up(times=2.0, count=500)
    assert fit(logits, labels) == fit(logits, labels)


def finished(folder, **changes):
    source = fakes.color_source(noise=130.0, per_class=40)
    return fakes.finish_run(fakes.tiny_config(folder, **changes), source)


@pytest.fixture
def find(monkeypatch):
    """Makes runs find another temperature."""

    def set_to(value):
        found = Temperature(value, value, 0.1, 0.2)
        monkeypatch.setattr(final, "fit_temperature", lambda *_, **__: found)

    return set_to


def read(run, name):
    return json.loads((run.result.run_dir / name).read_text("utf-8"))


def predictions(run):
    with (run.result.run_dir / "predictions.csv").open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    named = {row[0]: row[2] for row in rows}
    return named, np.array([row[3:] for row in rows], float)


@pytest.mark.thorough
def test_run_and_its_exports_have_the_temperature_in_their_weights(tmp_path, in_this_process, find):
    find(2.0)
    formats = "savedmodel,keras,onnx"
    run = finished(tmp_path / "with", export_dir=str(tmp_path / "exports"), format=formats)
    find(1.0)
    plain = finished(tmp_path / "without", cache_dir=run.config.cache_dir)
    # An image keeps its class, and its probabilities are those of the divided logits.
    named, shares = predictions(run)
    named_before, shares_before = predictions(plain)
    assert named == named_before
    np.testing.assert_allclose(shares, softmax(np.log(shares_before) / 2, axis=1), atol=1e-5)
    metrics, before = run.result.metrics, plain.result.metrics
    assert metrics["temperature"]["value"] == 2
    for split in ("test", "validation"):
        assert "uncalibrated" not in before[split]
        uncalibrated = {
            name: value
            for name, value in metrics[split]["uncalibrated"].items()
            if not name.endswith(("_low", "_high"))
        }
        assert {*uncalibrated} == {"accuracy", "loss", "brier_score", "calibration_error"}
        for name, value in uncalibrated.items():
            assert value == pytest.approx(before[split][name], abs=1e-5)
            assert name == "accuracy" or abs(metrics[split][name] - value) > 1e-4
        assert metrics[split]["accuracy"] == before[split]["accuracy"]
    heads = [each.result.model.get_layer("logits") for each in (run, plain)]
    for name in ("kernel", "bias"):
        of_run, of_plain = (getattr(head, name) for head in heads)
        np.testing.assert_allclose(2 * of_run, of_plain, rtol=1e-6)
    assert len(run.result.model.layers) == len(plain.result.model.layers)
    assert "temperature of 2," in read(run, "model_card.json")["calibration"]
    assert "calibration" not in read(plain, "model_card.json")
    # Which are kept only if they answer as the model does.
    results = json.loads((run.result.export_path / "export.json").read_text("utf-8"))
    assert {*results} == {*formats.split(",")}
    served = tf.saved_model.load(str(run.result.export_path)).signatures["serving_default"]
    files = [run.source.read(run.source.examples.index(example)) for example in [*named][:9]]
    confidence = served(image_bytes=tf.constant(files))["confidence"]
    np.testing.assert_allclose(confidence, shares[:9].max(axis=1), atol=1e-5)


@pytest.mark.thorough
def test_with_mirror_images_the_answer_is_the_mean_of_two_divided_ones(tmp_path, find):
    find(2.0)
    run = finished(tmp_path / "with", average_mirrored="yes")
    find(1.0)
    plain = finished(tmp_path / "without", average_mirrored="no", cache_dir=run.config.cache_dir)
    images = np.random.default_rng(0).uniform(0, 255, (6, 16, 16, 3)).astype(np.float32)
    both = [tf.nn.softmax(plain.result.model(one) / 2) for one in (images, images[:, :, ::-1])]
    answer = tf.nn.softmax(run.result.model(images))
    np.testing.assert_allclose(answer, np.mean(both, axis=0), atol=1e-5)
    assert run.result.metrics["test"]["uncalibrated"]["loss"] != run.result.metrics["test"]["loss"]


@pytest.mark.thorough
def test_refitted_head_has_the_temperature_too(tmp_path, find):
    settings = {"head": "solved", "refit": True, "head_epochs": 1}
    find(2.0)
    run = finished(tmp_path / "with", **settings)
    find(1.0)
    plain = finished(tmp_path / "without", cache_dir=run.config.cache_dir, **settings)
    named, shares = predictions(run)
    named_before, shares_before = predictions(plain)
    assert named == named_before
    np.testing.assert_allclose(shares, softmax(np.log(shares_before) / 2, axis=1), atol=1e-5)


@pytest.mark.thorough
def test_run_finds_the_temperature_of_its_own_validation_images(tmp_path, monkeypatch):
    seen = []

    def fit_and_tell(logits, labels, groups, *, seed):
        seen.append((logits, labels))
        return fit_temperature(logits, labels, groups, seed=seed)

    monkeypatch.setattr(final, "fit_temperature", fit_and_tell)
    run = finished(tmp_path, average_mirrored="yes")
    ((logits, labels),) = seen
    found = run.result.metrics["temperature"]
    assert found["loss_before"] == pytest.approx(
        run.result.metrics["validation"].get("uncalibrated", run.result.metrics["validation"])[
            "loss"
        ],
        abs=1e-5,
    )
    assert logits.shape == (len(labels), 2, 3)
    assert str(Temperature(**found)) in run.printed
