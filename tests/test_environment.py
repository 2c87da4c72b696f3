import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import types
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from command_line import run_python
from kerastl import device, environment
from kerastl.errors import KerastlError
from kerastl.progress import Progress

STATE = """
import sys
from kerastl import environment
from kerastl.progress import Progress
environment.prepare(Progress(sys.stdout))
import keras, tensorflow
assert tensorflow.keras.Input is keras.Input
def state():
    config = keras.config
    return config.backend(), config.image_data_format(), config.floatx(), config.dtype_policy().name
print(state())
with environment.ready("float32", 0, Progress()):
    print(state())
    image = keras.Input((8, 8, 3))
    print(keras.layers.Conv2D(4, 8)(image).shape)
print(state())
"""


def write_keras_json(folder, text):
    (folder / "keras.json").write_text(text, encoding="utf-8")
    return str(folder)


@pytest.mark.thorough
def test_another_backend_in_the_shell_is_overruled_aloud(tmp_path):
    done = run_python(
        "-c", STATE, KERAS_BACKEND="torch", TF_USE_LEGACY_KERAS="1", KERAS_HOME=str(tmp_path)
    )
    assert done.stdout.splitlines() == [
        "KERAS_BACKEND='torch' is ignored: kerastl runs on TensorFlow.",
        "('tensorflow', 'channels_last', 'float32', 'float32')",
        "('tensorflow', 'channels_last', 'float32', 'float32')",
        "(None, 1, 1, 4)",
        "('tensorflow', 'channels_last', 'float32', 'float32')",
    ]
    assert (done.code, done.stderr) == (0, "")


@pytest.mark.thorough
def test_settings_of_the_home_folder_do_not_reach_a_run(tmp_path):
    there = {"floatx": "float16", "image_data_format": "channels_first", "backend": "jax"}
    home = write_keras_json(tmp_path, json.dumps(there))
    done = run_python("-c", STATE, KERAS_HOME=home)
    assert done.stdout.splitlines() == [
        "('tensorflow', 'channels_first', 'float16', 'float16')",
        "('tensorflow', 'channels_last', 'float32', 'float32')",
        "(None, 1, 1, 4)",
        "('tensorflow', 'channels_first', 'float16', 'float16')",
    ]
    assert (done.code, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"floatx": ', r"is not JSON \(.*\)\. Fix or remove it\."),
        (
            '{"floatx": "float8"}',
            r"floatx='float8' is not one of float16, bfloat16, float32, float64\. "
            r"Fix or remove the file\.",
        ),
        (
            '{"image_data_format": "first"}',
            r"image_data_format='first' is not one of channels_last, channels_first\. "
            r"Fix or remove the file\.",
        ),
        (
            '{"epsilon": "small"}',
            r"epsilon='small' is not a number with a decimal point\. Fix or remove the file\.",
        ),
        ("[]", r"floatx=None is not one of .*\. Fix or remove the file\."),
    ],
)
def test_keras_json_that_keras_would_die_of_is_refused(tmp_path, monkeypatch, text, problem):
    home = write_keras_json(tmp_path, text)
    monkeypatch.setenv("KERAS_HOME", home)
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(KerastlError, match=rf"^{home}/keras\.json: {problem}$"):
        environment.prepare(Progress())


def test_broken_keras_json_ends_a_command_with_one_line(tmp_path):
    home = write_keras_json(tmp_path, "floatx: float16")
    run_dir = f"--run_dir={tmp_path / 'run'}"
    done = run_python("-m", "kerastl.main", "--dataset=digits", run_dir, KERAS_HOME=home)
    assert done.code == 1
    assert done.stderr.startswith(f"error: {home}/keras.json: is not JSON (")
    assert done.stderr.count("\n") == 1
    assert "tensorflow" not in done.imported


def test_keras_that_is_up_on_another_backend_is_refused(monkeypatch):
    other = types.SimpleNamespace(backend=types.SimpleNamespace(backend=lambda: "jax"))
    monkeypatch.setitem(sys.modules, "keras", other)
    with pytest.raises(KerastlError) as caught:
        environment.prepare(Progress())
    assert str(caught.value) == (
        "KERAS_BACKEND='jax': Keras is already imported on this backend and kerastl runs on "
        "TensorFlow. Start a fresh Python with KERAS_BACKEND=tensorflow."
    )


@pytest.fixture
def odd_settings():
    before = keras.config.image_data_format(), keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_image_data_format(before[0])
    keras.config.set_floatx(before[1])
    keras.config.set_dtype_policy(before[2])


def global_settings():
    config = keras.config
    return config.image_data_format(), config.floatx(), config.dtype_policy().name


