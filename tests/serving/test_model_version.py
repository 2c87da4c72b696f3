import os
import shutil

import pytest
import tensorflow as tf

from kerastl.errors import KerastlError
from kerastl.serving.model_version import load_version


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: (path / "saved_model.pb").write_text("x"), ""),
        (lambda path: (path / "assets/class_names.txt").unlink(), "No such file"),
        (
            lambda path: (path / "assets/class_names.txt").write_text("one\n"),
            "it has 3 outputs and 1 class name",
        ),
        (lambda path: (path / "assets/model_card.json").write_text("{"), ""),
        (lambda path: os.truncate(path / "variables/variables.data-00000-of-00001", 10), ""),
    ],
)
def test_damaged_version_is_reported_in_one_line(color_run, tmp_path, damage, reason):
    path = tmp_path / "3"
    shutil.copytree(color_run.result.export_path, path)
    damage(path)
    with pytest.raises(KerastlError) as caught:
        load_version(path, name="x", version=3, batch_sizes=[1])
    assert str(caught.value).startswith(f"{path}: cannot be served (")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_savedmodel_of_another_kind_is_refused(tmp_path):
    module = tf.Module()
    module.double = tf.function(
        lambda values: {"doubled": 2 * values}, input_signature=[tf.TensorSpec([None])]
    )
    tf.saved_model.save(module, str(tmp_path / "1"), signatures=module.double)
    with pytest.raises(KerastlError, match="serving_default does not accept image files"):
        load_version(tmp_path / "1", name="x", version=1, batch_sizes=[1])
