import itertools
import pathlib

import numpy as np
import pytest

from kerastl.data.inspection import inspect_content
from kerastl.errors import UsageError
from kerastl.serving.predictor import predict
from picture_files import jpeg_with_hole


@pytest.fixture
def folder(tmp_path, files):
    for name, content in zip(("0", "1", "2"), files, strict=True):
        (tmp_path / f"{name}.png").write_bytes(content)
    (tmp_path / "text.png").write_text("hello")
    return tmp_path


def test_predictions_come_in_order_with_the_reason_for_unusable_files(color_run, folder, ask):
    model = color_run.result.export_path
    predictions = predict(model, [str(folder), str(folder / "none.png")], batch_size=2)
    assert predictions.class_names == ("blue", "green", "red")
    found = list(predictions)
    assert [(prediction.path.name, prediction.class_name) for prediction in found] == [
        ("0.png", "blue"),
        ("1.png", "green"),
        ("2.png", "red"),
        ("text.png", ""),
        ("none.png", ""),
    ]
    assert [prediction.problem == "" for prediction in found] == [True] * 3 + [False] * 2
    assert found[4].problem == "No such file or directory"
    contents = [(folder / f"{number}.png").read_bytes() for number in range(3)]
    expected = ask("serving_default", image_bytes=contents)["probabilities"]
    values = [prediction.probabilities for prediction in found[:3]]
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert found[3].probabilities is None


def test_other_files_in_folders_are_counted_by_kind(color_run, folder):
    (folder / "trip").mkdir()
    for name in ("0.MOV", "trip/0.aae", "trip/notes.txt", "trip/Thumbs.db", ".hidden.png"):
        (folder / name).write_bytes(b"x" * 20)
    predictions = predict(color_run.result.export_path, [str(folder)], batch_size=2)
    assert len(list(predictions)) == 4
    assert predictions.left_out == (
        "5 other files ignored (2 hidden or system files, 1 side file of cameras and editors, "
        "1 text, 1 video)."
    )
    alone = predict(color_run.result.export_path, [str(folder / "0.png")], batch_size=2)
    assert len(list(alone)) == 1
    assert alone.left_out == ""


def test_file_is_refused_for_the_reason_that_training_gives(color_run, tmp_path, files):
    contents = {"0.jpg": jpeg_with_hole(), "1.png": files[0], "2.png": files[1][:-30]}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    inspected = [inspect_content(content).problem for content in contents.values()]
    assert [problem == "" for problem in inspected] == [False, True, False]
    found = predict(color_run.result.export_path, [str(tmp_path)], batch_size=3)
    assert [prediction.problem for prediction in found] == inspected


@pytest.mark.thorough
def test_predictions_are_computed_one_batch_at_a_time(color_run, folder, monkeypatch):
    """An endless list of paths, of which only a few are read."""
    number = itertools.count()
    endless = (f"{folder}/0.png\n" for _ in number)
    monkeypatch.setattr("sys.stdin", endless)
    predictions = predict(color_run.result.export_path, ["-"], batch_size=4)
    first = list(itertools.islice(predictions, 10))
    assert {prediction.path for prediction in first} == {pathlib.Path(folder / "0.png")}
    assert next(number) < 200
    predictions.iterator.close()


def test_wrong_paths_are_refused_at_once(color_run, tmp_path):
    with pytest.raises(UsageError, match="contains no images"):
        predict(color_run.result.export_path, [str(tmp_path)], batch_size=2)


def test_wrong_model_is_refused_at_once(tmp_path):
    with pytest.raises(UsageError, match="model="):
        predict(tmp_path / "none", ["x.jpg"], batch_size=2)