def test_settings_are_put_back_even_after_a_failure(odd_settings):
    seen = []

    def fail():
        with environment.ready("mixed_float16", 0, Progress()):
            seen.append(global_settings())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == [("channels_last", "float32", "mixed_float16")]
    assert global_settings() == ("channels_first", "float64", "mixed_bfloat16")


def test_what_a_program_debugs_is_off_in_a_run():
    tf.config.run_functions_eagerly(True)
    try:
        with environment.ready("float32", 0, Progress()):
            assert not tf.config.functions_run_eagerly()
        assert tf.config.functions_run_eagerly()
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.mark.parametrize(
    ("enter", "words"),
    [
        (lambda: tf.Graph().as_default(), "tensorflow: is without eager execution here, by a"),
        (lambda: tf.distribute.MirroredStrategy().scope(), "tensorflow: is in the scope of a"),
    ],
)
def test_tensorflow_that_no_run_can_use_is_one_line(enter, words):
    with enter():
        for prepare in (environment.prepare, environment.prepare_tensorflow):
            with pytest.raises(KerastlError) as caught:
                prepare(Progress())
            assert str(caught.value).startswith(words)
    environment.prepare(Progress())


def test_working_directory_that_was_removed_is_one_line(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(KerastlError, match=r"^working directory: it was removed\. Change to one"):
        environment.prepare(Progress())


def draw(seed):
    with environment.ready("float32", seed, Progress()):
        return random.random(), np.random.rand(), float(tf.random.uniform([]))


def test_random_numbers_follow_the_seed(tensorflow_seed):
    assert draw(1) == draw(1)
    assert all(first != second for first, second in zip(draw(1), draw(2), strict=True))


@pytest.mark.parametrize(
    ("capability", "policy"),
    [
        (None, "float32"),
        ((6, 1), "float32"),
        ((7, 0), "mixed_float16"),
        ((7, 5), "mixed_float16"),
        ((8, 0), "mixed_bfloat16"),
        ((9, 0), "mixed_bfloat16"),
    ],
)
def test_automatic_precision_takes_what_the_gpu_is_good_at(monkeypatch, capability, policy):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0"])
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {} if capability is None else {"compute_capability": capability},
    )
    assert device.find_policy("auto") == policy


def test_automatic_precision_without_a_gpu_is_float32():
    assert not device.has_gpu()
    with environment.ready("auto", 0, Progress()):
        assert keras.config.dtype_policy().name == "float32"


def test_float32_is_not_rounded_to_fewer_bits():
    tf.config.experimental.enable_tensor_float_32_execution(True)
    environment.prepare(Progress())
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_gpu_that_is_in_use_already_is_told(monkeypatch, capsys):
    def refuse(gpu, enable):
        raise RuntimeError

    gpu = types.SimpleNamespace(name="/physical_device:GPU:0")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [gpu])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", refuse)
    environment.prepare(Progress(sys.stdout))
    assert capsys.readouterr().out == (
        "/physical_device:GPU:0 was in use before kerastl started, so its memory is managed as "
        "TensorFlow was set up to manage it.\n"
    )


def test_gpu_memory_is_taken_as_needed(monkeypatch):
    grown = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["GPU:0", "GPU:1"])
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda gpu, enable: grown.append((gpu, enable))
    )
    environment.prepare(Progress())
    assert grown == [("GPU:0", True), ("GPU:1", True)]


def test_keras_home_is_where_keras_looks(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_HOME", raising=False)
    assert environment.keras_home() == tmp_path / ".keras"
    monkeypatch.setenv("KERAS_HOME", "~/elsewhere")
    assert environment.keras_home() == tmp_path / "elsewhere"
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setattr("os.access", lambda *_: False)
    assert environment.keras_home() == pathlib.Path("/tmp/.keras")


@pytest.mark.parametrize("given", [None, "", "~", "$HOME", "home/me"])
def test_libraries_get_an_absolute_home(monkeypatch, given):
    monkeypatch.setenv("HOME", "/")
    environment.prepare(Progress())
    assert os.environ["HOME"] == "/"
    monkeypatch.delenv("HOME") if given is None else monkeypatch.setenv("HOME", given)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    environment.prepare(Progress())
    assert os.environ["HOME"] == "/"


@pytest.mark.parametrize("has_temporary_folder", [True, False])
@pytest.mark.parametrize("has_memory", [True, False])
def test_what_libraries_write_is_hidden_without_a_disk(
    monkeypatch, capfd, has_temporary_folder, has_memory
):
    def refuse(**_):
        raise FileNotFoundError(2, "No usable temporary directory found")

    if not has_memory:
        monkeypatch.delattr("os.memfd_create")
    if not has_temporary_folder:
        monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with environment.quiet():
        os.write(2, b"a note")
    assert capfd.readouterr().err == ""

    def fail():
        with environment.quiet():
            os.write(2, b"a cause")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    is_kept = has_memory or has_temporary_folder
    assert capfd.readouterr().err == ("a cause" if is_kept else "")


def test_libraries_are_imported_where_there_is_no_temporary_folder(monkeypatch):
    def find():
        if tempfile.tempdir is None:
            raise FileNotFoundError(2, "No usable temporary directory found")
        return tempfile.tempdir

    seen = []
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "gettempdir", find)
    monkeypatch.setattr("importlib.import_module", lambda name: seen.append(tempfile.gettempdir()))
    environment.prepare(Progress())
    assert seen == ["/tmp", "/tmp"]
    assert tempfile.tempdir is None


