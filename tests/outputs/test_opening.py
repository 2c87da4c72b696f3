import shutil
import zipfile

import keras
import numpy as np
import pytest

import fakes
import kerastl
from kerastl.outputs.opening import open_artifact
from picture_files import file_bytes, solid


def refusal(path):
    with pytest.raises(kerastl.KerastlError) as caught:
        open_artifact(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("of", ["run", "export"])
def test_both_predict_alike_and_name_the_classes(color_run, of):
    place = color_run.result.run_dir if of == "run" else color_run.result.export_path
    artifact = open_artifact(str(place))
    assert artifact.class_names == tuple(fakes.COLORS)
    files = [file_bytes(solid(color), "PNG") for color in fakes.COLORS.values()]
    outputs, bad = artifact.predict([files[0], b"text", *files[1:], files[0][:60]])
    probabilities = outputs["probabilities"]
    assert bad == {1: "is text, not an image", 4: "is a damaged or truncated PNG"}
    assert np.isnan(probabilities[[1, 4]]).all()
    assert probabilities[[0, 2, 3]].argmax(1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(probabilities[[0, 2, 3]].sum(1), 1, atol=1e-6)
    assert artifact.predict([b"", b"x"])[1] == {0: "is empty", 1: "is text, not an image"}
    assert artifact.predict([])[0]["probabilities"].shape == (0, 3)


def test_keras_file_predicts_alike_whatever_keras_is_set_to(color_run):
    path = color_run.result.run_dir / "model.keras"
    usual = open_artifact(path).predict([file_bytes(solid((200, 30, 40)), "PNG")])[0]
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_first")
    try:
        found = open_artifact(path).predict([file_bytes(solid((200, 30, 40)), "PNG")])[0]
        assert keras.config.image_data_format() == "channels_first"
    finally:
        keras.config.set_image_data_format(before)
    np.testing.assert_array_equal(found["probabilities"], usual["probabilities"])


def test_damaged_empty_and_missing_files_are_reported_differently(color_run, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("model.keras", "model_card.json"):
        shutil.copy(color_run.result.run_dir / name, run)
    model = run / "model.keras"
    content = model.read_bytes()
    model.write_bytes(content[: len(content) // 2])
    assert f"model={str(model)!r}: is damaged or not a model (" in refusal(model)
    model.write_bytes(b"")
    assert f"model={str(model)!r}: is an empty file. Export it again." in refusal(model)
    model.unlink()
    assert f"model={str(model)!r}: does not exist. Give a run, an export or a " in refusal(model)
    assert "holds no finished run and no export. Give another directory." in refusal(run)
    model.write_bytes(content)
    model.chmod(0o444)
    run.chmod(0o555)
    assert open_artifact(str(model)).class_names == tuple(fakes.COLORS)
    run.chmod(0o755)
    (run / "model_card.json").unlink()
    assert "has no model_card.json beside it, which names its classes." in refusal(model)
    (run / "model_card.json").write_text("{}")
    assert "model_card.json: is not a model card. Export the model again." in refusal(model)


@pytest.mark.parametrize("newer", [True, False])
def test_file_of_a_newer_version_is_not_called_damaged(color_run, tmp_path, newer):
    shutil.copy(color_run.result.run_dir / "model_card.json", tmp_path)
    model = tmp_path / "model.keras"
    version = "99.1.0" if newer else keras.__version__
    with (
        zipfile.ZipFile(color_run.result.run_dir / "model.keras") as given,
        zipfile.ZipFile(model, "w") as made,
    ):
        for name in given.namelist():
            content = given.read(name).replace(keras.__version__.encode(), version.encode())
            made.writestr(
                name, content.replace(b'"class_name": "Dense"', b'"class_name": "Denser"')
            )
    if newer:
        assert refusal(model).startswith(
            f"model={str(model)!r}: was written by keras 99.1.0, and keras {keras.__version__} "
            "cannot open it ("
        )
    else:
        assert "is damaged or not a model (" in refusal(model)


@pytest.mark.parametrize("ending", [".tflite", ".onnx"])
def test_damaged_file_of_another_runtime_is_one_line(color_run, tmp_path, ending):
    pytest.importorskip("ai_edge_litert" if ending == ".tflite" else "onnxruntime")
    shutil.copy(color_run.result.run_dir / "model_card.json", tmp_path)
    (tmp_path / f"model{ending}").write_bytes(b"TFL3 and no more")
    assert "is damaged or not a model (" in refusal(tmp_path / f"model{ending}")


def test_savedmodel_that_is_cut_off_is_one_line(color_run, tmp_path):
    version = tmp_path / "1"
    shutil.copytree(color_run.result.export_path, version)
    graph = version / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:100])
    assert "is damaged or not a model (" in refusal(version)


def test_file_of_no_model_is_refused(tmp_path):
    (tmp_path / "x.h5").touch()
    assert (
        "is not a model file. Give a directory, or a file that ends in .keras, .tflite, .onnx."
        in (refusal(tmp_path / "x.h5"))
    )
