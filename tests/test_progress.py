import io
import types
import unicodedata

import pytest

from kerastl.errors import UsageError
from kerastl.progress import Progress, format_duration
from kerastl.settings.recipe import read_duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only when a test says so."""
    now = [100.0]
    # Not in the module `time` itself, where a server's event loop would stand still, too.
    fake = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("kerastl.progress.time", fake)
    return now


def test_file_gets_lines_without_control_characters():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.status("step 1")
    progress.line("epoch 1")
    progress.status("step 2")
    progress.line("epoch 2")
    assert stream.getvalue() == "epoch 1\nepoch 2\n"
    assert not progress.on_terminal
    controls = [letter for letter in stream.getvalue() if unicodedata.category(letter) == "Cc"]
    assert set(controls) == {"\n"}


def test_python_code_gives_a_progress_a_stream_or_whether_there_is_any(capsys):
    stream = io.StringIO()
    progress = Progress(stream)
    assert Progress.of(progress) is progress
    Progress.of(stream).line("stream")
    Progress.of(None, default=stream).line("default")
    assert stream.getvalue() == "stream\ndefault\n"
    Progress.of(None).line("silent")
    Progress.of(False, default=stream).line("silent")
    Progress.of(True).line("output")
    assert capsys.readouterr().out == "output\n"
    with pytest.raises(UsageError, match=r"^progress=.*: is no kerastl\.Progress\. Give kerastl"):
        Progress.of(print)


def test_terminal_redraws_one_line_and_erases_it_before_the_next(clock):
    stream = Terminal()
    progress = Progress(stream)
    progress.status("step 1")
    clock[0] += 0.2
    progress.status("step 2")
    progress.line("epoch 1")
    assert stream.getvalue() == "\r\x1b[Kstep 1\r\x1b[Kstep 2\r\x1b[Kepoch 1\n"


def test_terminal_is_redrawn_at_most_ten_times_a_second(clock):
    stream = Terminal()
    progress = Progress(stream)
    for step in range(1000):
        progress.status(f"step {step}")
        clock[0] += 0.002
    assert 15 <= stream.getvalue().count("\r") <= 20


def test_status_never_wraps(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    Progress(stream).status("x" * 100)
    assert stream.getvalue() == "\r\x1b[K" + "x" * 19


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", rb"\u010de\u0161tina \xb5 \U0001f600"),
        ("cp1252", b"\\u010de\x9atina \xb5 \\U0001f600"),
        ("utf-8", "čeština \xb5 😀".encode()),
    ],
)
def test_letters_that_the_encoding_lacks_become_escapes(encoding, shown):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n")
    Progress(stream).line("čeština \xb5 😀")
    assert stream.buffer.getvalue() == shown + b"\n"


def test_name_that_is_no_text_is_escaped():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n")
    Progress(stream).line("caf\udce9.jpg")
    assert stream.buffer.getvalue() == b"caf\\udce9.jpg\n"


def test_lines_are_seen_at_once():
    stream = io.TextIOWrapper(io.BufferedWriter(io.BytesIO()), encoding="utf-8", newline="\n")
    Progress(stream).line("epoch 1")
    assert stream.buffer.raw.getvalue() == b"epoch 1\n"


def test_silence_writes_nothing(capfd):
    progress = Progress()
    progress.line("epoch 1")
    progress.status("step 1")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (8.74, "8.7 s"),
        (99.4, "99.4 s"),
        (99.6, "100 s"),
        (190, "190 s"),
        (599, "599 s"),
        (600, "10 min"),
        (3569, "59 min"),
        (3580, "1 h 00 min"),
        (11100, "3 h 05 min"),
    ],
)
def test_durations_read_as_a_person_says_them(seconds, text):
    assert format_duration(seconds) == text


def test_stream_that_breaks_silences_the_rest_and_is_remembered():
    class Full(io.StringIO):
        encoding = "utf-8"

        def write(self, text):
            raise OSError(28, "No space left on device")

    progress = Progress(Full())
    progress.line("one")
    progress.line("two")
    assert progress.failure.strerror == "No space left on device"


def test_duration_is_read():
    assert [read_duration(text) for text in ("90s", "10m", "1.5h")] == [90, 600, 5400]
    assert read_duration("") == float("inf")
    for text in ("10", "m", "0m", "-1s", "1d"):
        with pytest.raises(UsageError, match=r"^budget=.*: is not a time. Give one, as in 90s"):
            read_duration(text)