def test_warnings_of_libraries_end_no_command():
    code = """if True:
        import sys, warnings
        from kerastl import environment
        environment.own_process()
        for module in sys.argv[1:]:
            warnings.warn_explicit("old", DeprecationWarning, "x.py", 1, module=module)
    """
    command = [sys.executable, "-W", "error", "-c", code]
    assert subprocess.run([*command, "keras.src.backend", "numpy"], check=False).returncode == 0
    ended = subprocess.run([*command, "kerastl.run"], capture_output=True, text=True, check=False)
    assert "DeprecationWarning: old" in ended.stderr


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense"])
def test_backend_of_a_notebook_for_charts_ends_no_command(backend):
    """Commands that a notebook starts have its backend, which kerastl's environment may lack."""
    code = "from kerastl import environment; environment.own_process(); import matplotlib"
    finished = run_python("-c", code, MPLBACKEND=backend)
    assert (finished.code, finished.stderr) == (0, "")


def test_filters_of_a_program_that_make_errors_of_warnings_do_not_reach_libraries():
    def warn(module):
        warnings.warn_explicit("old", DeprecationWarning, "x.py", 1, module=module)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with environment.ready("float32", 0, Progress()):
            warn("keras.src.backend")
            with pytest.raises(DeprecationWarning):
                warn("kerastl.run")
        with pytest.raises(DeprecationWarning):
            warn("keras.src.backend")


def test_settings_are_those_of_one_thread_at_a_time():
    entered = []

    def enter():
        with environment.ready("float32", 1, Progress()):
            entered.append(random.random())

    second = threading.Thread(target=enter)
    with environment.ready("float32", 0, Progress()):
        second.start()
        second.join(0.1)
        assert not entered
        assert random.random() == random.Random(0).random()
    second.join()
    assert entered == [random.Random(1).random()]


def test_process_without_tensorflows_threads_does_not_wait_for_them(monkeypatch):
    environment.prepare(Progress())
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(KerastlError, match=r"^multiprocessing: .*get_context\(\"spawn\"\)\.$"):
        environment.prepare(Progress())
    with pytest.raises(KerastlError, match=r"^multiprocessing: "):
        environment.prepare_tensorflow(Progress())


@pytest.mark.parametrize("is_own", [True, False])
def test_only_a_process_of_its_own_goes_without_what_keras_need_not_import(monkeypatch, is_own):
    """A program that calls kerastl may want Keras's galleries and wrappers for scikit-learn."""
    for name in ("matplotlib", "sklearn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    own = threading.Event()
    monkeypatch.setattr(environment, "OWN_PROCESS", own)
    monkeypatch.setattr(environment.atexit, "register", lambda _: None)
    if is_own:
        environment.own_process()
    hidden = set()
    monkeypatch.setattr(
        environment.importlib,
        "import_module",
        lambda _: hidden.update(name for name, module in sys.modules.items() if module is None),
    )
    environment.prepare(Progress())
    unused = {"matplotlib", "sklearn"}
    assert unused & hidden == (unused if is_own else set())
    assert not unused & set(sys.modules)


def test_windows_is_refused_with_the_way_to_run_it_there():
    done = run_python("-c", "import sys; sys.platform = 'win32'; import kerastl")
    assert done.code == 1
    assert done.stderr.splitlines()[-1].startswith(
        "ImportError: kerastl needs Linux or macOS. On Windows, run it in WSL 2: "
    )


@pytest.mark.thorough
@pytest.mark.parametrize(("shell", "used"), [({}, "1"), ({"TF_ENABLE_ONEDNN_OPTS": "0"}, "0")])
def test_onednn_is_used_unless_the_shell_says_otherwise(shell, used, monkeypatch):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)  # This process has set it.
    script = (
        "import os; from kerastl import environment, progress;"
        "environment.prepare_tensorflow(progress.Progress());"
        "print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    )
    done = run_python("-c", script, **shell)
    assert (done.stdout, done.stderr) == (f"{used}\n", "")
