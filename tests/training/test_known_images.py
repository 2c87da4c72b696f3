import dataclasses
import json
import pathlib
import re
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from sklearn.covariance import OAS

import fakes
import kerastl
from kerastl.data.builtin import BUILT_IN
from kerastl.serving.uploads import Upload, render
from kerastl.training.known_distances import check_known, fit_known, measure_known
from kerastl.training.known_images import KnownImages, features_in
from picture_files import file_bytes, solid

CHANNELS = 12


def features_of(labels, seed, *, num_classes=4, spread=0.3):
    """Features around a center for each class, of different variance in each channel."""
    centers = 3 + np.random.default_rng(99).normal(size=(num_classes, CHANNELS))
    noise = np.random.default_rng(seed).normal(size=(len(labels), CHANNELS))
    return np.float32(centers[labels] + spread * noise * np.linspace(0.1, 2, CHANNELS))


def trained_on(num_train=400, num_validation=200, seed=0, *, num_classes=3, part=64):
    """Stands for a classifier of the first classes: train, then validation, then test images."""
    count = num_train + num_validation + 300
    labels = np.arange(count) % num_classes
    features = features_of(labels, seed)
    places = np.arange(count)
    splits = SimpleNamespace(
        train=places[:num_train],
        validation=places[num_train : num_train + num_validation],
        test=places[num_train + num_validation :],
        source=SimpleNamespace(labels=labels, class_names=("a", "b", "c")),
    )

    def read(indices):
        for start in range(0, len(indices), part):
            yield features[indices[start : start + part]]

    return SimpleNamespace(features=read, splits=splits)


def test_known_images_are_as_many_as_promised_and_a_new_class_is_not_among_them():
    found, new = [], []
    for seed in range(30):
        trained = trained_on(seed=seed)
        known, *_ = fit_known(trained, 0.9)
        found.append(measure_known(known, trained, trained.splits.test)["coverage"])
        outputs = known.describe(tf.constant(features_of(np.full(50, 3), seed)))
        new.append(outputs["is_known"].numpy().mean())
    # On average 181 of 201, give or take the spread of the mean of 30.
    assert 0.88 < np.mean(found) < 0.93
    assert np.mean(new) < 0.05


@pytest.mark.parametrize(("spread", "low", "high"), [(0.3, 0, 0.05), (30, 0.75, 0.95)])
def test_images_of_classes_that_are_left_out_are_counted(monkeypatch, spread, low, high):
    """Those far apart are none of the others; where classes are alike, so is a new one."""
    of = features_of
    monkeypatch.setitem(globals(), "features_of", lambda *given: of(*given, spread=spread))
    trained = trained_on()
    left_out = fit_known(trained, 0.9).left_out
    assert (left_out.num_images, left_out.num_parts) == (200, 3)
    assert low <= left_out.known <= high
    assert left_out.known_low <= left_out.known <= left_out.known_high
    # The same by hand: a classifier of the other two classes.
    labels, validation = trained.splits.source.labels, trained.splits.validation
    num_known = 0
    for label in range(3):
        places = {
            name: indices[labels[indices] != label]
            for name, indices in vars(trained.splits).items()
            if name in ("train", "validation")
        }
        others = np.where(labels > label, labels - 1, labels)
        two = SimpleNamespace(labels=others, class_names=("a", "b"))
        splits = SimpleNamespace(**places, source=two)
        known, *_ = fit_known(SimpleNamespace(features=trained.features, splits=splits), 0.9)
        outside = validation[labels[validation] == label]
        for part in trained.features(outside):
            num_known += int(known.describe(tf.constant(part))["is_known"].numpy().sum())
    assert left_out.known == pytest.approx(num_known / 200, abs=0.011)


def test_coverage_of_validation_images_is_that_of_their_distances():
    trained = trained_on()
    fitted = fit_known(trained, 0.9)
    measured = measure_known(fitted.known, trained, trained.splits.validation)
    assert fitted.validation == measured
    assert 0.9 <= measured["coverage"] < 0.95


def test_too_few_validation_images_measure_no_left_out_classes():
    assert fit_known(trained_on(num_validation=12), 0.9).left_out is None
    assert fit_known(trained_on(num_validation=15), 0.9).left_out is not None


