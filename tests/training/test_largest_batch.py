import io
import re

import keras
import pytest
import tensorflow as tf

import fakes
import kerastl
from kerastl import replicas
from kerastl.errors import UsageError
from kerastl.model.network import open_network
from kerastl.outputs.directories import read_config
from kerastl.outputs.run_directory import RunDirectory
from kerastl.replicas import Replicas
from kerastl.training import largest_batch
from kerastl.training.largest_batch import (
    bytes_per_image,
    check_memory,
    explained_memory,
    find_largest_batch,
    scale_rates,
)
from kerastl.training.steps import TrainingSteps


def make(tmp_path, monkeypatch, **changes):
    fakes.install_tiny_net(monkeypatch)
    config = fakes.tiny_config(tmp_path, **{"finetune_epochs": 1, "unfreeze_from": "all"} | changes)
    network = open_network(config, num_classes=3)
    return config, network, network.plan(config.phases[-1])


def limit_steps(monkeypatch, most, *, error=None):
    """Makes memory run out above a batch size; returns the sizes that are tried."""
    run, tried = TrainingSteps.run, []

    def run_within(self, batches):
        size = batches.element_spec[0].shape[0]
        tried.append(size)
        if size > most:
            raise error or tf.errors.ResourceExhaustedError(None, None, "OOM")
        return run(self, batches)

    monkeypatch.setattr(TrainingSteps, "run", run_within)
    return tried


def find(parts, num_train=1000, devices=1):
    config, network, plan = parts
    return find_largest_batch(
        network, plan, config, from_images=False, num_train=num_train, devices=devices
    )


MEMORY = "twice as many images do not fit in the memory that is free"
STEPS = "twice as many images would leave fewer than 10 steps an epoch"


def test_estimate_counts_what_a_step_holds(tmp_path, monkeypatch):
    _, network, plan = make(tmp_path, monkeypatch, unfreeze_from="block2")
    # Outputs of convolution, batch norm, ReLU, pooling and head, each twice, and three features.
    trained, features = 3 * 4 * 4 * 8 + 8 + 3, 8 * 8 * 6
    assert bytes_per_image(network, plan, from_images=False) == 4 * (2 * trained + 3 * features)
    # Or three images with the largest output of the frozen part, an image too.
    images = 4 * (2 * trained + 3 * 2 * 16 * 16 * 3)
    assert bytes_per_image(network, plan, from_images=True) == images


@pytest.mark.parametrize(
    ("fitting", "num_train", "size", "reason"),
    [
        (40, 1000, 32, MEMORY),
        (1000, 1000, 64, STEPS),
        (1000, 200, 16, STEPS),
        (3, 1000, 2, MEMORY),
        # The usual batch has fewer than ten steps.
        (1000, 50, 8, STEPS),
        (10**6, 10**6, 8192, "the rule for the rates holds up to 8192"),
    ],
)
def test_free_memory_of_a_processor_is_filled_by_half(
    tmp_path, monkeypatch, fitting, num_train, size, reason
):
    parts = make(tmp_path, monkeypatch)
    each = bytes_per_image(*parts[1:], from_images=False)
    monkeypatch.setattr(largest_batch, "free_memory", lambda: 2 * fitting * each)
    tried = limit_steps(monkeypatch, fitting)
    assert find(parts, num_train) == (size, reason)
    # By the estimate; no step is tried that the system might end this process for.
    assert tried == [size]


def test_steps_are_tried_on_a_gpu(tmp_path, monkeypatch):
    parts = make(tmp_path, monkeypatch)
    monkeypatch.setattr(largest_batch, "has_gpu", lambda: True)
    tried = limit_steps(monkeypatch, 20)
    assert find(parts) == (16, MEMORY)
    assert tried == [8, 16, 32, 16]


