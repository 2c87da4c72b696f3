import errno
import os
import pathlib
import signal
import subprocess
import sys

import pytest

import kerastl
from kerastl.commands.guard import guard
from kerastl.commands.table import NAMES, main
from kerastl.version import VERSION


def fail_with(error):
    def command(output):
        raise error

    return command


@pytest.mark.parametrize(
    "code", [errno.EIO, errno.ENOTCONN, errno.ESTALE, errno.EACCES, errno.EMFILE, errno.ENOENT]
)
def test_disk_that_fails_is_one_line(capsys, code):
    assert guard(fail_with(OSError(code, os.strerror(code), b"data/red"))) == 1
    assert capsys.readouterr().err == (
        f"error: 'data/red': {os.strerror(code)}. Check that it and its drive can be used, and "
        "repeat the command.\n"
    )


def test_memory_that_is_too_little_is_one_line(capsys):
    assert guard(fail_with(MemoryError("Unable to allocate 12 GiB"))) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: memory: this process may use ")
    assert "(Unable to allocate 12 GiB)" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            ModuleNotFoundError("No module named 'sklearn.svm'", name="sklearn.svm"),
            "sklearn: cannot be imported (ModuleNotFoundError: No module named 'sklearn.svm'). "
            "Install it again: pip install --force-reinstall scikit-learn.",
        ),
        (
            ImportError("cannot import name 'x'", name="h5py", path="{here}/h5py.py"),
            "h5py: cannot be imported (ImportError: cannot import name 'x'). Rename "
            "{here}/h5py.py: Python takes it for the library of that name.",
        ),
    ],
)
def test_library_that_cannot_be_imported_is_one_line(capsys, monkeypatch, tmp_path, error, words):
    monkeypatch.chdir(tmp_path)
    if error.path:
        error.path = error.path.format(here=tmp_path)
    assert guard(fail_with(error)) == 1
    assert capsys.readouterr().err == f"error: {words.format(here=tmp_path)}\n"


def test_import_of_our_own_that_fails_is_a_fault(capsys):
    with pytest.raises(ImportError):
        guard(fail_with(ImportError("cannot import name 'x'", name="kerastl.run")))


def test_libraries_that_do_not_fit_each_other_are_one_line(tmp_path):
    """Their versions differ, or an installation was interrupted."""
    package = tmp_path / "tensorflow"
    package.mkdir()
    (package / "__init__.py").write_text("raise TypeError('Descriptors cannot be created.')")
    done = subprocess.run(
        [sys.executable, "-m", "kerastl", "train", "--dataset=digits", "--run_dir=run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{pathlib.Path(kerastl.__file__).parents[1]}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "error: tensorflow: cannot be imported (TypeError: Descriptors cannot be created.). "
        "Install it again: pip install --force-reinstall tensorflow.\n",
    )


COMMAND = """
import os
from kerastl import environment
from kerastl.commands.guard import guard
from kerastl.errors import KerastlError

def command(output):
    with open("file", "w") as file, environment.quiet():
        os.write(2, b"words of a library")
        file.write(str(file.fileno()))
    output.line("done")
    if output.failure:
        raise KerastlError("nobody reads this")

raise SystemExit(guard(command))
"""


def run_in_shell(tmp_path, form):
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", form.format(f"{sys.executable} -P -c '{COMMAND}'")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(kerastl.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("form", ["{} 2>&-", "{} <&- >&- 2>&-"])
def test_streams_that_are_closed_are_never_files(tmp_path, form):
    done = run_in_shell(tmp_path, form)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if " >&-" in form else "done\n")
    assert int((tmp_path / "file").read_text()) > 2


def test_output_that_nobody_reads_adds_nothing_to_the_error(tmp_path):
    done = run_in_shell(tmp_path, "{} > /dev/full")
    assert (done.returncode, done.stderr) == (1, "error: nobody reads this\n")


