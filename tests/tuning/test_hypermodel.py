import csv
import dataclasses

import keras
import keras_tuner
import pytest

import kerastl
from kerastl.errors import UsageError
from searches import HEAD


@pytest.mark.thorough
def test_a_tuner_of_ones_own_takes_the_hypermodel(config, source, tmp_path):
    """With callbacks that are copied for each execution, and its own checkpoint of the best."""
    hypermodel = kerastl.hypermodel(
        dataclasses.replace(config, head_epochs=4), HEAD, source=source, progress=kerastl.Progress()
    )
    tuner = keras_tuner.RandomSearch(
        hypermodel,
        objective="val_accuracy",
        max_trials=2,
        executions_per_trial=2,
        directory=str(tmp_path),
        project_name="own",
    )
    stops = keras.callbacks.EarlyStopping("val_loss", min_delta=10.0, patience=1)
    tuner.search(callbacks=[stops, keras.callbacks.CSVLogger(tmp_path / "log.csv")], verbose=0)
    assert [trial.status for trial in tuner.oracle.trials.values()] == ["COMPLETED"] * 2
    with open(tmp_path / "log.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # Each execution has a fresh patience: one epoch that is the best, one that is no better.
    assert [row["epoch"] for row in rows] == ["0", "1"]
    best = tuner.get_best_models()[0]
    assert best.output_shape == (None, 3)
    score = tuner.oracle.get_best_trials()[0].score
    assert 0 < score <= 1
    assert set(tuner.get_best_hyperparameters()[0].values) == set(HEAD)


@pytest.mark.thorough
def test_keras_tuners_hyperband_is_pointed_to_ours(config, source, tmp_path):
    hypermodel = kerastl.hypermodel(config, HEAD, source=source, progress=kerastl.Progress())
    tuner = keras_tuner.Hyperband(
        hypermodel, objective="val_accuracy", directory=str(tmp_path), project_name="own"
    )
    with pytest.raises(UsageError, match=r"^tuner='Hyperband': trains in installments"):
        tuner.search(verbose=0)