@pytest.mark.parametrize(
    ("fitting", "size", "reason"), [(1000, 96, STEPS), (5, 12, MEMORY), (1, 3, MEMORY)]
)
def test_devices_share_the_batch_of_which_each_part_fits(
    tmp_path, monkeypatch, fitting, size, reason
):
    parts = make(tmp_path, monkeypatch)
    each = bytes_per_image(*parts[1:], from_images=False)
    monkeypatch.setattr(largest_batch, "free_memory", lambda: 2 * fitting * each)
    tried = limit_steps(monkeypatch, fitting)
    assert find(parts, devices=3) == (size, reason)
    assert tried == [size // 3]


@pytest.mark.parametrize(("optimizer", "factor"), [("sgd", 4), ("adamw", 2)])
def test_rates_follow_the_batch(optimizer, factor):
    config = kerastl.Config(dataset="digits", run_dir="x", optimizer=optimizer, head_epochs=1)
    assert scale_rates(config, 256) == {
        "head_learning_rate": 0.01 * factor,
        "finetune_learning_rate": 0.001 * factor,
    }


@pytest.mark.parametrize("error", [None, MemoryError("x")])
@pytest.mark.parametrize("on_gpu", [True, False])
def test_memory_that_runs_out_names_a_batch_that_fits(tmp_path, monkeypatch, error, on_gpu):
    config, network, plan = make(tmp_path, monkeypatch, batch_size=32)
    head = network.plan(config.phases[0])
    each = bytes_per_image(network, plan, from_images=False)
    # What was free before.
    free = iter([2 * 9 * each, 0])
    monkeypatch.setattr(largest_batch, "free_memory", lambda: next(free))
    monkeypatch.setattr(largest_batch, "has_gpu", lambda: on_gpu)
    tried = limit_steps(monkeypatch, 9, error=error)
    with (
        pytest.raises(UsageError) as caught,
        explained_memory(network, config, [(head, False), (plan, False)]),
    ):
        raise error or tf.errors.ResourceExhaustedError(None, None, "OOM")
    words = "fits" if on_gpu else "should fit"
    assert str(caught.value) == (
        f"batch_size=32: needs more memory than is free. Use 8, which {words}, with --overwrite."
    )
    # In both phases.
    assert tried == ([16, 8, 8] if on_gpu else [])


def test_batch_that_cannot_fit_stops_before_the_first_step_and_one_that_may_not_is_a_warning(
    tmp_path, monkeypatch
):
    config, network, plan = make(tmp_path, monkeypatch, batch_size=32)
    steps = [(network.plan(config.phases[0]), False), (plan, True)]
    each = bytes_per_image(network, plan, from_images=True)

    def check(*, free, most, steps=steps):
        monkeypatch.setattr(largest_batch, "free_memory", lambda: int(free))
        monkeypatch.setattr(largest_batch, "most_memory", lambda: int(most))
        printed = io.StringIO()
        check_memory(network, config, steps, kerastl.Progress(printed))
        return printed.getvalue().strip()

    assert check(free=32 * each, most=32 * each) == ""
    two = Replicas(tf.distribute.get_strategy(), num_workers=2)
    with replicas.using(two):
        assert check(free=16 * each, most=16 * each) == ""
    warning = check(free=31 * each, most=31 * each)
    assert re.fullmatch(
        r"Warning: a step of 32 images may take [\d.]+ MB, and [\d.]+ MB are free\. If the system "
        r"ends this process, use --batch_size=8 --overwrite\.",
        warning,
    )
    assert check(free=each, most=10 * each).endswith("process, lower --image_size.")
    for free, advice in (
        (9, "Use 4, which should fit, with --overwrite."),
        (1, "Lower image_size."),
    ):
        with pytest.raises(
            UsageError, match=r"^batch_size=32: takes about .* can have .*\. " + advice
        ):
            check(free=free * each, most=9 * each)
    # Nothing is known of a GPU, nor of a head that is solved.
    assert check(free=0, most=0, steps=[]) == ""
    monkeypatch.setattr(largest_batch, "has_gpu", lambda: True)
    assert check(free=0, most=0) == ""


@pytest.mark.parametrize(("precision", "width"), [("float32", 4), ("mixed_bfloat16", 2)])
def test_estimate_knows_how_wide_numbers_are(tmp_path, monkeypatch, precision, width):
    fakes.install_tiny_net(monkeypatch)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        _, network, plan = make(tmp_path, monkeypatch, unfreeze_from="block2")
    finally:
        keras.config.set_dtype_policy(before)
    rows = 3 * 4 * 4 * 8 + 8
    # The head is always float32.
    estimate = width * (2 * rows + 3 * 8 * 8 * 6) + 4 * 2 * 3
    assert bytes_per_image(network, plan, from_images=False) == estimate


@pytest.mark.thorough
def test_run_finds_its_batch_writes_it_down_and_goes_on_with_it(tmp_path, monkeypatch):
    source = fakes.color_source(per_class=250, noise=90.0)
    config = fakes.tiny_config(tmp_path, batch_size="auto", head_epochs=1, finetune_epochs=1)
    monkeypatch.setattr(largest_batch, "free_memory", lambda: 10**12)
    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "save_model", lambda *_: pytest.fail("cut off"))
        with pytest.raises(pytest.fail.Exception):
            fakes.finish_run(config, source)
    flags = (tmp_path / "run" / "flags.txt").read_text()
    # 525 training images: 64 have ten steps no more.
    assert "\n--batch_size=64\n" in flags
    assert "# given: --batch_size=auto\n" in flags
    monkeypatch.setattr(largest_batch, "free_memory", lambda: 0)
    run = fakes.finish_run(config, source)
    assert "Going on after the training" in run.printed
    assert read_config(tmp_path / "run").batch_size == 64
