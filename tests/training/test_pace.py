import dataclasses
import io
import time
from types import SimpleNamespace

import numpy as np
import pytest

import kerastl
from kerastl.settings import TrainingSettings
from kerastl.training.fit import Places, train_phase
from kerastl.training.pace import UNDECIDED, Pace, describe_change, resume_pace
from tiny_networks import make_phase


@pytest.mark.parametrize(
    ("done", "left", "most", "epochs"),
    [
        # What is left of the time is filled with whole epochs.
        (1.0, 35.0, 8, 4),
        (0.5, 35.0, 8, 4),
        (0.5, 34.0, 8, 3),
        # No more than are worth it.
        (1.0, 1000.0, 8, 8),
        # An epoch that has begun ends, late or not.
        (1.0, -50.0, 8, 1),
        (0.25, 0.0, 8, 1),
        (1.5, 0.0, 8, 2),
        (1.5, 0.0, 1, 2),
    ],
)
def test_epochs_fill_the_time_that_is_left(done, left, most, epochs, monkeypatch):
    monkeypatch.setattr("kerastl.training.pace.time", SimpleNamespace(monotonic=lambda: 100.0))
    pace = Pace(100.0 + left, most)
    assert pace.fit(done=done, epoch_seconds=10.0) == epochs


def test_change_is_explained():
    expected = "3 epochs and not 4: as many of 12.0 s each as fit into the time that is left"
    assert describe_change(3, 4, 12.0) == expected


def test_run_that_goes_on_has_what_is_left_of_its_time():
    now = time.monotonic()
    note = Pace(now + 3090.0, 8).describe(began=now - 30.0)
    assert note == f"{UNDECIDED}finetune_epochs, up to 8 in 3120.0 s from the start"
    printed = io.StringIO()
    # 100 s were spent, in this process and those before.
    pace = resume_pace(["a reason", note], kerastl.Progress(printed), began=now - 100.0)
    assert (pace.end, pace.most) == (pytest.approx(now + 3020.0), 8)
    assert printed.getvalue() == (
        "50 min of the budget are left until fine-tuning is to be over; the end of its warm-up "
        "decides the epochs.\n"
    )
    assert resume_pace(["a reason"], kerastl.Progress(), began=now) is None


class Settled(Places):
    """Notes what is decided."""

    def __init__(self, epochs, planned):
        self.planned = planned
        self.pace = SimpleNamespace(fit=lambda **_: epochs)
        self.decided = []

    def settle(self, epochs, reason):
        self.decided.append(epochs)
        assert ("" if epochs == self.planned else " and not ") in reason
        assert bool(reason) == (epochs != self.planned)


def train(row, *, planned, places=None, warmup=1.0):
    made = make_phase(row, epochs=4)
    phase = dataclasses.replace(made.plan.phase, epochs=planned, warmup_epochs=warmup)
    rows = []
    done = train_phase(
        dataclasses.replace(made.plan, phase=phase),
        made.data,
        TrainingSettings(batch_size=8),
        progress=kerastl.Progress(),
        on_epoch=lambda row, _: rows.append(row),
        places=places,
    )
    return made.classifier.get_weights(), rows, done.steps


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("planned", "settled", "warmup"), [(4, 2, 1.0), (2, 4, 1.0), (3, 4, 0.6), (3, 1, 1.0)]
)
def test_epochs_decided_late_train_as_if_they_had_been_planned(tiny_net, planned, settled, warmup):
    places = Settled(settled, planned)
    late, rows, steps = train(tiny_net, planned=planned, places=places, warmup=warmup)
    early, same_rows, same_steps = train(tiny_net, planned=settled, warmup=warmup)
    assert places.decided == [settled]
    assert (len(rows), steps) == (len(same_rows), same_steps)
    for ours, theirs in zip(late, early, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [row.learning_rate for row in rows] == [row.learning_rate for row in same_rows]


@pytest.mark.thorough
def test_what_was_planned_right_stays(tiny_net):
    places = Settled(3, 3)
    _, rows, _ = train(tiny_net, planned=3, places=places)
    # Also that it stays is decided: a run that is cut off later does not ask again.
    assert (len(rows), places.decided, places.pace) == (3, [3], None)
