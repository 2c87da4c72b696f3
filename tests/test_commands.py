import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from PIL import Image

import kerastl

PACKAGE_PARENT = pathlib.Path(kerastl.__file__).parents[1]

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Runs the command as a process that knows no letter beyond ASCII."""
    folder = tmp_path_factory.mktemp("command")

    def run(*arguments, search_path=()):
        narrow = {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
        search_path = os.pathsep.join(map(str, [*search_path, PACKAGE_PARENT]))
        return subprocess.run(
            [sys.executable, "-m", "kerastl.main", *arguments],
            cwd=folder,
            env=os.environ | narrow | {"PYTHONPATH": search_path, "KERAS_HOME": str(folder)},
            capture_output=True,
            check=False,
        )

    return folder, run


RUN_DIR = "my runs/čeština"
FLAGS = (
    "--dataset=digits",
    "--examples_per_class=4",
    "--backbone=MobileNet",
    "--weights=none",
    "--image_size=32",
    "--head_epochs=0",
    "--finetune_epochs=1",
    f"--run_dir={RUN_DIR}",
    "--export_dir=my exports/ž",
)


@pytest.fixture(scope="module")
def finished(command):
    folder, run = command
    return folder, run(*FLAGS)


def test_run_is_done_without_a_word_on_stderr(finished):
    _, process = finished
    assert process.stderr == b""
    assert process.returncode == 0


def test_output_is_plain_lines_and_ends_with_the_accuracy(finished):
    folder, process = finished
    assert re.search(rb"[^\n -~]", process.stdout) is None
    lines = process.stdout.decode("ascii").splitlines()
    assert len([line for line in lines if line.startswith("scratch 1/1: loss ")]) == 1
    assert any(r"my runs/\u010de\u0161tina" in line for line in lines)
    last = re.fullmatch(
        r"Test accuracy (\d\.\d{4}) \((\d\.\d{4})-(\d\.\d{4})\) on 179 images", lines[-1]
    )
    test = json.loads((folder / RUN_DIR / "metrics.json").read_text(encoding="utf-8"))["test"]
    assert last is not None
    assert [float(number) for number in last.groups()] == [
        round(test[name], 4) for name in ("accuracy", "accuracy_low", "accuracy_high")
    ]


def test_run_leaves_its_files_where_it_was_told(finished):
    folder, _ = finished
    with open(folder / RUN_DIR / "predictions.csv", encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == 179
    assert (folder / "my exports" / "ž" / "1" / "saved_model.pb").is_file()
    assert f"--run_dir={RUN_DIR}" in (folder / RUN_DIR / "flags.txt").read_text(encoding="utf-8")


def test_repeating_a_finished_run_is_refused_before_tensorflow_is_imported(finished, command):
    folder, run = command
    (folder / "trap").mkdir()
    for name in ("tensorflow", "keras"):
        (folder / "trap" / f"{name}.py").write_text("raise SystemExit('was imported')")
    process = run(f"--flagfile={RUN_DIR}/flags.txt", search_path=[folder / "trap"])
    assert re.fullmatch(rb"error: run_dir=.*: holds a finished run\. .*\n", process.stderr)
    assert process.stdout == b""
    assert process.returncode == 2
    assert (folder / RUN_DIR / "metrics.json").exists()


def test_stopped_run_leaves_its_best_epoch_and_nothing_half_written(tmp_path):
    flags = [flag for flag in FLAGS if not flag.startswith(("--run_dir", "--finetune_epochs"))]
    flags += [f"--run_dir={tmp_path}/run", "--finetune_epochs=1000"]
    with subprocess.Popen(
        [sys.executable, "-m", "kerastl.main", *flags],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PACKAGE_PARENT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout:
            if line.startswith("scratch 2/1000"):
                # As a cluster stops a job. It is handled as an interrupt from the keyboard is.
                process.send_signal(signal.SIGTERM)
                break
        out, err = process.communicate(timeout=60)
    checkpoint = tmp_path / "run" / "checkpoints" / "best.keras"
    assert err == (
        "error: stopped. Repeat the command to go on. The best finished epoch is in "
        f"{checkpoint}.\n"
    ), out
    assert process.returncode == 128 + signal.SIGTERM
    assert {path.suffix for path in checkpoint.parent.iterdir()} == {".keras", ".npz", ".txt"}
    receipt = json.loads((tmp_path / "run" / "receipt.json").read_text())
    assert [check["passed"] for check in receipt["checks"]] == [True]
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


BARE_MACHINE = """
import os, sys, tempfile
tempfile._candidate_tempdir_list = lambda: ["/nonexistent"]
os.chdir(sys.argv.pop(1))
for name in ("queue", "random", "code"):
    open(f"{name}.py", "w").write("raise SystemExit(3)")
from kerastl.commands.table import main
sys.exit(main())
"""


def on_bare_machine(folder, *arguments, **environment):
    """Runs a command with no temporary folder, no home, and a user's own modules beside it."""
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE_PARENT), "HOME": "/dev/null"}
    return subprocess.run(
        [sys.executable, "-P", "-c", BARE_MACHINE, str(folder), *arguments],
        env=bare | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_command_needs_neither_home_nor_temporary_folder(tmp_path):
    found = on_bare_machine(tmp_path, *["train", *FLAGS, "--format=savedmodel,keras"])
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.count("nothing is kept between runs: /dev/null/.cache/kerastl") == 1
    names = {"queue.py", "random.py", "code.py", "my runs", "my exports"}
    assert set(os.listdir(tmp_path)) == names
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    assert {"saved_model.pb", "model.keras"} <= set(os.listdir(tmp_path / "my exports/ž/1"))
    images = tmp_path / "photos [2024]"
    images.mkdir()
    Image.new("L", (8, 8)).save(images / "1.png")
    found = on_bare_machine(tmp_path, "predict", "my exports/ž", f"{images}/*.png")
    assert (found.returncode, found.stderr) == (0, "")
    assert len(found.stdout.splitlines()) == 2