def test_distance_is_that_of_mahalanobis_on_normalized_features():
    trained = trained_on()
    known, *_ = fit_known(trained, 0.9)
    features, labels = features_of(np.arange(200) % 3, 5), trained.splits.source.labels[:400]
    train = np.concatenate([*trained.features(trained.splits.train)]).astype(np.float64)
    train /= np.linalg.norm(train, axis=1, keepdims=True)
    centers = np.stack([train[labels == label].mean(axis=0) for label in range(3)])
    inverse = OAS(assume_centered=True).fit(train - centers[labels]).precision_
    gaps = (features / np.linalg.norm(features, axis=1, keepdims=True))[:, None] - centers
    expected = np.sqrt(np.einsum("icj,jk,ick->ic", gaps, inverse, gaps)).min(axis=1)
    np.testing.assert_allclose(known.describe(features)["distance"], expected, rtol=1e-3)


def test_the_same_whatever_the_parts_in_which_features_come():
    one, two = (fit_known(trained_on(part=part), 0.9).known for part in (7, 400))
    assert one.max_distance == pytest.approx(two.max_distance, rel=1e-3)
    features = features_of(np.arange(20) % 3, 5)
    both = [known.describe(features)["distance"].numpy() for known in (one, two)]
    np.testing.assert_allclose(*both, rtol=1e-3)


def test_few_images_of_many_channels_and_features_of_zeros_give_numbers():
    known, *_ = fit_known(trained_on(num_train=6), 0.9)
    outputs = known.describe(np.zeros((2, CHANNELS), np.float32))
    assert np.isfinite(outputs["distance"]).all()
    assert np.isfinite(known.max_distance)


def test_only_the_largest_directions_are_kept(monkeypatch):
    monkeypatch.setattr("kerastl.training.known_distances.MOST_DIRECTIONS", 5)
    known, *_ = fit_known(trained_on(), 0.9)
    assert known.whitening.shape == (CHANNELS, 5)
    assert known.centers.shape == (3, 5)


@pytest.mark.parametrize(("coverage", "needed"), [(0.95, 19), (0.9, 9), (0.5, 1), (0.99, 99)])
def test_too_few_validation_images_vouch_for_nothing(coverage, needed):
    def splits(count):
        return SimpleNamespace(validation=np.arange(count))

    check_known(splits(needed), coverage)
    check_known(splits(0), 0)
    words = f"known_coverage={coverage}: needs {needed} validation images, and there are "
    with pytest.raises(kerastl.UsageError, match=re.escape(words + str(needed - 1))):
        check_known(splits(needed - 1), coverage)


def test_distance_is_that_of_the_image_which_decides_rounded_up():
    trained = trained_on(num_validation=19)
    known, *_ = fit_known(trained, 0.95)
    [features] = trained.features(trained.splits.validation)
    largest = known.describe(features)["distance"].numpy().max()
    assert largest <= known.max_distance < largest * 1.001
    assert known.describe(features)["is_known"].numpy().all()
    assert known.num_images == 19


def test_file_has_all_of_it(tmp_path):
    known, *_ = fit_known(trained_on(), 0.9)
    known.save(tmp_path / "known.npz", field="run_dir")
    again = KnownImages.read(tmp_path / "known.npz")
    assert again.numbers == known.numbers
    for name, array in known.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
        assert again.arrays[name].dtype == np.float32


def test_features_are_the_mean_of_the_views():
    views = {"features": tf.ones((2, 3)), "logits": tf.zeros((2, 9))}
    assert features_in(views).numpy().tolist() == [[1, 1, 1]] * 2
    views["mirrored_features"] = tf.fill((2, 3), tf.constant(2, tf.bfloat16))
    mixed = views | {"features": tf.ones((2, 3), tf.bfloat16)}
    assert features_in(mixed).numpy().tolist() == [[1.5, 1.5, 1.5]] * 2


@pytest.mark.parametrize("is_known", [True, False])
def test_upload_gets_whether_it_is_known(is_known):
    model = SimpleNamespace(name="m", version=1, class_names=("a", "b"))
    outputs = {
        "probabilities": np.array([0.3, 0.7], np.float32),
        "confidence": np.float32(0.7),
        "is_known": np.bool_(is_known),
    }
    answer = render(model, [Upload(b"", None)], [outputs], top=1)
    assert json.loads(json.dumps(answer))["predictions"][0]["is_known"] is is_known
    del outputs["is_known"]
    [prediction] = render(model, [Upload(b"", None)], [outputs], top=1)["predictions"]
    assert "is_known" not in prediction


