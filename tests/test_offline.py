"""Commands reach for no network and write where they are told to, and nowhere else."""

import os
import pathlib
import shutil

import keras
import pytest
from PIL import Image

import kerastl
from command_line import run_python
from kerastl.commands.table import NAMES
from kerastl.errors import KerastlError
from kerastl.export_formats import FORMATS
from watched_process import run_watched

COMMANDS = """
import os, signal, sys, threading
from kerastl.commands.table import run_command
from kerastl.progress import Progress

line = Progress.line

def stop_once_it_serves(self, text):
    line(self, text)
    if text.startswith("Serving "):
        threading.Timer(2, os.kill, args=(os.getpid(), signal.SIGTERM)).start()

Progress.line = stop_once_it_serves
store = ["--cache_dir=cache"]
common = [*store, "--dataset=digits", "--weights=bundled", "--examples_per_class=3"]
wanted = [
    ("train", [*common, "--head_epochs=1", "--run_dir=run"]),
    ("export", ["run", "--export_dir=exports", "--format=" + sys.argv[2]]),
    ("predict", ["exports", sys.argv[1], "--output=rows/rows.csv"]),
    ("suggest", ["run", sys.argv[1], "--output=rows/label.csv"]),
    ("serve", ["exports", "--port=0"]),
    ("report", ["run"]),
    ("reproduce", ["run"]),
    ("compare", ["run", "run-again", "--changed=changed/changed.csv"]),
    ("rank", [*common, "--backbones=MobileNetV2_035=bundled", "--run_dir=ranking"]),
    ("learning_curve", [*common, "--examples_per_class=12", "--run_dir=curve"]),
    (
        "tune",
        [*common, "--head_epochs=1", "--run_dir=search", "--max_trials=1"],
    ),
    ("cache", store),
    ("backbones", []),
    ("doctor", store),
]
for folder in ("rows", "changed"):
    os.mkdir(folder)
for name, arguments in wanted:
    code = run_command(name, arguments)
    print("ends with", name, code, flush=True)
"""
# What each command may write to, below the working directory.
FOLDERS = {
    *("run", "exports", "rows", "run-again", "changed", "ranking", "curve", "search", "cache"),
}


def below(path, folders):
    return any(path.is_relative_to(folder) for folder in folders)


@pytest.mark.thorough
def test_commands_reach_for_no_network_and_write_only_where_they_are_told(tmp_path):
    picture = tmp_path / "1.png"
    Image.new("L", (8, 8)).save(picture)
    watched = run_watched(tmp_path / "watched", COMMANDS, str(picture), ",".join(FORMATS))
    ends = [line for line in watched.output.splitlines() if line.startswith("ends with ")]
    assert sorted(ends) == sorted(f"ends with {name} 0" for name in NAMES), watched.output
    assert watched.network == []
    work, home, temporary = (tmp_path / "watched" / name for name in ("work", "home", "tmp"))
    assert {path.name for path in work.iterdir()} == FOLDERS
    assert list(temporary.iterdir()) == []
    assert list(home.iterdir()) == []
    # What Keras writes when it is imported is taken away again.
    keras = (home / ".keras", home / ".keras" / "keras.json")
    allowed = [*(work / name for name in FOLDERS), pathlib.Path("/dev")]
    outside = {path for path in watched.written if not below(path, allowed)} - {*keras}
    assert not outside


def test_the_watch_sees_what_a_process_and_its_children_do(tmp_path):
    code = """
import pathlib, socket, subprocess, sys
pathlib.Path("made").mkdir()
open("read.txt", "w").close()
child = "import socket; open('child.txt', 'a'); socket.create_connection(('127.0.0.1', 9))"
subprocess.run([sys.executable, "-c", child], stderr=subprocess.DEVNULL)
try:
    socket.getaddrinfo("example.com", 443)
except OSError as error:
    print(error)
"""
    watched = run_watched(tmp_path, code)
    assert watched.output == "this test has no network\n"
    assert len(watched.network) == 2
    names = {path.name for path in watched.written if path.is_relative_to(tmp_path / "work")}
    assert names == {"made", "read.txt", "child.txt"}


def test_code_in_a_keras_file_is_refused(color_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trap = tmp_path / "trap"
    inputs = keras.Input((16, 16, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(inputs)
    # It would run when the model answers.
    spring = keras.layers.Lambda(lambda x: (os.mkdir("trap"), x)[1], output_shape=(3,))
    outputs = spring(pooled)
    keras.Model(inputs, outputs).save(tmp_path / "model.keras")
    shutil.copy(color_run.result.run_dir / "model_card.json", tmp_path)
    Image.new("L", (8, 8)).save(tmp_path / "1.png")
    with pytest.raises(KerastlError, match=r"model\.keras'.*Lambda"):
        list(kerastl.predict(tmp_path / "model.keras", [str(tmp_path / "1.png")]))
    assert not trap.exists()


@pytest.mark.thorough
def test_onnx_runtime_reports_nothing_unless_it_is_wanted():
    pytest.importorskip("onnxruntime")
    show = "import os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    for given, expected in (({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0"}, "0")):
        code = f"""if True:
            import sys
            class Look:
                def find_spec(name, *_):
                    if name == "onnxruntime":
                        {show}
            sys.meta_path.insert(0, Look)
            from kerastl.outputs.formats.finding import format_module
            format_module("onnx")
        """
        assert run_python("-c", code, **given).stdout == f"{expected}\n"
