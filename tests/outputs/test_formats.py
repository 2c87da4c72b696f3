import importlib.util

import pytest

import kerastl
from kerastl.outputs.formats import FORMATS, check_formats
from kerastl.settings.output import EXPORT_FORMATS


def config(formats, **changes):
    return kerastl.Config(run_dir="x", dataset="digits", format=formats, **changes)


@pytest.mark.parametrize("name", ["litert", "litert_int8", "onnx"])
def test_mixed_precision_is_refused_before_training(name, tmp_path):
    with pytest.raises(kerastl.UsageError) as caught:
        check_formats(config(f"savedmodel,{name}", precision="mixed_bfloat16"), tmp_path)
    assert str(caught.value) == (
        f"format={name!r}: holds no network in mixed_bfloat16. Use savedmodel or keras, or train "
        "with --precision=float32."
    )
    check_formats(config("savedmodel,keras", precision="mixed_bfloat16"), tmp_path)


def test_every_format_of_the_flag_is_known():
    assert tuple(FORMATS) == EXPORT_FORMATS


def test_tolerances_are_those_that_are_promised():
    tolerances = {name: row.tolerance for name, row in FORMATS.items()}
    assert tolerances == {
        "savedmodel": 1e-4,
        "keras": 1e-4,
        "litert": 1e-3,
        "litert_int8": None,
        "onnx": 1e-4,
    }


@pytest.mark.parametrize(
    ("name", "extra"), [("onnx", "onnx"), ("litert", "litert"), ("litert_int8", "litert")]
)
def test_missing_package_is_told_with_the_command(name, extra, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(kerastl.KerastlError) as caught:
        check_formats(config(f"savedmodel,{name}"), tmp_path)
    assert str(caught.value) == (
        f"format={name!r}: needs packages that are not installed. Run: pip install "
        f"'kerastl[{extra}]'."
    )
    check_formats(config("savedmodel,keras"), tmp_path)


def test_watched_directory_gets_no_version_that_a_server_cannot_load(tmp_path):
    check_formats(config("keras"), tmp_path)
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "saved_model.pb").touch()
    check_formats(config("keras,savedmodel"), tmp_path)
    with pytest.raises(kerastl.UsageError, match=r"^format='keras': has no savedmodel, and "):
        check_formats(config("keras"), tmp_path)