HUES = {"red": (255, 60, 60), "green": (60, 255, 60), "blue": (60, 60, 255)}
OTHERS = {"gray": (128, 128, 128), "white": (255, 255, 255), "yellow": (250, 250, 20)}


@pytest.mark.thorough
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"finetune_epochs": 1, "finetune_learning_rate": 0.001},
        {"augment": "flip", "augment_views": 2, "average_mirrored": "yes"},
    ],
    ids=["head", "finetuned", "mirrored"],
)
def test_left_out_classes_are_unknown_in_run_exports_and_prediction(
    tmp_path, in_this_process, changes
):
    source = fakes.color_source(noise=20.0, per_class=80, colors=HUES)
    config = fakes.tiny_config(
        tmp_path,
        export_dir=str(tmp_path / "exports"),
        format="savedmodel,keras,litert,litert_float16,litert_int8,onnx",
        known_coverage=0.9,
        validation_fraction=0.2,
        **changes,
    )
    run = fakes.finish_run(config, source)
    metrics, folder = run.result.metrics, run.result.run_dir
    found = metrics["test"]["known"]
    assert found["coverage_low"] <= 0.9 <= found["coverage_high"]
    assert metrics["validation"]["known"]["coverage"] >= 0.9
    assert f"{found['coverage']:.1%} of the test images are known" in run.printed
    card = json.loads((folder / "model_card.json").read_text("utf-8"))
    assert card["known"] == metrics["known"] | {"rule": card["known"]["rule"], "test": found}
    paths = []
    for name, color in (HUES | OTHERS).items():
        paths.append(tmp_path / f"{name}.png")
        paths[-1].write_bytes(file_bytes(solid(color), "PNG"))
    answers = []
    exported = run.result.export_path
    names = ("model.keras", "model.tflite", "model.onnx", "model_float16.tflite")
    for place in (folder, exported, *(exported / name for name in names)):
        with pytest.MonkeyPatch.context() as monkeypatch:
            fakes.install_tiny_net(monkeypatch)
            predictions = list(kerastl.predict(place, [*map(str, paths)]))
        answers.append([one.is_known for one in predictions])
    # One color without noise may be unknown too; of others, most must be.
    assert sum(answers[0][3:]) <= 1
    # Rounded numbers leave too little of a distance.
    assert answers == [*[answers[0]] * 5, [None] * len(paths)]
    loaded = tf.saved_model.load(str(exported))
    test = [row.split(",")[0] for row in (folder / "predictions.csv").read_text().splitlines()[1:]]
    files = [source.read(source.examples.index(name)) for name in test]
    outputs = loaded.signatures["serving_default"](image_bytes=tf.constant(files))
    assert outputs["is_known"].numpy().mean() == pytest.approx(found["coverage"], abs=0.03)
    with pytest.MonkeyPatch.context() as monkeypatch:
        fakes.install_tiny_net(monkeypatch)
        monkeypatch.setitem(BUILT_IN, "digits", lambda: source)
        again = kerastl.export(
            folder, export_dir=str(tmp_path / "again"), progress=kerastl.Progress()
        )
    signatures = tf.saved_model.load(str(again.path)).signatures
    np.testing.assert_allclose(
        signatures["serving_default"](image_bytes=tf.constant(files))["distance"],
        outputs["distance"],
        rtol=1e-4,
    )


@pytest.mark.thorough
def test_run_without_a_coverage_has_none(color_run):
    assert "known" not in color_run.result.metrics
    assert not (color_run.result.run_dir / "known_images.npz").exists()
    signatures = tf.saved_model.load(str(color_run.result.export_path)).signatures
    assert "is_known" not in signatures["serving_default"].structured_outputs


def test_too_few_validation_images_stop_a_run_before_it_trains(tmp_path):
    source = fakes.color_source(per_class=10)
    config = dataclasses.replace(fakes.tiny_config(tmp_path), known_coverage=0.99)
    with pytest.raises(kerastl.UsageError, match=r"known_coverage=0\.99: needs 99 validation"):
        fakes.finish_run(config, source)
    assert not pathlib.Path(config.run_dir).exists()
