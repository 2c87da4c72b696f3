import importlib.util
import io
import os
import pathlib
import shutil
import types

import pytest

import kerastl
from kerastl import environment
from kerastl.api.run import train_on
from kerastl.checkup.diagnosis import Diagnosis, Finding, look, promise
from kerastl.checkup.installation import look_at_installation
from kerastl.commands.table import run_command
from kerastl.errors import KerastlError
from kerastl.extras import install_command
from kerastl.progress import Progress
from stores import fill, open_store


def raiser(error):
    def raise_it(*_, **__):
        raise error

    return raise_it


def lines_of(cache):
    return {found.name: str(found) for found in look_at_installation(cache)}


def test_what_is_wrong_is_told_with_its_cause():
    assert str(look("cache", lambda: "fine")) == "cache: ok: fine"
    assert str(look("cache", raiser(KerastlError("x: is gone. Do y.")))) == (
        "cache: FAILS: x: is gone. Do y."
    )
    broken = promise("a run repeats", raiser(ValueError("odd\nmore")))
    assert str(broken) == (
        "a run repeats: FAILS: ValueError: odd. Install kerastl again, or report this."
    )
    # What is not a promise is told, and does not count.
    Diagnosis((look("disk", raiser(KerastlError("full"))), promise("it", lambda: ""))).check()
    with pytest.raises(KerastlError, match=r"^doctor: not kept: a run repeats, it\. The cause is"):
        Diagnosis((broken, Finding("it", "not tried", is_promise=True))).check()


def test_extras_are_told_with_what_they_give(tmp_path, monkeypatch):
    assert lines_of(tmp_path)["extra serve"] == "extra serve: ok: installed, for kerastl serve"
    find = importlib.util.find_spec
    gone = ("tf2onnx", "ai_edge_litert")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in gone else find(name)
    )
    lines = lines_of(tmp_path)
    assert lines["extra onnx"] == (
        f"extra onnx: not installed (tf2onnx missing); {install_command('onnx')} gives "
        "--format=onnx"
    )
    assert lines["extra litert"].endswith("gives --format=litert,litert_float16,litert_int8")


def test_rooms_are_told_with_what_to_do(tmp_path, monkeypatch):
    lines = lines_of(tmp_path / "new" / "cache")
    assert lines["cache"].startswith("cache: ok: 0 combinations, 0 bytes in ")
    store = open_store(tmp_path / "rows")
    fill(store, range(70))
    store.describe()
    line = lines_of(tmp_path / "rows")["cache"]
    assert line.endswith("; it can be written and locked, and all 70 rows pass their checksums")
    (rows,) = store.path.glob("*.rows")
    rows.write_bytes(rows.read_bytes()[:-1] + b"X")
    line = lines_of(tmp_path / "rows")["cache"]
    assert line.startswith("cache: FAILS: 6 rows or files of rows in ")
    assert line.endswith("; if it comes again, check the drive.")
    (tmp_path / "file").touch()
    assert "cache: FAILS: " in (line := lines_of(tmp_path / "file")["cache"])
    assert line.endswith("nothing is kept between runs. Choose another with --cache_dir.")
    full = types.SimpleNamespace(free=3 * 10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    line = lines_of(tmp_path)["disk"]
    assert line == f"disk: FAILS: only 3.0 MB free for the cache, {tmp_path}. Free some space."


def test_without_tensorflow_the_cause_is_told_and_the_exit_code_is_1(tmp_path, monkeypatch, capsys):
    cause = KerastlError("keras.json: is not JSON. Fix or remove it.")
    monkeypatch.setattr(environment, "prepare", raiser(cause))
    assert run_command("doctor", [f"--cache_dir={tmp_path}"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[-2:] == [
        "TensorFlow: FAILS: keras.json: is not JSON. Fix or remove it.",
        "promises: not tried without TensorFlow.",
    ]
    assert said.err == "error: doctor: not kept: promises. The cause is in the line of each.\n"


@pytest.mark.thorough
def test_promises_are_kept_and_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    cache = tmp_path / "cache"
    printed = io.StringIO()
    found = kerastl.doctor(cache_dir=cache, progress=Progress(printed))
    found.check()
    promises = [each for each in found.findings if each.is_promise]
    assert [each.is_well for each in promises] == [True] * 4
    assert "256 of 256 frozen weights bit-identical" in promises[0].text
    assert printed.getvalue().splitlines() == list(map(str, found.findings))
    # TensorFlow removes its own when the process ends.
    left = os.listdir(tmp_path / "tmp")
    assert not [name for name in left if not name.startswith("__autograph_generated")]
    assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix == ".rows"]


@pytest.mark.thorough
def test_a_promise_that_is_not_kept_fails_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "kerastl.api.doctor.export", raiser(KerastlError("export_dir: differs by 0.3."))
    )
    runs = []

    def train_otherwise(cluster, opened, *known):
        runs.append(opened)
        result = train_on(cluster, opened, *known)
        if runs[1:]:
            path = pathlib.Path(opened.config.run_dir) / "metrics.json"
            path.write_text(path.read_text().replace('"num_images": ', '"num_images": 1'))
        return result

    monkeypatch.setattr("kerastl.api.doctor.train_on", train_otherwise)
    found = kerastl.doctor(cache_dir=tmp_path, progress=Progress())
    kept = {each.name: each.is_well for each in found.findings if each.is_promise}
    assert kept == {
        "frozen weights stay as they are": True,
        "exports predict as the trained model does": False,
        "splits share no picture": True,
        "a run repeats bit for bit": False,
    }
    assert "metrics.json differs: test.num_images: 1" in found.broken[1].text
