"""The notebook of examples/, run as Jupyter runs it, but without Jupyter."""

import json

import keras
import matplotlib as mpl
import pytest

from command_line import REPOSITORY

NOTEBOOK = REPOSITORY / "examples/photos.ipynb"
CELLS = [
    cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"
]


def test_notebook_holds_no_output():
    assert len(CELLS) > 5
    for cell in CELLS:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.thorough
def test_notebook_runs_from_top_to_bottom(tmp_path, monkeypatch, tensorflow_seed):
    monkeypatch.chdir(tmp_path)
    names = {}
    with mpl.rc_context({"backend": "agg"}):
        for cell in CELLS:
            exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
    assert names["result"].metrics["test"]["accuracy"] > 0.9
    assert names["accuracy"] > 0.9
    saved = keras.saving.load_model("photos.keras")
    assert saved.count_params() == names["result"].model.count_params()
