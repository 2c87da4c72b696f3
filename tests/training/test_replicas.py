import json
import re
import time

import numpy as np
import pytest

from joint_training import PHASES, start, train_on


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return train_on(tmp_path_factory.mktemp("alone"), 1, [*PHASES])


@pytest.mark.thorough
@pytest.mark.parametrize("count", [2, 4])
def test_a_phase_on_several_devices_is_that_on_one(alone, tmp_path, count):
    together = train_on(tmp_path, count, [*PHASES])
    for name, one in alone.items():
        assert one.keys() == together[name].keys()
        for key, value in one.items():
            np.testing.assert_allclose(
                together[name][key], value, atol=1e-5, err_msg=f"{name} {key}"
            )


RUNS = {
    "two phases": {"finetune_epochs": 2, "finetune_learning_rate": 0.005, "class_weights": "sqrt"},
    "augment": {"head_epochs": 1, "finetune_epochs": 1, "augment": "flip"},
    "scratch": {"head_epochs": 0, "finetune_epochs": 2, "weights": "none"},
}


def finish(folder, count, **settings):
    """Runs in processes that train together; returns what each printed."""
    started = start(folder, count, **settings)
    codes = [one.wait(900) for one in started]
    printed = [(folder / f"out{worker}").read_text() for worker in range(count)]
    assert codes == [0] * count, printed
    return printed


def ends_of(folder):
    with np.load(folder / "ends.npz") as ends:
        return [ends[name] for name in ends.files]


@pytest.mark.thorough
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_train_what_one_does(tmp_path, name):
    finish(tmp_path / "one", 1, **RUNS[name])
    first, second = finish(tmp_path / "two", 2, **RUNS[name])
    assert second == "Worker 1 of 2: trained. Worker 0 has the results.\n"
    assert "Test accuracy" not in second
    assert "report.html" not in second
    for one, two in zip(ends_of(tmp_path / "one"), ends_of(tmp_path / "two"), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)
    assert not (tmp_path / "two/nowhere").exists()
    receipt = json.loads((tmp_path / "two/run/receipt.json").read_text())
    assert receipt["replicas"] == {"machines": 2, "devices_of_each": 1}
    if name == "two phases":
        # Each image was computed by one of them.
        (computed,) = re.findall(r"Computed (\d+) images", first)
        assert 0 < int(computed) < 63


TOGETHER = {"two processes": (2, {}), "two devices": (1, {"devices": "2"})}


@pytest.mark.thorough
@pytest.mark.parametrize("name", TOGETHER)
def test_several_learn_from_a_teacher_what_one_does(tmp_path, name):
    count, settings = TOGETHER[name]
    finish(tmp_path / "teacher", 1, head_epochs=3)
    taught = {
        "teacher": str(tmp_path / "teacher" / "run"),
        "teacher_weight": 0.7,
        "finetune_epochs": 1,
        "finetune_learning_rate": 0.005,
    }
    finish(tmp_path / "one", 1, **taught)
    first, *_ = finish(tmp_path / "several", count, **taught, **settings)
    assert "Teacher: " in first
    for one, two in zip(ends_of(tmp_path / "one"), ends_of(tmp_path / "several"), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("killed", [0, 1])
def test_a_run_whose_process_is_killed_ends_everywhere_and_goes_on(tmp_path, killed):
    settings = {"head_epochs": 40, "finetune_epochs": 1, "finetune_learning_rate": 0.005}
    finish(tmp_path / "one", 1, **settings)
    started = start(tmp_path / "two", 2, **settings)
    wait_for(lambda: "head 3/40" in (tmp_path / "two/out0").read_text(), started)
    started[killed].kill()
    started[killed].wait()
    other = started[1 - killed]
    assert other.wait(120) == 1
    last = (tmp_path / f"two/out{1 - killed}").read_text().splitlines()[-1]
    assert last == (
        "error: workers: one of the 2 has ended or cannot be reached (UnavailableError). Mend what "
        "it has printed, if it has, and give the same command on all of them to go on."
    )
    first, _ = finish(tmp_path / "two", 2, **settings)
    assert "Going on with epoch" in first
    for one, two in zip(ends_of(tmp_path / "one"), ends_of(tmp_path / "two"), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)


@pytest.mark.thorough
def test_other_flags_end_all_before_any_work(tmp_path):
    started = start(tmp_path, 2, last={"seed": 5})
    assert [one.wait(300) for one in started] == [1, 2]
    printed = [(tmp_path / f"out{worker}").read_text() for worker in range(2)]
    assert printed == [
        "error: workers: worker 1 got other flags, or has other versions, than worker 0. Give all "
        "machines the same, as it has printed.\n",
        "error: seed='5': is '0' on worker 0. Give all machines the same flags and versions.\n",
    ]


@pytest.mark.thorough
def test_a_batch_that_does_not_divide_ends_all_before_any_work(tmp_path):
    started = start(tmp_path, 2, batch_size=7)
    assert [one.wait(300) for one in started] == [2, 2]
    for worker in range(2):
        printed = (tmp_path / f"out{worker}").read_text()
        assert re.fullmatch(r"error: batch_size=7: .* Use 6 or 8\.\n", printed)


@pytest.mark.thorough
def test_two_processes_agree_on_the_epochs_of_a_budget(tmp_path):
    first, second = finish(tmp_path, 2, recipe="auto", budget="200s", warmup_epochs=1.0)
    assert "Recipe auto" in first
    assert "finetune phase" in first
    assert second == "Worker 1 of 2: trained. Worker 0 has the results.\n"


def wait_for(has_happened, started):
    deadline = time.monotonic() + 600
    while not has_happened():
        assert all(one.poll() is None for one in started)
        assert time.monotonic() < deadline
        time.sleep(0.1)
