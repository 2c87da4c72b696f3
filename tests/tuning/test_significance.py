import dataclasses

import numpy as np
import pytest
from sklearn import metrics

from kerastl.config import Config
from kerastl.tuning.search_options import OBJECTIVES, SearchOptions
from kerastl.tuning.significance import difference_interval, order
from kerastl.tuning.trials import FAILED, Trial

SCORES = {
    "val_accuracy": lambda labels, predictions: metrics.accuracy_score(
        labels, predictions.predicted[0]
    ),
    "val_loss": lambda labels, predictions: predictions.losses[0].mean(),
    "val_balanced_accuracy": lambda labels, predictions: metrics.balanced_accuracy_score(
        labels, predictions.predicted[0]
    ),
    "val_macro_f1": lambda labels, predictions: metrics.f1_score(
        labels, predictions.predicted[0], average="macro"
    ),
}


@dataclasses.dataclass
class Fake:
    predicted: np.ndarray
    losses: np.ndarray


def answers(rng, labels, share_right):
    right = rng.random(len(labels)) < share_right
    predicted = np.where(right, labels, rng.integers(0, 3, len(labels)))
    return Fake(predicted[np.newaxis], rng.gamma(2.0, 1.2 - share_right, (1, len(labels))))


@pytest.mark.parametrize(
    "objective",
    [
        *("val_accuracy", "val_loss"),
        pytest.param("val_balanced_accuracy", marks=pytest.mark.thorough),
        pytest.param("val_macro_f1", marks=pytest.mark.thorough),
    ],
)
def test_the_interval_of_a_difference_is_that_of_the_bootstrap(objective):
    """Images drawn with replacement, scored by scikit-learn."""
    rng = np.random.default_rng(1)
    labels = rng.choice(3, 600, p=(0.6, 0.3, 0.1))
    ours, theirs = answers(rng, labels, 0.8), answers(rng, labels, 0.7)
    sign = 1 if OBJECTIVES[objective] == "max" else -1
    differences = []
    for _ in range(400):
        drawn = rng.integers(0, len(labels), len(labels))
        first, second = (
            SCORES[objective](labels[drawn], Fake(said.predicted[:, drawn], said.losses[:, drawn]))
            for said in (ours, theirs)
        )
        differences.append(sign * (first - second))
    low, high = difference_interval(ours, theirs, labels, SearchOptions(objective=objective))
    expected = sign * (SCORES[objective](labels, ours) - SCORES[objective](labels, theirs))
    assert (low + high) / 2 == pytest.approx(expected)
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(differences), rel=0.15)


def test_executions_are_averaged():
    labels = np.array([0, 0, 1, 1])
    once = Fake(np.array([[0, 0, 1, 0]]), np.array([[1.0, 2.0, 3.0, 4.0]]))
    twice = Fake(np.array([[0, 0, 1, 0], [0, 1, 1, 1]]), np.array([[1.0, 2, 3, 4], [3, 2, 1, 0]]))
    low, high = difference_interval(twice, once, labels, SearchOptions(objective="val_loss"))
    assert (low + high) / 2 == pytest.approx(2.5 - 2.0)


def trial(number, predicted, labels, status="completed", loss=1.0):
    accuracy = float(np.mean(predicted == labels))
    return Trial(
        number=number,
        status=status,
        values={},
        config=Config(run_dir="x", dataset="digits"),
        scores={"val_accuracy": accuracy, "val_loss": loss} if status == "completed" else {},
        predicted=predicted[np.newaxis],
        losses=np.ones((1, len(labels))),
    )


def test_trials_are_ordered_and_ties_are_those_that_chance_explains():
    labels = np.zeros(400, np.int64)
    # As the sign test: five that only one has right may be chance (0.0625), six are not (0.03125).
    wrong = {0: range(101), 1: range(96), 2: range(102), 3: range(96)}
    trials = []
    for number, places in wrong.items():
        predicted = labels.copy()
        predicted[list(places)] = 1
        trials.append(trial(number, predicted, labels))
    trials.append(trial(4, labels, labels, status=FAILED))
    ranking = order(trials, labels, SearchOptions())
    assert [ranked.trial.number for ranked in ranking] == [1, 3, 0, 2]
    assert [ranked.is_tie for ranked in ranking] == [True, True, True, False]
    best, equal, near, far = ranking
    assert (best.behind, best.low, best.high) == (0, 0, 0)
    # The same predictions so far are not the same model.
    assert equal.behind == 0
    assert equal.low == pytest.approx(-equal.high)
    assert 0 < equal.high < 0.01
    assert near.behind == pytest.approx(5 / 400)
    assert far.behind == pytest.approx(6 / 400)


@pytest.mark.parametrize("objective", list(OBJECTIVES))
@pytest.mark.parametrize("num_images", [1, 2, 3, 4, 40])
def test_an_interval_is_within_what_is_possible(objective, num_images):
    """One model has every image right and the other none, which few images do not prove."""
    labels = np.arange(num_images) % 2
    right, wrong = (
        Fake((labels + change)[np.newaxis], np.full((1, num_images), 0.1) + change)
        for change in (0, 1)
    )
    right.losses[0, 0] = 0.3
    options = SearchOptions(objective=objective)
    for ours, theirs in ((right, wrong), (wrong, right)):
        low, high = difference_interval(ours, theirs, labels, options)
        assert low < high
        if objective != "val_loss":
            assert -1 <= low < high <= 1
    low, high = difference_interval(right, wrong, labels, options)
    assert (low > 0) == (num_images > (2 if objective == "val_loss" else 4))
    assert difference_interval(right, right, labels, options) == (0, 0)


def test_of_equal_trials_the_lower_loss_comes_first():
    labels = np.zeros(9, np.int64)
    trials = [trial(number, labels, labels, loss=loss) for number, loss in enumerate([2, 1, 1])]
    ranking = order(trials, labels, SearchOptions())
    assert [ranked.trial.number for ranked in ranking] == [1, 2, 0]


def test_one_image_is_no_evidence():
    labels = np.zeros(400, np.int64)
    one_wrong = labels.copy()
    one_wrong[0] = 1
    ranking = order(
        [trial(0, one_wrong, labels), trial(1, labels, labels)], labels, SearchOptions()
    )
    assert [ranked.trial.number for ranked in ranking] == [1, 0]
    assert ranking[1].is_tie
