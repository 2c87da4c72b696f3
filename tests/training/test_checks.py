import io
import math

import keras
import numpy as np
import pytest

from kerastl.errors import KerastlError
from kerastl.progress import Progress
from kerastl.training.checks import (
    Check,
    Snapshot,
    check_agreement,
    check_first_loss,
    require,
)


class Record:
    def __init__(self):
        self.checks = []

    def add_check(self, check):
        self.checks.append(check)


def variable(values):
    return keras.Variable(np.array(values, np.float32))


def test_snapshot_sees_a_single_bit():
    still, changed = variable([1.0, 2.0]), variable([1.0, 2.0])
    snapshot = Snapshot([still, changed])
    changed.assign([1.0, np.nextafter(np.float32(2.0), np.float32(3.0))])
    assert snapshot.moved() == [changed]
    assert snapshot.unmoved() == [still]


def test_zero_of_the_other_sign_is_another_bit():
    weight = variable([0.0])
    snapshot = Snapshot([weight])
    weight.assign([-0.0])
    assert snapshot.moved() == [weight]


def test_first_loss_of_a_zero_head_is_exact():
    check = check_first_loss(np.zeros((5, 7), np.float32), np.arange(5), 7)
    assert check.passed
    assert check.text == f"first loss {math.log(7):.4f}, ln(7) is {math.log(7):.4f}"


def test_first_loss_of_a_head_with_preferences_fails():
    logits = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    check = check_first_loss(logits, np.zeros(50, np.int64), 7)
    assert not check.passed
    record, said = Record(), io.StringIO()
    with pytest.raises(KerastlError, match=r"A check of this run failed: first loss .* bug"):
        require(check, record=record, progress=Progress(said))
    assert record.checks == [check]
    assert said.getvalue() == ""


def test_passed_check_is_kept_and_said():
    record, said = Record(), io.StringIO()
    require(Check("fine", passed=True), record=record, progress=Progress(said))
    assert record.checks == [Check("fine", passed=True)]
    assert said.getvalue() == "Check passed: fine.\n"


def test_agreement_has_a_limit_and_sixteen_bits_have_another():
    whole = np.full((4, 2), 0.5)
    assert check_agreement(whole + 5e-5, whole, exact=True).passed
    assert not check_agreement(whole + 5e-4, whole, exact=True).passed
    assert check_agreement(whole + 5e-4, whole, exact=False).passed
    assert not check_agreement(np.full((4, 2), np.nan), whole, exact=False).passed
