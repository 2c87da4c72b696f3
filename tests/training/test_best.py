import keras
import pytest

import fakes
from kerastl.training.best import Best, EpochRow


def row(epoch, val_accuracy, val_loss=1.0, phase="head"):
    return EpochRow(phase, epoch, 0.1, 1.0, 0.5, val_loss, val_accuracy, 1.0, 0.5, 0.4)


def test_best_is_the_highest_accuracy_and_then_the_lowest_loss():
    weight = keras.Variable(0.0)
    best = Best()
    best.begin([weight], epochs=5)
    epochs = [(0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.7, 0.8), (0.6, 0.1)]
    answers = [fakes.answers([0]) for _ in epochs]
    for epoch, (accuracy, loss) in enumerate(epochs, start=1):
        weight.assign(epoch)
        best.offer(row(epoch, accuracy, loss), answers[epoch - 1])
    best.restore()
    assert best.row.epoch == 3
    assert best.validation is answers[2]
    assert float(weight) == 3


def test_best_of_an_earlier_phase_survives_a_worse_one():
    low, high = keras.Variable(0.0), keras.Variable(0.0)
    best = Best()
    best.begin([high], epochs=1)
    high.assign(1.0)
    best.offer(row(1, 0.9), fakes.answers([0]))
    best.restore()
    best.begin([low, high], epochs=1)
    low.assign(5.0)
    high.assign(5.0)
    best.offer(row(1, 0.2, phase="finetune"), fakes.answers([0]))
    best.restore()
    assert (best.row.phase, float(low), float(high)) == ("head", 0.0, 1.0)


@pytest.mark.parametrize(
    ("head", "epochs", "expected"),
    [
        # The last epoch counts, however lucky one before it was.
        ("111000", ["111111", "110000"], "finetune 2"),
        ("111110", ["000000", "111001"], "finetune 2"),
        # Unless the head was better by more than chance.
        ("111100", ["111111", "000000"], "head 1"),
        ("111111", ["111111", "100000"], "head 1"),
    ],
)
@pytest.mark.parametrize("is_cut_off", [False, True])
def test_last_epoch_is_the_best_unless_the_head_was_clearly_better(
    head, epochs, expected, is_cut_off
):
    weight, best = keras.Variable(0.0), Best("last")

    def offer(epoch, phase, rights):
        weight.assign(weight + 1)
        answers = fakes.answers([0] * 6, [int(digit == "0") for digit in rights])
        best.offer(row(epoch, answers.accuracy, phase=phase), answers)

    best.begin([weight], epochs=1)
    offer(1, "head", head)
    best.begin([weight], epochs=2)
    offer(1, "finetune", epochs[0])
    if is_cut_off:
        state, right, values = best.state(), best.right, best.values
        best = Best("last")
        best.begin([weight], epochs=2)
        best.load(state, [right], values)
    offer(2, "finetune", epochs[1])
    best.restore()
    assert f"{best.row.phase} {best.row.epoch}" == expected
    assert float(weight) == (1 if best.row.phase == "head" else 3)


def test_newest_epoch_of_the_first_phase_is_the_best_so_far():
    weight, best = keras.Variable(0.0), Best("last")
    best.begin([weight], epochs=3)
    for epoch, accuracy in enumerate([0.9, 0.1], start=1):
        weight.assign(epoch)
        best.offer(row(epoch, accuracy), fakes.answers([0]))
    best.restore()
    assert (best.row.epoch, float(weight)) == (2, 2.0)
    assert best.accuracies == {"head": 0.9}


@pytest.mark.parametrize("best_by", ["accuracy", "last"])
@pytest.mark.parametrize("at", ["row", "values"])
def test_an_interrupt_leaves_a_state_after_which_the_epoch_is_offered_again(
    monkeypatch, best_by, at
):
    """Copying the weights of a large network takes a while, in which a signal may come."""
    weight = keras.Variable(1.0)
    best = Best(best_by)
    best.begin([weight], epochs=2)

    def interrupt(*_):
        raise KeyboardInterrupt

    target = Best if at == "values" else EpochRow
    name = "_remember" if at == "values" else "score"
    with monkeypatch.context() as patches:
        patches.setattr(target, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            best.offer(row(1, 0.5), fakes.answers([0]))
    assert best.state() is None
    best.offer(row(1, 0.5), fakes.answers([0]))
    assert best.state()["row"]["epoch"] == 1
