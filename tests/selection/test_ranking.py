import dataclasses
import io
import math

import numpy as np
import pytest

import fakes
import kerastl
from kerastl.selection.ranking import rank


@pytest.fixture
def config(tiny_net, tmp_path, monkeypatch):
    monkeypatch.setattr("kerastl.selection.measurements.MOST_CALLS", 5)
    weights = fakes.write_tiny_weights(tmp_path / "tiny.weights.h5")
    return fakes.tiny_config(tmp_path, dataset="python", weights=weights)


@pytest.mark.thorough
def test_ranking_of_images_from_python_is_a_value(config, tmp_path):
    (tmp_path / "run").mkdir()
    config = dataclasses.replace(config, run_dir=str(tmp_path / "run"))
    missing = dataclasses.replace(config, weights="gone.h5")
    printed = io.StringIO()
    ranking = rank(
        [missing, config],
        deadline=math.inf,
        source=fakes.color_source(per_class=12),
        progress=kerastl.Progress(printed),
    )
    best, failed = ranking.rows
    assert ranking.best == best
    assert best.config == config
    assert 0 <= best.low <= best.accuracy <= best.high <= 1
    assert failed.reason.startswith("weights='gone.h5': is not a file.")
    assert ranking.flags_path == tmp_path / "run" / "best.flags"
    assert ranking.flags_path.read_text().endswith("\n".join(["", *flags_of(config)]) + "\n")
    assert ranking.sentence().startswith(f"Best: TinyNet with {config.weights} at ")
    assert ranking.sentence().endswith(f"--flagfile={tmp_path}/run/best.flags")
    with pytest.raises(dataclasses.FrozenInstanceError):
        ranking.rows = ()
    assert f"  TinyNet at {config.image_size} px left out: {failed.reason}" in printed.getvalue()
    assert "Baseline accuracy 0.3333, for always naming the largest class." in printed.getvalue()


def flags_of(config):
    run_dir = f"{config.run_dir}/best"
    return dataclasses.replace(config, run_dir=run_dir).to_flags()


@pytest.mark.thorough
def test_too_few_images_are_refused(config):
    source = fakes.color_source(per_class=1)
    source = dataclasses.replace(source, given_splits=np.full(len(source), "train"))
    with pytest.raises(kerastl.UsageError, match="too few"):
        rank([config], deadline=math.inf, source=source, progress=kerastl.Progress())
