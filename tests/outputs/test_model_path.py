import pytest

from kerastl import environment
from kerastl.outputs.model_path import find_model, prepare_for
from kerastl.progress import Progress


def test_run_export_version_and_file_are_found(color_run):
    run_dir, version = color_run.result.run_dir, color_run.result.export_path
    assert find_model(str(run_dir)) == run_dir / "model.keras"
    assert find_model(str(run_dir / "model.keras")) == run_dir / "model.keras"
    assert find_model(str(version.parent)) == version
    assert find_model(str(version)) == version
    assert find_model(str(version / "saved_model.pb")) == version


def test_highest_version_is_taken(tmp_path):
    for name in ("9", "10", "x11", "12"):
        (tmp_path / name).mkdir()
        if name != "12":
            (tmp_path / name / "saved_model.pb").touch()
    assert find_model(str(tmp_path)) == tmp_path / "10"
    (tmp_path / "12" / "model.onnx").touch()
    assert find_model(str(tmp_path)) == tmp_path / "12" / "model.onnx"


@pytest.mark.parametrize(
    ("file", "with_keras"), [("", False), ("model.keras", True), ("model.onnx", False)]
)
def test_keras_is_prepared_for_its_own_format_alone(tmp_path, monkeypatch, file, with_keras):
    prepared = []
    monkeypatch.setattr(environment, "prepare", lambda _: prepared.append(True))
    monkeypatch.setattr(environment, "prepare_tensorflow", lambda _: prepared.append(False))
    prepare_for(tmp_path / file, Progress())
    assert prepared == [with_keras]
