import os
import subprocess
import sys

import pytest
import tensorflow as tf

from kerastl import device
from kerastl.resources import free_memory, usable_cores, usable_memory

MOST = 1 << 62


def groups(tmp_path, listed, files):
    """Writes what Linux shows: the groups of the process, and files of limits by their path."""
    own = tmp_path / "own"
    own.write_text(listed)
    for name, text in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "cgroup", own


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)


@pytest.mark.parametrize(
    ("listed", "files", "cores"),
    [
        ("", {}, 8),
        ("0::/\n", {}, 8),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        # Part of a core more is a core more; less than one is one.
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "5000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "6400000 100000\n"}, 8),
        # The group around it has less.
        ("0::/a/b\n", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "max 100000"}, 3),
        # In a container the folder of the path that the host knows is at the top.
        (
            "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "400000", "cpu,cpuacct/cpu.cfs_period_us": "100000"},
            4,
        ),
        ("3:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, 8),
        ("0::/\n", {"cpu.max": "garbage\n"}, 8),
    ],
)
def test_cores_are_those_of_the_container(tmp_path, listed, files, cores):
    assert usable_cores(*groups(tmp_path, listed, files)) == cores


def test_cores_are_those_that_the_process_may_run_on(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    nothing = (tmp_path / "none", tmp_path / "none")
    assert usable_cores(*nothing) == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores(*nothing) == 1


@pytest.mark.parametrize(
    ("listed", "files", "limit"),
    [
        ("0::/a\n", {"a/memory.max": "1000000\n"}, 1_000_000),
        ("0::/a\n", {"a/memory.max": "max\n", "memory.max": "2000000"}, 2_000_000),
        ("4:memory:/x\n", {"memory/memory.limit_in_bytes": "3000000"}, 3_000_000),
        ("4:memory:/x\n", {"memory/memory.limit_in_bytes": str(MOST)}, None),
        ("0::/\n", {}, None),
    ],
)
def test_memory_is_that_of_the_container(tmp_path, listed, files, limit):
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert usable_memory(*groups(tmp_path, listed, files)) == (limit or whole)


@pytest.mark.parametrize(
    ("listed", "files"),
    [
        ("0::/a\n", {"a/memory.max": "1000\n", "a/memory.current": "400\n"}),
        ("0::/a/b\n", {"a/memory.max": "700\n", "a/memory.current": "100\n"}),
        (
            "3:memory:/\n",
            {"memory/memory.limit_in_bytes": "900", "memory/memory.usage_in_bytes": "300"},
        ),
    ],
)
def test_free_memory_is_what_a_group_has_not_taken(tmp_path, listed, files):
    assert free_memory(*groups(tmp_path, listed, files)) == 600


def test_free_memory_is_part_of_the_machines(tmp_path):
    free = free_memory(*groups(tmp_path, "", {}))
    assert 0 < free < usable_memory(*groups(tmp_path, "", {}))


def test_tensorflow_starts_threads_for_the_cores_it_gets_time_on(monkeypatch):
    given = {}
    for kind in ("intra", "inter"):
        name = f"set_{kind}_op_parallelism_threads"
        monkeypatch.setattr(tf.config.threading, name, lambda n, kind=kind: given.update({kind: n}))
    monkeypatch.setattr(device, "usable_cores", lambda: 3)
    device.set_up_threads()
    assert given == {"intra": 3, "inter": 3}
    given.clear()
    # The choice of a person stays, and so does TensorFlow's own where it is right.
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "5")
    device.set_up_threads()
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS")
    monkeypatch.setattr(device, "usable_cores", lambda: 8)
    device.set_up_threads()
    assert not given


def test_tensorflow_that_runs_already_keeps_its_threads(monkeypatch):
    def refuse(number):
        raise RuntimeError

    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", refuse)
    monkeypatch.setattr(device, "usable_cores", lambda: 3)
    device.set_up_threads()


def test_memory_is_what_is_left_of_the_addresses_of_a_process(tmp_path):
    code = (
        "import resource, sys\n"
        "from kerastl.resources import free_memory, most_memory\n"
        "def taken():\n"
        "    return resource.getpagesize() * int(open('/proc/self/statm').read().split()[0])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (taken() + 50_000_000, -1))\n"
        "print(most_memory(), free_memory())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for number in map(int, done.stdout.split()):
        assert 30_000_000 < number <= 50_000_000
