import errno
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading

import pytest

from kerastl import locks
from kerastl.locks import OwnedError, owned, take, take_shared, try_to_take


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


def test_what_is_owned_names_its_process_and_goes_with_it(tmp_path):
    path = tmp_path / ".lock"
    path.write_text("process 1 on an old machine, which was killed\n")
    owner = f"process {os.getpid()} on {socket.gethostname()}"
    with owned(path):
        with pytest.raises(OwnedError, match=f"^{re.escape(owner)}$"), owned(path):
            pytest.fail("two own it")
        assert path.read_text() == f"{owner}\n"
    assert os.listdir(tmp_path) == []


def test_what_ended_the_block_is_known_where_the_file_cannot_be_removed(tmp_path, monkeypatch):
    path = tmp_path / "owned"

    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    def fail():
        with monkeypatch.context() as patch, locks.owned(path):
            patch.setattr(pathlib.Path, "unlink", refuse)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.exists()
    with locks.owned(path):
        pass
    assert not path.exists()


def test_lock_on_a_file_that_its_owner_removes_is_no_lock(tmp_path, monkeypatch):
    path = tmp_path / ".lock"
    tries = []

    def try_late(path):
        held = try_to_take(path)
        if not tries:
            path.unlink()
        tries.append(held)
        return held

    monkeypatch.setattr("kerastl.locks.try_to_take", try_late)
    with owned(path):
        assert len(tries) == 2
        assert try_to_take(path) is None


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_drive_without_locks_can_be_used(tmp_path, monkeypatch, code):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", fail)
    with owned(tmp_path / ".lock"):
        pass
