import io
import json
import time

import pytest
import tensorflow as tf

import fakes
import kerastl
from kerastl import replicas
from kerastl.data.splits import make_splits
from kerastl.recipes.following import follow
from kerastl.replicas import Replicas
from kerastl.settings import SETTINGS
from kerastl.training.pace import Pace

GIVEN = {"image_size": fakes.IMAGE_SIZE, "batch_size": 8}


@pytest.fixture
def given(tmp_path, monkeypatch):
    fakes.install_tiny_net(monkeypatch)
    tiny = fakes.tiny_config(tmp_path)
    names = ("run_dir", "dataset", "backbone", "weights", "test_fraction")
    return GIVEN | {name: getattr(tiny, name) for name in names}


def followed(config, *, seconds=60.0, source=None):
    said = io.StringIO()
    splits = make_splits(source or fakes.color_source(), config)
    deadline = time.monotonic() + seconds
    followed = follow(config, splits, deadline=deadline, progress=kerastl.Progress(said))
    return followed.config, followed.reasons, said


@pytest.mark.thorough
def test_choices_are_flags_and_told_with_their_reasons(given):
    config, reasons, said = followed(kerastl.Config(**given))
    assert config.recipe == "manual"
    assert {f"--{name}" for name, row in SETTINGS.items() if row.is_kept} == {
        flag.partition("=")[0] for flag in config.to_flags()
    }
    assert (config.image_size, config.batch_size) == (fakes.IMAGE_SIZE, 8)
    assert config.finetune_epochs > 0
    assert len(reasons) == 3
    assert all(f"  {reason}." in said.getvalue() for reason in reasons)


@pytest.mark.thorough
def test_without_time_the_head_remains(given):
    config, reasons, _ = followed(kerastl.Config(**given), seconds=0.0)
    assert (config.head, config.finetune_epochs) == ("solved", 0)
    assert "no time for" in reasons[-1]


@pytest.mark.thorough
@pytest.mark.parametrize(("side", "size"), [(24, 97), (60, 225)])
def test_images_are_not_enlarged_further_than_helps(side, size, given):
    del given["image_size"]
    config = kerastl.Config(**given, recipe="head")
    source = fakes.color_source(width=side, height=side)
    assert followed(config, source=source)[0].image_size == size


@pytest.mark.thorough
def test_a_batch_that_is_chosen_is_one_that_the_devices_share(given):
    del given["batch_size"]
    three = Replicas(tf.distribute.get_strategy(), ("a", "b", "c"))
    with replicas.using(three):
        config, reasons, said = followed(kerastl.Config(**given, recipe="head"))
    assert config.batch_size == 63
    assert reasons[-1] == "batch_size=63: 3 devices share it evenly"
    assert reasons[-1] in said.getvalue()


def test_manual_is_what_it_was(given):
    config = kerastl.Config(**given, finetune_epochs=2)
    assert config.recipe == "manual"
    assert followed(config)[:2] == (config, ())


@pytest.mark.thorough
@pytest.mark.parametrize("recipe", ["auto", "head"])
def test_flags_of_a_run_repeat_it_bit_for_bit(recipe, given, tmp_path):
    source = fakes.color_source(noise=90.0)
    config = kerastl.Config(**given, recipe=recipe, budget="60s")
    first = fakes.finish_run(config, source)
    flags = (first.result.run_dir / "flags.txt").read_text("utf-8")
    assert flags.startswith(f"# {fakes.IMAGE_SIZE} px, as given: one pass over the images takes ")
    repeated = kerastl.Config.from_flags(
        [*flags.splitlines(), f"--run_dir={tmp_path / 'again'}", f"--cache_dir={tmp_path / 'new'}"]
    )
    second = fakes.finish_run(repeated, source)
    assert "Recipe" in first.printed
    assert "Recipe" not in second.printed
    for name in ("predictions.csv", "metrics.json", "splits.csv"):
        assert (second.result.run_dir / name).read_bytes() == (
            first.result.run_dir / name
        ).read_bytes()
    assert ("finetune phase" in first.printed) == (recipe == "auto")
    best = first.result.metrics["best"]
    assert f"Kept: {best['phase']} epoch {best['epoch']}, validation accuracy " in first.printed
    ends = {("head", 1), ("finetune", repeated.finetune_epochs)}
    assert (best["phase"], best["epoch"]) in ends


@pytest.mark.thorough
def test_epochs_that_the_warm_up_decides_are_flags_too(given, tmp_path, monkeypatch):
    monkeypatch.setattr(Pace, "fit", lambda self, **_: 3)
    source = fakes.color_source(noise=90.0)
    config = kerastl.Config(**given, budget="600s")
    first = fakes.finish_run(config, source)
    flags = (first.result.run_dir / "flags.txt").read_text("utf-8")
    assert "\n--finetune_epochs=3\n" in flags
    assert "\n# 3 epochs and not " in flags
    receipt = json.loads((first.result.run_dir / "receipt.json").read_text("utf-8"))
    assert receipt["flags"]["finetune_epochs"] == {"value": 3, "from": "recipe auto in 600s"}
    repeated = kerastl.Config.from_flags(
        [*flags.splitlines(), f"--run_dir={tmp_path / 'again'}", f"--cache_dir={tmp_path / 'new'}"]
    )
    second = fakes.finish_run(repeated, source)
    assert "and not" not in second.printed
    for name in ("predictions.csv", "metrics.json"):
        assert (second.result.run_dir / name).read_bytes() == (
            first.result.run_dir / name
        ).read_bytes()


@pytest.mark.parametrize(
    "changes", [{"finetune_epochs": 2, "recipe": "auto"}, {"recipe": "head"}, {"repeats": 2}]
)
@pytest.mark.thorough
def test_epochs_are_decided_once_where_they_are_given_or_shared(given, changes):
    config = kerastl.Config(**given | changes)
    splits = make_splits(fakes.color_source(), config)
    deadline = time.monotonic() + 600
    followed = follow(config, splits, deadline=deadline, progress=kerastl.Progress())
    assert followed.pace is None
