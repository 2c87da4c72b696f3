import numpy as np
import pytest
import tensorflow as tf

import fakes
from kerastl import device
from kerastl.data.splits import make_splits
from kerastl.errors import KerastlError
from kerastl.model.network import open_network
from kerastl.training import evaluate as evaluation
from kerastl.training import largest_batch, passing
from kerastl.training.memory import InParts
from kerastl.training.steps import TrainingSteps

_ONEDNN = "Operation received an exception:Status: {}, message: could not create a {}, in file x.cc"
ERRORS = [
    tf.errors.ResourceExhaustedError(None, None, "OOM"),
    MemoryError("x"),
    # What oneDNN says where it gets none.
    tf.errors.AbortedError(None, None, _ONEDNN.format(1, "memory object")),
]
# Of something else.
OTHERS = [
    tf.errors.AbortedError(None, None, _ONEDNN.format(2, "primitive descriptor")),
    tf.errors.AbortedError(None, None, "a worker is gone"),
]


def limited(function, most, *, error=ERRORS[0]):
    """A function whose memory runs out above so many rows, and the numbers it was called with."""
    tried = []

    def compute(inputs):
        tried.append(len(inputs))
        if len(inputs) > most:
            raise error
        return function(inputs)

    return compute, tried


@pytest.mark.parametrize("error", ERRORS)
def test_batch_that_does_not_fit_is_computed_in_parts(error):
    inputs = tf.reshape(tf.range(22.0), [11, 2])
    function, tried = limited(lambda rows: [rows + 1, rows[:, 0]], 3, error=error)
    compute = InParts(function)
    for _ in range(2):
        both, one = compute(inputs)
        np.testing.assert_array_equal(both, inputs + 1)
        np.testing.assert_array_equal(one, inputs[:, 0])
    # What fits is found once.
    assert tried == [11, 6, 3, 3, 3, 2, 3, 3, 3, 2]
    function, tried = limited(lambda rows: rows, 0, error=error)
    with pytest.raises(type(error)):
        InParts(function)(inputs)
    assert tried == [11, 6, 3, 2, 1]


@pytest.mark.parametrize("error", [*ERRORS, *OTHERS])
def test_every_place_knows_an_error_of_memory_from_others(tmp_path, monkeypatch, error):
    """A batch in parts, a batch that is tried, a phase, and whatever else a command computes."""
    fakes.install_tiny_net(monkeypatch)
    config = fakes.tiny_config(tmp_path, finetune_epochs=1, unfreeze_from="all")
    network = open_network(config, num_classes=3)
    plan = network.plan(config.phases[-1])

    def fail(*_):
        raise error

    def explained():
        with largest_batch.explained_memory(network, config, [(plan, False)]):
            fail()

    def one_line():
        with device.memory_errors():
            fail()

    function, tried = limited(lambda rows: rows, 1, error=error)
    monkeypatch.setattr(TrainingSteps, "run", fail)
    places = [
        lambda: InParts(function)(tf.zeros([2, 1])),
        lambda: largest_batch.try_step(network, plan, config, 8, from_images=False),
        explained,
        one_line,
    ]
    if error in OTHERS:
        for place in places:
            with pytest.raises(type(error)):
                place()
        assert tried == [2]
        return
    in_parts, tries_step, *lines = places
    assert len(in_parts()) == 2
    assert not tries_step()
    for line in lines:
        # Python's own error says what it is.
        with pytest.raises((KerastlError, MemoryError), match=r"^(batch_size=|memory: |x)"):
            line()


def test_parts_hold_each_image_with_its_mirror_image():
    blocks = tf.constant([[1.0], [2.0], [3.0], [10.0], [20.0], [30.0]])

    def add(rows):
        images, mirrored = tf.split(rows, 2)
        return images + mirrored

    function, tried = limited(add, 4)
    found = InParts(function)(blocks, num_images=3)
    np.testing.assert_array_equal(found, [[11.0], [22.0], [33.0]])
    assert tried == [6, 4, 2]


@pytest.mark.thorough
def test_pass_and_evaluation_go_through_in_parts(tmp_path, monkeypatch):
    """The whole run, in whose pass, evaluation and export no four images fit."""
    source = fakes.color_source()
    config = fakes.tiny_config(tmp_path, head_epochs=2, cache_dir=str(tmp_path / "cache"))
    whole = fakes.finish_run(config, source)
    tried = []

    class Limited(InParts):
        def __init__(self, function):
            function, sizes = limited(function, 3)
            tried.append(sizes)
            super().__init__(function)

    for module in (passing, evaluation):
        monkeypatch.setattr(module, "InParts", Limited)
    other = fakes.tiny_config(
        tmp_path / "other", head_epochs=2, weights=config.weights, cache_dir=str(tmp_path / "else")
    )
    run = fakes.finish_run(other, source)
    assert all(max(sizes) > 3 for sizes in tried[:2])
    assert run.result.metrics["test"]["accuracy"] == whole.result.metrics["test"]["accuracy"]
    splits = make_splits(source, config)
    assert run.result.metrics["test"]["num_images"] == len(splits.test)


def test_memory_that_runs_out_elsewhere_is_one_line():
    with pytest.raises(KerastlError) as caught, device.memory_errors():
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore")
    assert str(caught.value) == (
        "memory: this process has too little for this (OOM when allocating). Lower batch_size or "
        "image_size, or stop what else needs it."
    )
