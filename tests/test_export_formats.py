import importlib.util

import pytest

import kerastl
from kerastl.export_formats import FORMATS, check_formats, find_format
from kerastl.extras import install_command


def check(names, export_dir, *, precision="float32"):
    check_formats(names.split(","), precision=precision, export_dir=export_dir)


@pytest.mark.parametrize("name", ["litert", "litert_int8", "onnx"])
def test_mixed_precision_is_refused_before_training(name, tmp_path):
    with pytest.raises(kerastl.UsageError) as caught:
        check(f"savedmodel,{name}", tmp_path, precision="mixed_bfloat16")
    assert str(caught.value) == (
        f"format={name!r}: cannot hold a network in mixed_bfloat16. Use savedmodel or keras, or "
        "train with --precision=float32."
    )
    check("savedmodel,keras", tmp_path, precision="mixed_bfloat16")


def test_the_flag_takes_every_format_and_no_other():
    config = kerastl.Config(run_dir="x", dataset="digits", format=",".join(FORMATS))
    assert config.formats == tuple(FORMATS)
    with pytest.raises(kerastl.UsageError, match=f"Known: {', '.join(FORMATS)}"):
        kerastl.Config(run_dir="x", dataset="digits", format="pickle")


def test_each_file_is_opened_by_a_format_that_writes_its_suffix(tmp_path):
    for name, row in FORMATS.items():
        found = find_format(tmp_path / row.file)
        assert found == name or FORMATS[found].runtime == row.runtime


def test_tolerances_are_those_that_are_promised():
    tolerances = {name: row.tolerance for name, row in FORMATS.items()}
    assert tolerances == {
        "savedmodel": 1e-4,
        "keras": 1e-4,
        "litert": 1e-3,
        "litert_float16": None,
        "litert_int8": None,
        "onnx": 1e-4,
    }


@pytest.mark.parametrize(
    ("name", "extra"), [("onnx", "onnx"), ("litert", "litert"), ("litert_int8", "litert")]
)
def test_missing_package_is_reported_with_the_command(name, extra, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(kerastl.KerastlError) as caught:
        check(f"savedmodel,{name}", tmp_path)
    assert str(caught.value) == (
        f"format={name!r}: needs packages that are not installed. Run: {install_command(extra)}."
    )
    check("savedmodel,keras", tmp_path)


def test_watched_directory_gets_no_version_that_a_server_cannot_load(tmp_path):
    check("keras", tmp_path)
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "saved_model.pb").touch()
    check("keras,savedmodel", tmp_path)
    with pytest.raises(kerastl.UsageError, match=r"^format='keras': does not include savedmodel,"):
        check("keras", tmp_path)