def test_signal_at_the_end_changes_no_exit_code():
    # What is registered first comes last, as the ends of libraries do.
    code = """if True:
        import atexit, os, signal
        atexit.register(lambda: [os.kill(os.getpid(), number) for number in (1, 2, 15)])
        from kerastl.commands.guard import guard
        raise SystemExit(guard(lambda output: None))
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_that_ends_a_program_is_one_line_unless_it_is_ignored(capsys, number, before):
    is_ignored = before == signal.SIG_IGN
    handler = signal.signal(number, before)
    try:
        code = 0 if is_ignored else 128 + number
        assert guard(lambda _: signal.raise_signal(number)) == code
    finally:
        signal.signal(number, handler)
    assert capsys.readouterr().err == ("" if is_ignored else "error: stopped.\n")


def test_interrupt_that_a_library_turns_into_an_error_stops_a_command(capsys):
    def command(_):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt as error:
            text = f"MISMATCH of exception types: ORIGINAL A REPLACED BY {type(error).__name__}"
        try:
            raise RuntimeError(text)
        except RuntimeError as error:
            raise kerastl.KerastlError("e/1: cannot be served") from error

    assert guard(command) == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "error: stopped.\n"
    assert guard(fail_with(kerastl.KerastlError("a KeyboardInterrupt"))) == 1


@pytest.mark.parametrize("is_hidden", [False, True])
def test_stop_says_how_to_go_on(capsys, is_hidden):
    def command(_):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt as error:
            error.args = ("Repeat the command to go on.",)
            if is_hidden:
                raise kerastl.KerastlError("cannot be saved") from error
            raise

    assert guard(command) == 128 + signal.SIGINT
    assert capsys.readouterr().err == "error: stopped. Repeat the command to go on.\n"


@pytest.mark.parametrize("error", [OSError("ours"), OSError(9, "ours"), OSError(9, "ours", 3)])
def test_fault_of_ours_keeps_its_traceback(error):
    with pytest.raises(OSError, match="ours"):
        guard(fail_with(error))


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_commands_are_listed_with_what_they_do(monkeypatch, capsys, arguments):
    monkeypatch.setattr("sys.argv", ["kerastl", *arguments])
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    for name in NAMES:
        (line,) = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(line.split()) > 3
    assert len(lines) <= 34
    assert max(map(len, lines[1:])) <= 88


@pytest.mark.parametrize("form", ["--version", "-V", "version"])
def test_version_is_told(monkeypatch, capsys, form):
    monkeypatch.setattr("sys.argv", ["kerastl", form])
    assert main() == 0
    assert capsys.readouterr().out == f"kerastl {VERSION}\n"


STOPPED = """
import os, signal, sys, time
from kerastl.commands.guard import guard

def command(output):
    os.write(2, b"words of a library")
    try:
        signal.raise_signal(int(sys.argv[1]))
    finally:
        # A launcher has sent it twice.
        signal.raise_signal(int(sys.argv[1]))
        if len(sys.argv) > 2:
            time.sleep(float(sys.argv[3]))
            signal.raise_signal(int(sys.argv[2]))
            time.sleep(60)
        output.line("saved")

raise SystemExit(guard(command))
"""


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        ([signal.SIGTERM], 143, "saved\n", "error: stopped.\n"),
        # As fast as fingers, and another one at once.
        ([signal.SIGINT, signal.SIGINT, 0.15], 130, "", "error: stopped at once.\n"),
        ([signal.SIGTERM, signal.SIGINT, 0], 130, "", "error: stopped at once.\n"),
    ],
)
def test_first_signal_lets_a_command_save_and_a_later_one_does_not(arguments, code, out, err):
    done = subprocess.run(
        [sys.executable, "-P", "-c", STOPPED, *(f"{one:g}" for one in arguments)],
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(kerastl.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, out, err)


# Python imports it in every process, before anything else.
SENDS_A_SIGNAL = """
import os, sys

def see(event, arguments):
    if event == "import" and arguments[0] == "kerastl.config":
        os.kill(os.getpid(), {number})

sys.addaudithook(see)
"""
SCRIPT = "import sys; from kerastl.commands.table import main; sys.exit(main())"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    ("command", "is_ours"),
    [
        (["-m", "kerastl", "--version"], True),
        (["-P", "-m", "kerastl.main", "--help"], True),
        (["{here}/kerastl", "--version"], True),
        # The signals of other programs are theirs.
        (["-m", "kerastl.outputs.parity_worker"], False),
        (["-c", "import kerastl"], False),
    ],
)
def test_signal_while_a_command_is_imported_is_one_line(tmp_path, command, is_ours, number):
    (tmp_path / "sitecustomize.py").write_text(SENDS_A_SIGNAL.format(number=int(number)))
    (tmp_path / "kerastl").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, *(word.format(here=tmp_path) for word in command)],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{pathlib.Path(kerastl.__file__).parents[1]}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if is_ours:
        assert (done.returncode, done.stdout, done.stderr) == (
            128 + number,
            "",
            "error: stopped.\n",
        )
    else:
        assert done.returncode == -number


IN_A_LIBRARY = """
import hashlib, os, signal, threading, time
from kerastl.commands.guard import guard

def send():
    for _ in range(2):
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

def command(output):
    threading.Thread(target=send).start()
    # One call, in which Python sees no signal.
    hashlib.pbkdf2_hmac("sha256", b"", b"", 100_000_000)

raise SystemExit(guard(command))
"""


def test_second_signal_ends_a_command_that_has_not_seen_the_first():
    done = subprocess.run(
        [sys.executable, "-P", "-c", IN_A_LIBRARY],
        env=os.environ | {"PYTHONPATH": str(pathlib.Path(kerastl.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (130, "error: stopped at once.\n")


def test_limit_of_open_files_is_raised_or_told_before_anything_is_done(tmp_path):
    few = run_in_shell(tmp_path, "ulimit -n 20; {}")
    assert (few.returncode, few.stdout) == (1, "")
    assert few.stderr.startswith("error: open files: this process may have 20 at a time and needs")
    assert few.stderr.count("\n") == 1
    raised = run_in_shell(tmp_path, "ulimit -Sn 20; {}")
    assert (raised.returncode, raised.stdout) == (0, "done\n")
