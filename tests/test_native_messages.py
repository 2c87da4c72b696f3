import concurrent.futures
import contextlib
import ctypes
import os
import subprocess
import time

import pytest
import tensorflow as tf

from command_line import run_python
from kerastl import native_messages, native_stream
from picture_files import file_bytes, picture

IN_BLOCK = """
import os, sys
from kerastl import native_messages
with native_messages.held_back():
    os.write(2, b"written by a library\\n" * 9)
    print("said by Python", file=sys.stderr)
    {}
print("and afterwards", file=sys.stderr)
os.write(2, b"at the end\\n")
"""


QUIETLY = "from kerastl.environment import quiet; exec('with quiet(): {}')"


def run_in_block(line, **environment):
    return run_python("-c", IN_BLOCK.format(line), **environment)


@pytest.mark.parametrize("line", ["pass", QUIETLY.format('os.write(2, b"a note")')])
def test_only_what_python_writes_is_shown(line):
    finished = run_in_block(line)
    assert finished.code == 0
    assert finished.stderr == "said by Python\nand afterwards\nat the end\n"


@pytest.mark.parametrize(
    "line",
    ["os.abort()", "raise ValueError", QUIETLY.format('os.write(2, b"in quiet"); os.abort()')],
)
def test_what_was_held_back_is_shown_after_a_crash(line):
    finished = run_in_block(line)
    assert finished.code
    assert finished.stderr.count("written by a library") == 9
    assert "said by Python" in finished.stderr
    assert ("in quiet" in finished.stderr) == ("in quiet" in line)


NOTES = """
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1796059918.129592   30144 stub.cc:31] Could not find cuda drivers on your machine.
2026-11-30 17:30:00.123456: W tensorflow/core/framework/op.cc:1] Something is old.
"""
ERRORS = """
E0000 00:00:1796059918.129592   30144 blas.cc:1] Out of luck.
LLVM ERROR: out of memory
"""


def test_notes_are_not_shown_where_they_explain_no_end():
    # In pieces, as a pipe may give them.
    write = f"[os.write(2, {NOTES.encode()!r}[n : n + 50]) for n in range(0, 400, 50)] * 99;"
    killed = run_in_block(f"{write} os.kill(os.getpid(), 9)")
    assert killed.code == -9
    shown = killed.stderr.replace("said by Python\n", "")
    assert shown.strip("\n") == ("written by a library\n" * 9).strip("\n")
    crashed = run_in_block(f"{write} os.write(2, {ERRORS.encode()!r}); os.abort()")
    assert crashed.stderr.endswith(ERRORS)
    assert "cc:31" not in crashed.stderr


def test_nothing_is_held_back_where_it_is_asked_for():
    assert "written by a library" in run_in_block("pass", TF_CPP_MIN_LOG_LEVEL="0").stderr


def printed(text):
    """Prints to the C library's stderr, as a native library does."""
    library = ctypes.CDLL(None)
    library.fputs(text.encode(), ctypes.c_void_p.in_dll(library, "stderr"))


def test_each_call_gets_what_it_made_libraries_write():
    def call(number):
        time.sleep(0.001)
        if number % 7 == 0:
            printed(f"of {number}\n")
        return number

    with (
        native_messages.caught() as catcher,
        concurrent.futures.ThreadPoolExecutor(4) as pool,
    ):
        found = list(pool.map(lambda number: catcher.call(lambda: call(number)), range(60)))
    assert found == [(number, f"of {number}" if number % 7 == 0 else "") for number in range(60)]


IN_SIEVE = """
import ctypes, os, sys
from kerastl import native_messages, native_stream
def printed(*lines):
    library = ctypes.CDLL(None)
    for line in lines:
        library.fputs(line, ctypes.c_void_p.in_dll(library, "stderr"))
with native_messages.sieve() as sieved:
    with sieved():
        printed(b"Corrupt JPEG data: premature end of data segment\\n", b"of a driver\\n", b"in ")
        printed(b"pieces\\n", b"libpng warning: iCCP: too short", b"\\n", b"at the end")
        print("said by Python", file=sys.stderr, flush=True)
        {}
    printed(b"Corrupt JPEG data: of the caller\\n")
"""
needs_stream = pytest.mark.skipif(
    not native_stream.can_be_set(), reason="another C library than GNU's"
)


@needs_stream
@pytest.mark.parametrize("line", ["pass", "os.abort()"])
def test_only_what_decoders_print_is_left_out(line):
    finished = run_python("-c", IN_SIEVE.format(line))
    lines = finished.stderr.split("\n")
    assert {"of a driver", "in pieces", "said by Python"} <= set(lines)
    assert "at the end" in finished.stderr
    assert not [one for one in lines if "premature" in one or "libpng" in one]
    assert finished.code or "Corrupt JPEG data: of the caller" in lines


def test_nothing_is_left_out_where_it_is_wanted():
    finished = run_python("-c", IN_SIEVE.format("pass"), TF_CPP_MIN_LOG_LEVEL="0")
    assert "premature end" in finished.stderr


def odd_jpeg():
    content = file_bytes(picture(0), "JPEG")
    return content[:-2] + b"A" * 18 + content[-2:]


@needs_stream
def test_decoders_are_not_heard_in_the_sieve(capfd):
    with native_messages.sieve() as sieved, sieved():
        tf.io.decode_jpeg(odd_jpeg())
        os.write(2, b"of the caller\n")
    tf.io.decode_jpeg(odd_jpeg())
    said = capfd.readouterr().err
    assert said.startswith("of the caller\nCorrupt JPEG data")
    assert said.count("Corrupt") == 1


@needs_stream
def test_catching_leaves_python_its_stderr(capfd):
    with native_messages.caught() as catcher:
        _, first = catcher.call(lambda: os.write(2, b"of the caller\n"))
        with native_messages.sieve() as sieved, sieved():
            pass
        _, second = catcher.call(lambda: tf.io.decode_jpeg(odd_jpeg()))
    assert (first, second[:17]) == ("", "Corrupt JPEG data")
    assert capfd.readouterr().err == "of the caller\n"


@needs_stream
def test_blocks_of_threads_may_overlap(tmp_path):
    library = ctypes.CDLL(None)
    paths = [tmp_path / "first", tmp_path / "second"]
    with contextlib.ExitStack() as files:
        opened = [files.enter_context(path.open("wb")) for path in paths]
        streams = [files.enter_context(native_stream.stream_to(one.fileno())) for one in opened]
        first, second = (stream.used() for stream in streams)
        own = ctypes.c_void_p.in_dll(library, "stderr").value
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        printed("text")
        second.__exit__(None, None, None)
    assert [path.read_bytes() for path in paths] == [b"", b"text"]
    assert ctypes.c_void_p.in_dll(library, "stderr").value == own


@needs_stream
def test_a_sieve_that_ends_late_is_still_waited_for(monkeypatch):
    """On a busy machine, or where another process has its pipe; Python warns of such processes."""
    monkeypatch.setenv(native_messages.LEVEL, native_messages.QUIET)
    monkeypatch.setattr(native_messages, "PATIENCE_SECONDS", 0.0)
    started, popen = [], subprocess.Popen
    monkeypatch.setattr(
        native_messages.subprocess,
        "Popen",
        lambda *given, **options: started.append(popen(*given, **options)) or started[-1],
    )
    with native_messages.sieving():
        pass
    (process,) = started
    deadline = time.monotonic() + 60
    # By whoever waits: this looks without doing so.
    while process.returncode is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert process.returncode == 0
