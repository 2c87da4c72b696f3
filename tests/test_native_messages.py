import concurrent.futures
import os
import time

import pytest

from command_line import run_python
from kerastl import native_messages

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


def test_nothing_is_held_back_where_it_is_asked_for():
    assert "written by a library" in run_in_block("pass", TF_CPP_MIN_LOG_LEVEL="0").stderr


def test_each_call_gets_what_it_made_libraries_write():
    def call(number):
        time.sleep(0.001)
        if number % 7 == 0:
            os.write(2, f"of {number}\n".encode())
        return number

    with (
        native_messages.caught() as catcher,
        concurrent.futures.ThreadPoolExecutor(4) as pool,
    ):
        found = list(pool.map(lambda number: catcher.call(lambda: call(number)), range(60)))
    assert found == [(number, f"of {number}" if number % 7 == 0 else "") for number in range(60)]
