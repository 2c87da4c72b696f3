import dataclasses
import os
import signal
import time
import types

import pytest

import kerastl
from command_line import run_python
from kerastl import environment, main
from kerastl.commands import table
from kerastl.commands.guard import guard
from kerastl.errors import KerastlError, UsageError
from kerastl.settings import TOPICS

SLOW = {"tensorflow", "keras", "numpy", "sklearn", "tensorflow_datasets"}


def run_main(*arguments, **environment):
    return run_python("-m", "kerastl.main", *arguments, **environment)


def test_help_is_shown_before_anything_slow_is_imported():
    done = run_main("--help")
    assert (done.code, done.stderr) == (0, "")
    assert all(f"\n  --{name}" in done.stdout for topic in TOPICS.values() for name in topic)
    assert not done.imported & SLOW


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (
            "--batchsize=8",
            "error: --batchsize: is not a flag. Did you mean --batch_size? See --help for all.\n",
        ),
        (
            "--head_epochs=-1",
            "error: head_epochs=-1: must be at least 0 and at most 100000. The default is 10.\n",
        ),
        ("--backbone=ResNet5O", "error: backbone='ResNet5O': is not a backbone of "),
    ],
)
def test_wrong_usage_is_one_line_before_anything_slow_is_imported(tmp_path, flag, message):
    run_dir = tmp_path / "run"
    done = run_main("--dataset=digits", f"--run_dir={run_dir}", flag)
    assert done.code == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert "Did you mean" in done.stderr or "The default is" in done.stderr
    assert done.stdout == ""
    assert not done.imported & SLOW
    assert not run_dir.exists()


def test_error_is_shown_on_an_ascii_console():
    done = run_main("--flagfile=čeština.flags", PYTHONIOENCODING="ascii")
    assert done.code == 2
    assert done.stderr == (
        "error: flagfile='\\u010de\\u0161tina.flags': cannot be read "
        "(No such file or directory). Check its path.\n"
    )


TEST = {
    "accuracy": 0.83116,
    "accuracy_low": 0.8143,
    "accuracy_high": 0.84702,
    "num_images": 2000,
}


def test_package_is_imported_without_anything_slow():
    done = run_python("-c", "import kerastl; print(kerastl.Config.__name__, kerastl.__version__)")
    assert done.stdout.startswith("Config ")
    assert not done.imported & SLOW


@pytest.fixture
def fake_run(monkeypatch):
    """Replaces the run by what a test wants to happen; says with what it was called."""
    calls = []

    def use(outcome, phases=types.MappingProxyType({"head": 0.5})):
        def run(config, *, progress):
            calls.append(config)
            if isinstance(outcome, BaseException):
                raise outcome
            return types.SimpleNamespace(
                metrics={"test": outcome, "highest_validation_accuracy": phases}
            )

        monkeypatch.setattr(kerastl, "run", run)
        return calls

    return use


