import keras

import fakes
from kerastl.training.best import Best, EpochRow


def row(epoch, val_accuracy, val_loss=1.0, phase="head"):
    return EpochRow(phase, epoch, 0.1, 1.0, 0.5, val_loss, val_accuracy, 1.0, 0.5, 0.4)


def test_best_is_the_highest_accuracy_and_then_the_lowest_loss():
    weight = keras.Variable(0.0)
    best = Best()
    best.begin([weight])
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
    best.begin([high])
    high.assign(1.0)
    best.offer(row(1, 0.9), fakes.answers([0]))
    best.restore()
    best.begin([low, high])
    low.assign(5.0)
    high.assign(5.0)
    best.offer(row(1, 0.2, phase="finetune"), fakes.answers([0]))
    best.restore()
    assert (best.row.phase, float(low), float(high)) == ("head", 0.0, 1.0)
