import contextlib
import errno
import fcntl
import os
import pathlib
import resource
import subprocess
import sys
import time

import keras
import pytest
import tensorflow as tf

from kerastl.disk_errors import explained
from kerastl.errors import KerastlError
from kerastl.writing import finally_call, remove_leftovers, replacing, scratch_directory

FULL = (
    r"^run_dir='.*': cannot be written \(File too large\)\. Free some space and repeat the "
    r"command, or choose another directory with --run_dir\.$"
)


@contextlib.contextmanager
def small_disk(num_bytes=1000):
    """No file of this process may grow beyond that; the kernel says so as of a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write(path, save):
    with replacing(path, field="run_dir") as temporary:
        save(temporary)


def big_model():
    return keras.Sequential([keras.Input((100,)), keras.layers.Dense(1000)])


SAVES = {
    "a.txt": lambda path: path.write_text("x" * 5000),
    "a.keras": lambda path: big_model().save(path),
}


@pytest.mark.parametrize("name", SAVES)
def test_full_disk_is_one_line_and_leaves_what_was_there(tmp_path, name, capfd):
    path = tmp_path / name
    path.write_text("old")
    with small_disk(), pytest.raises(KerastlError, match=FULL):
        write(path, SAVES[name])
    assert os.listdir(tmp_path) == [name]
    assert path.read_text() == "old"
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", SAVES)
def test_file_appears_whole(tmp_path, name):
    write(tmp_path / name, SAVES[name])
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).stat().st_size > 3000


def test_tensorflow_says_it_in_its_own_words(tmp_path):
    def save():
        with explained(tmp_path, field="export_dir"):
            module = tf.Module()
            module.weights = tf.Variable(tf.zeros([5000]))
            tf.saved_model.save(module, str(tmp_path / "export"))

    with small_disk(), pytest.raises(KerastlError, match=r"^export_dir=.* \(File too large\)\."):
        save()


def test_whatever_stops_a_write_leaves_nothing(tmp_path):
    def stop(path):
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.txt", stop)
    assert os.listdir(tmp_path) == []


def test_fault_of_the_program_is_no_matter_of_the_disk(tmp_path):
    def fail(path):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "a.txt", fail)


def test_scratch_directory_goes_with_all_in_it(tmp_path):
    def fill():
        with scratch_directory(tmp_path, field="export_dir") as scratch:
            (scratch / "deep").mkdir()
            (scratch / "deep" / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill()
    assert os.listdir(tmp_path) == []


def test_folder_of_a_process_that_is_killed_while_it_removes_it_goes_with_the_next(tmp_path):
    code = f"""if True:
        import os, pathlib, sys
        from kerastl.writing import scratch_directory
        def watch(event, arguments):
            global left
            if event in ("os.remove", "os.rmdir"):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), 9)
        with scratch_directory(pathlib.Path({str(tmp_path)!r}), field="x") as folder:
            for name in ("a", "b"):
                (folder / name).mkdir()
                (folder / name / "c").touch()
            left = int(sys.argv[1])
            sys.addaudithook(watch)
    """
    for kept in range(6):
        killed = subprocess.run([sys.executable, "-c", code, str(kept)], check=False)
        assert killed.returncode == -9
        (folder,) = tmp_path.iterdir()
        # What the next command finds.
        remove_leftovers(tmp_path)
        assert not folder.exists(), kept


def test_what_may_be_of_a_drive_without_locks_goes_after_a_day(tmp_path):
    for name, age in ((".writing-old", 48), (".writing-new", 1), ("mine", 48)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").touch()
        os.utime(tmp_path / name, (time.time() - age * 3600,) * 2)
    remove_leftovers(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [".writing-new", "mine"]


WRITER = """
import pathlib, sys
from kerastl.writing import replacing, scratch_directory

place = pathlib.Path(sys.argv[1])
with scratch_directory(place, field="x"), replacing(place / "a.txt", field="x") as temporary:
    temporary.write_text("half")
    print(flush=True)
    input()
"""


def test_what_a_killed_process_was_writing_goes_at_once_and_what_is_being_written_stays(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        process.stdout.readline()
        being_written = set(os.listdir(tmp_path))
        assert len(being_written) == 2
        with scratch_directory(tmp_path, field="x"):
            remove_leftovers(tmp_path)
            assert being_written < set(os.listdir(tmp_path))
        write(tmp_path / "a.txt", lambda path: path.write_text("whole"))
        assert {*being_written, "a.txt"} == set(os.listdir(tmp_path))
        process.kill()
        process.wait()
    # A file goes with the next one of its name, and a folder with the next folder.
    write(tmp_path / "b.txt", lambda path: path.touch())
    assert len(os.listdir(tmp_path)) == 4
    write(tmp_path / "a.txt", lambda path: path.touch())
    assert len(os.listdir(tmp_path)) == 3
    with scratch_directory(tmp_path, field="x"):
        assert not being_written.intersection(os.listdir(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["a.txt", "b.txt"]


def test_drive_that_has_no_locks_is_written_to_and_keeps_what_is_new(tmp_path, monkeypatch):
    def fail(descriptor, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", fail)
    write(tmp_path / "a.txt", lambda path: path.touch())
    (tmp_path / ".writing-1-a.txt").touch()
    with scratch_directory(tmp_path, field="x"):
        remove_leftovers(tmp_path)
        assert len(os.listdir(tmp_path)) == 3


def test_what_cannot_be_removed_stops_nothing(tmp_path, monkeypatch):
    (tmp_path / ".writing-1-a.txt").touch()

    def fail(path):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "unlink", fail)
        write(tmp_path / "a.txt", lambda path: path.touch())
    assert len(os.listdir(tmp_path)) == 2


def test_files_have_the_mode_that_a_person_wants(tmp_path):
    before = os.umask(0o002)
    try:
        write(tmp_path / "a.txt", lambda path: path.touch())
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o664


def fail_to_write():
    raise KerastlError("the disk is full")


def test_what_failed_first_is_what_is_said():
    def block():
        with finally_call(fail_to_write):
            raise KerastlError("the loss is not finite")

    with pytest.raises(KerastlError, match="the loss is not finite"):
        block()


def test_what_cannot_be_written_after_a_good_block_is_said():
    def block():
        with finally_call(fail_to_write):
            pass

    with pytest.raises(KerastlError, match="the disk is full"):
        block()


def test_interrupt_of_the_last_write_writes_once_more():
    calls = []

    def write_it():
        calls.append(len(calls))
        if len(calls) == 1:
            raise KeyboardInterrupt

    def block():
        with finally_call(write_it):
            pass

    with pytest.raises(KeyboardInterrupt):
        block()
    assert calls == [0, 1]
