import dataclasses
import io
import json
import shutil

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import fakes
import kerastl
from endings import differences
from kerastl.data.pipeline import view_indices, views_dataset
from kerastl.data.splits import Teacher, make_splits
from kerastl.training.steps import TrainingSteps, distance_from
from kerastl.training.teaching import open_teacher

SOURCE = fakes.color_source(noise=60.0)
# The classes of the same pictures, each called by the name of the next.
SHIFTED = dataclasses.replace(SOURCE, labels=(SOURCE.labels + 1) % 3)


def test_distance_is_the_cross_entropy_at_a_temperature_of_two():
    answers, logits = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32) * 3
    shares = scipy.special.softmax(answers / 2, axis=1)
    expected = -4 * (shares * scipy.special.log_softmax(logits / 2, axis=1)).sum(axis=1)
    assert np.allclose(distance_from(answers, logits), expected, rtol=1e-5)
    variable = tf.Variable(logits)
    with tf.GradientTape() as tape:
        distance = tf.reduce_sum(distance_from(answers, variable.value()))
    gradient = tape.gradient(distance, variable)
    assert np.allclose(
        gradient, 2 * (scipy.special.softmax(logits / 2, axis=1) - shares), atol=1e-5
    )


def answer_with(folder):
    """Saves a classifier with random weights that takes images of 12 pixels."""
    images = keras.Input((12, 12, 3))
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    model = keras.Model(images, keras.layers.Dense(3, name="logits")(features))
    model.save(folder / "model.keras")
    return model, Teacher(folder / "model.keras", "fingerprint", 12, "stretch")


def test_answers_are_for_the_very_view_at_the_size_of_the_teacher(tmp_path):
    model, teacher = answer_with(tmp_path)
    config = fakes.tiny_config(
        tmp_path, augment="flip,crop", augment_views=2, cache_dir=str(tmp_path / "cache")
    )
    splits = dataclasses.replace(make_splits(SOURCE, config), teacher=teacher)
    frozen = open_teacher(splits, images=config, store=config, progress=kerastl.Progress())
    with frozen:
        frozen.compute(kerastl.Progress())
        indices = view_indices(SOURCE, splits.train, config)
        assert len(indices) == 2 * len(splits.train)
        answers = frozen.logits.take(indices)
        seen = dataclasses.replace(config, image_size=12, resize="stretch")
        views = views_dataset(SOURCE, indices, seen, batch_size=16)
        expected = np.concatenate([model(images).numpy() for images, _ in views])
        assert np.allclose(answers, expected, atol=1e-5)
        assert len({row.tobytes() for row in answers}) == len(answers)
        # Those that are held out are not for a teacher to see.
        assert not frozen.logits.has(splits.validation)
        assert not frozen.logits.has(splits.test)


def run_taught(folder, source=SOURCE, **changes):
    cache = str(folder.parent / "cache")
    values = {"cache_dir": cache, "teacher": str(folder.parent / "teacher" / "run")} | changes
    return fakes.finish_run(fakes.tiny_config(folder, **values), source)


@pytest.fixture(scope="module")
def taught(tmp_path_factory):
    """A folder with the run of a teacher."""
    folder = tmp_path_factory.mktemp("taught")
    run = run_taught(folder / "teacher", teacher="", head_epochs=10, image_size=24)
    assert run.result.metrics["test"]["accuracy"] > 0.9
    return folder


@pytest.mark.thorough
def test_weight_decides_between_answers_and_labels(taught):
    kept = {
        "splits_from": str(taught / "teacher" / "run" / "splits.csv"),
        "head_epochs": 12,
        "best_by": "last",
    }
    accuracies = {}
    for weight in (1.0, 0.01):
        folder = taught / f"weight{weight}"
        run = run_taught(folder, SHIFTED, teacher_weight=weight, repeats=2, **kept)
        accuracies[weight] = run.result.metrics["test"]["accuracy"]
        assert len(run.result.metrics["repeats"]["seeds"]) == 2
    # Each picture is named by the answer, which is no label here, or by the label.
    assert accuracies[1.0] < 0.1
    assert accuracies[0.01] > 0.9
    assert "Frozen part up to logits: 0 images to compute, 42 in the store already." in run.printed
    receipt = json.loads((run.result.run_dir / "receipt.json").read_text())
    assert receipt["teacher"]["run"] == str(taught / "teacher" / "run")
    assert len(receipt["teacher"]["fingerprint"]) == 64


FLAGS = {"finetune_epochs": 2, "augment": "mirror", "class_weights": "sqrt", "dropout": 0.3}


class Killed(BaseException):
    """The process ends here."""


def die_at(patch, steps):
    taken, run = [], TrainingSteps.run

    def run_and_die(self, batches):
        taken.append(run(self, batches))
        if len(taken) == steps:
            raise Killed
        return taken[-1]

    patch.setattr(TrainingSteps, "run", run_and_die)


@pytest.mark.thorough
def test_run_with_a_teacher_goes_on_with_that_teacher_alone(taught, monkeypatch):
    whole = run_taught(taught / "cut", **FLAGS).result.run_dir
    whole = whole.rename(taught / "whole")
    with monkeypatch.context() as patch:
        die_at(patch, 14)
        with pytest.raises(Killed):
            run_taught(taught / "cut", **FLAGS)
    shutil.copytree(taught / "cut", taught / "kept")
    assert "Going on" in (again := run_taught(taught / "cut", **FLAGS)).printed
    assert differences(whole, again.result.run_dir) == []

    shutil.rmtree(taught / "cut")
    (taught / "kept").rename(taught / "cut")
    path = taught / "teacher" / "run" / "model.keras"
    model, content = keras.saving.load_model(path), path.read_bytes()
    model.get_layer("logits").bias.assign_add([1.0, 0.0, 0.0])
    model.save(path)
    try:
        with pytest.raises(kerastl.UsageError, match=r"^teacher='.*': is not what it was when"):
            run_taught(taught / "cut", **FLAGS)
    finally:
        path.write_bytes(content)


@pytest.mark.thorough
def test_search_varies_the_weight_of_the_teacher(taught, tiny_net):
    config = fakes.tiny_config(
        taught / "search",
        dataset="python",
        cache_dir=str(taught / "cache"),
        teacher=str(taught / "teacher" / "run"),
    )
    options = kerastl.SearchOptions(tuner="grid", max_trials=2, final_run=False)
    printed = io.StringIO()
    found = kerastl.tune(
        config,
        {"teacher_weight": "choice(0.3,1.0)"},
        options,
        source=SOURCE,
        progress=kerastl.Progress(printed),
    )
    losses = [trial.scores["val_loss"] for trial in found.trials.values()]
    assert len(losses) == len(set(losses)) >= 2
