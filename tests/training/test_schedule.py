import math

import pytest

from kerastl.training.schedule import LearningRate


def rates(**changes):
    values = {"peak": 0.1, "warmup_steps": 4, "total_steps": 20, "falls": True} | changes
    schedule = LearningRate(**values)
    return [schedule.at(step) for step in range(values["total_steps"])]


def test_warm_up_rises_from_above_zero_to_the_peak():
    assert rates()[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])


def test_cosine_falls_from_the_peak_towards_zero():
    expected = [0.05 * (1 + math.cos(math.pi * step / 16)) for step in range(16)]
    assert rates()[4:] == pytest.approx(expected, abs=1e-7)
    assert rates()[-1] < 0.01 * 0.1


def test_constant_stays_at_its_peak():
    assert rates(falls=False)[4:] == pytest.approx([0.1] * 16)


def test_without_warm_up_the_first_step_has_the_peak():
    assert rates(warmup_steps=0)[0] == pytest.approx(0.1)


def test_warm_up_longer_than_the_phase_ends_with_it():
    assert rates(warmup_steps=100)[-1] == pytest.approx(0.1)
