import subprocess
import sys
import threading

import pytest

from kerastl.locks import take, take_shared, try_to_take


def test_a_lock_keeps_others_out_until_it_is_released(tmp_path):
    path = tmp_path / "lock"
    held = take(path)
    assert try_to_take(path) is None
    held.release()
    held.release()
    again = try_to_take(path)
    assert again is not None
    # Nobody has it any more.
    del again
    assert try_to_take(path) is not None


def test_those_that_share_a_lock_wait_only_for_one_that_does_not(tmp_path):
    path = tmp_path / "lock"
    first, second = take_shared(path, seconds=0), take_shared(path, seconds=0)
    assert try_to_take(path) is None
    first.release()
    assert try_to_take(path) is None
    second.release()
    alone = take(path)
    assert take_shared(path, seconds=0.05) is None
    got = []
    waiting = threading.Thread(target=lambda: got.append(take_shared(path, seconds=60)))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    alone.release()
    waiting.join(5)
    assert got[0] is not None


def test_a_process_that_ends_frees_its_locks_and_does_not_leave_them_to_its_children(tmp_path):
    path = tmp_path / "lock"
    code = (
        "import pathlib, subprocess, sys\n"
        "from kerastl.locks import take\n"
        "held = take(pathlib.Path(sys.argv[1]))\n"
        "child = subprocess.Popen(['cat'], stdin=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\n"
        "input()\n"
        "child.stdin.detach()\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        assert try_to_take(path) is None
        process.kill()
        process.wait()
    assert try_to_take(path) is not None


def test_a_folder_that_takes_no_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        take(tmp_path / "gone" / "lock")