def test_last_line_tells_the_test_accuracy(fake_run, capsys):
    calls = fake_run(TEST)
    assert main.main(["--dataset=digits", "--run_dir=x", "--seed=5"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "Test accuracy 0.8312 (0.8143-0.8470) on 2000 images"
    assert err == ""
    assert [call.seed for call in calls] == [5]


@pytest.mark.parametrize(
    ("phases", "lines"),
    [
        ({"head": 0.5}, []),
        ({"scratch": 0.5}, []),
        (
            {"head": 0.5, "finetune": 0.75},
            [
                "Highest validation accuracy of an epoch: 0.5000 of a head on frozen features, "
                "0.7500 of fine-tuning."
            ],
        ),
    ],
)
def test_the_end_tells_what_transfer_gave(phases, lines, fake_run, capsys):
    fake_run(TEST, phases)
    main.main(["--dataset=digits", "--run_dir=x"])
    assert capsys.readouterr().out.splitlines()[:-1] == lines


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KerastlError("run_dir='x': is full. Free it."), 1, "run_dir='x': is full. Free it."),
        (UsageError("seed=1: is bad. Take 2."), 2, "seed=1: is bad. Take 2."),
        (KeyboardInterrupt(), 130, "stopped."),
        (KeyboardInterrupt("The best is in x."), 130, "stopped. The best is in x."),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_a_code(fake_run, capsys, error, code, line):
    fake_run(error)
    assert main.main(["--dataset=digits", "--run_dir=x"]) == code
    assert capsys.readouterr() == ("", f"error: {line}\n")


def test_fault_of_the_program_keeps_its_traceback(fake_run):
    fake_run(ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError, match="ours"):
        main.main(["--dataset=digits", "--run_dir=x"])


def test_arguments_come_from_the_shell_by_default(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["main.py", "--sed=1"])
    assert main.main() == 2
    assert capsys.readouterr().err.startswith("error: --sed: is not a flag.")


def run_cli(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["kerastl", *arguments])
    return table.main()


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_installed_command_lists_its_subcommands(monkeypatch, capsys, arguments):
    assert run_cli(monkeypatch, *arguments) == 0
    assert capsys.readouterr().out.startswith("usage: kerastl train")


def test_train_subcommand_is_the_main_command(monkeypatch, capsys):
    assert run_cli(monkeypatch, "train", "--help") == 0
    assert "--dataset (required)" in capsys.readouterr().out
    assert run_cli(monkeypatch, "train", "--sed=1") == 2
    assert capsys.readouterr().err.startswith("error: --sed: is not a flag. Did you mean --seed?")


def test_misspelled_subcommand_is_refused(monkeypatch, capsys):
    assert run_cli(monkeypatch, "trian") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: command='trian': is not a command. Did you mean 'train'? Known: ")
    assert err.count("\n") == 1


def test_interrupt_that_python_drops_is_repeated(monkeypatch, capsys):
    real_signal = signal.signal

    class Deaf:
        def __del__(self):
            raise KeyboardInterrupt

    def command(output):
        del [Deaf()][0]
        for _ in range(50):
            time.sleep(0.1)

    # Test runners leave interrupts to their main process.
    monkeypatch.setattr("signal.signal", lambda *_: None)
    handler = real_signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    try:
        assert guard(command) == 130
    finally:
        real_signal(signal.SIGINT, handler)
    assert time.monotonic() - started < 4
    assert capsys.readouterr().err == "error: stopped.\n"


def test_interrupt_during_an_import_holds_back_what_libraries_wrote(capfd):
    def stop():
        with environment.quiet():
            os.write(2, b"I0000 oneDNN")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda config: kerastl.rank(config, backbones={1}), "backbones={1}: is not text."),
        (lambda _: kerastl.run("digits"), "config='digits': is no kerastl.Config. Give"),
        (
            lambda _: kerastl.tune({"dataset": "x"}),
            "config={'dataset': 'x'}: is no kerastl.Config.",
        ),
        (lambda config: kerastl.run(config, source=([], [])), "source=([], []): is no kerastl.Sou"),
        (lambda config: kerastl.rank(config, source="x"), "source='x': is no kerastl.Source. Make"),
        (lambda _: kerastl.predict(None, "y"), "model=None: is no path. Give the path of a file"),
        (lambda _: kerastl.export(3, export_dir="x"), "run=3: is no path."),
        (
            lambda _: kerastl.Config(dataset="x", epochs=3),
            "epochs: is not a setting of kerastl.Con",
        ),
        (lambda _: kerastl.SearchOptions(trials=3), "trials: is not a setting of kerastl.SearchO"),
        (
            lambda config: dataclasses.replace(config, learning_rate=1),
            "learning_rate: is not a setting of kerastl.Config. Did you mean head_learning_rate or "
            "finetune_learning_rate? See help(kerastl.Config).",
        ),
        (lambda _: kerastl.predict("x", ["y"], batch_size=0), "batch_size=0: must be at least 1"),
        (lambda _: kerastl.serve("x", port=-1), "port=-1: must be at least 0 and at most 65535."),
    ],
)
def test_functions_check_their_values_like_flags(call, message):
    config = kerastl.Config(run_dir="x", dataset="digits")
    with pytest.raises(UsageError) as refused:
        call(config)
    assert str(refused.value).startswith(message)


def test_result_types_need_nothing_slow():
    done = run_python("-c", "import kerastl; print(kerastl.Result, kerastl.run.__module__)")
    assert done.code == 0
    assert not done.imported & SLOW
