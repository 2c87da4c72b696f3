import pytest

import fakes
from kerastl.tuning import importance


@pytest.fixture
def small_forest(monkeypatch):
    monkeypatch.setattr(importance, "TREES", 3)
    monkeypatch.setattr(importance, "SHUFFLES", 1)


@pytest.fixture
def config(tiny_net, tmp_path):
    return fakes.tiny_config(
        tmp_path,
        dataset="python",
        head_epochs=2,
        validation_fraction=0.2,
        cache_dir=str(tmp_path / "cache"),
    )


@pytest.fixture
def source():
    return fakes.color_source(per_class=12, noise=90.0)
