"""A file that changes between a run and its repetition is named by its own flag."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from kerastl.config import Config
from kerastl.data.opening import open_data
from kerastl.outputs import made_of
from kerastl.progress import Progress
from kerastl.settings import SETTINGS, Decides


def make_table(folder):
    """Writes images of two classes and a table of them, in groups; returns its path."""
    rng = np.random.default_rng(0)
    lines = ["path,label,patient"]
    for number in range(24):
        pixels = rng.integers(0, 255, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{'ab'[number % 2]},{number // 2}")
    (folder / "table.csv").write_text("\n".join(lines))
    return folder / "table.csv"


def opened(config):
    return open_data(config, None, Progress())


def changed(config, before):
    """Describes a run that goes on with other parts; empty if all are the same."""
    now = made_of.describe_parts(opened(config), "same")
    return str(made_of.find_changed(before, now, flags_of(config), what="the run in x") or "")


def flags_of(config):
    return config.deciding(Decides.IMAGES, Decides.FEATURES)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def config(tmp_path):
    """A run on a table, with a file of fixes and the splits of an earlier run."""
    table, fixes, earlier = make_table(tmp_path), tmp_path / "fixes.csv", tmp_path / "splits.csv"
    config = Config(
        run_dir="x", dataset=f"csv:{table}", group_column="patient", cache_dir="", test_fraction=0.2
    )
    source = opened(config).source
    first, second = (source.hashes[index].tobytes().hex() for index in (0, 2))
    fixes.write_text(f"sha256,fix,new_class\n{first},relabel,b\n{second},keep,\n")
    earlier.write_text(f"example,split\n{source.examples[5]},test\n{source.examples[6]},train\n")
    return dataclasses.replace(config, fixes=str(fixes), splits_from=str(earlier))


def test_the_flag_is_that_of_the_file_that_has_changed(tmp_path, config):
    before = made_of.describe_parts(opened(config), "same")
    assert not changed(config, before)
    for name, old, new, flag in (
        ("fixes.csv", "relabel,b", "drop,", "fixes"),
        ("fixes.csv", "keep", "drop", "fixes"),
        ("splits.csv", "test", "validation", "splits_from"),
        ("table.csv", "7.png,b", "7.png,a", "dataset"),
        # Only the groups, which decide what stays together.
        ("table.csv", "a,5\n11.png,b,5", "a,5\n11.png,b,9", "dataset"),
    ):
        path = tmp_path / name
        whole = path.read_text()
        edit(path, old, new)
        value = getattr(config, flag)
        assert changed(config, before).startswith(
            f"{flag}={value!r}: is not what it was when the run in x began. Restore it, "
        ), name
        path.write_text(whole)
    # Rows in another order, and words for a reader, are the same fixes.
    header, *rows = (tmp_path / "fixes.csv").read_text().splitlines()
    lines = [f"{header},example", *(f"{row},seen" for row in reversed(rows))]
    (tmp_path / "fixes.csv").write_text("\n".join(lines))
    assert not changed(config, before)


def test_other_weights_are_named_by_the_flag_that_brings_them(config):
    parts = made_of.describe_parts(opened(config), "one")
    for backbone, flag in (("ResNet50", "weights"), ("some/own.keras", "backbone")):
        given = Config(run_dir="x", dataset="digits", backbone=backbone, input_scaling="none")
        error = made_of.find_changed(
            parts, parts | {"weights": "other"}, flags_of(given), what="it"
        )
        assert str(error).startswith(f"{flag}=")


def test_parts_of_an_earlier_version_of_kerastl_are_taken_to_be_the_same(config):
    parts = made_of.describe_parts(opened(config), "same")
    known = {name: parts[name] for name in ("data", "weights", "splits")}
    assert made_of.find_changed(known, parts, flags_of(config), what="it") is None


def test_each_flag_that_names_a_file_of_a_result_has_a_part():
    files = {
        name
        for name, one in SETTINGS.items()
        if one.is_path and one.decides not in (Decides.OUTPUT, Decides.NOTHING)
    }
    assert files < {*made_of.FLAGS.values()}
