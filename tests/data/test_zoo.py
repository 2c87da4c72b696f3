import itertools
import random
import re
import shutil

import pytest

from zoo import judge, look_at, report
from zoo_columns import MEANINGS
from zoo_folders import folder_specimen
from zoo_layouts import LAYOUTS, flat
from zoo_tables import table_specimen

# Each layout and each meaning of columns occurs at least once in the first.
DEFAULT = {"folders": range(65), "tables": range(70)}
THOROUGH = {"folders": range(65, 325), "tables": range(70, 200)}
SLOW = {"folders": range(325, 925), "tables": range(200, 800)}
COMPOSE = {"folders": folder_specimen, "tables": table_specimen}


@pytest.fixture(scope="module")
def memory(tmp_path_factory):
    """What is found out of a picture, for all specimens that have it.

    The first specimen also waits for TensorFlow to get ready, which is not its fault.
    """
    folder = tmp_path_factory.mktemp("memory")
    first = look_at(flat(random.Random(0)), tmp_path_factory.mktemp("first"), memory=folder)
    assert first.counts
    return folder


def visit(kind, seeds, tmp_path, memory):
    """Looks at specimens and describes those that are not understood rightly."""
    for seed in seeds:
        specimen = COMPOSE[kind](seed)
        root = tmp_path / str(seed)
        root.mkdir()
        outcome = look_at(specimen, root, memory=memory)
        if wrong := judge(specimen, outcome):
            yield f"{kind} {seed}: {report(specimen, outcome, wrong)}"
        shutil.rmtree(root)


def check(kind, seeds, tmp_path, memory):
    wrong = list(visit(kind, seeds, tmp_path, memory))
    assert not wrong, f"{len(wrong)} of {len(seeds)}:\n" + "\n\n".join(wrong)


@pytest.mark.parametrize("kind", DEFAULT)
def test_zoo(kind, tmp_path, memory):
    check(kind, DEFAULT[kind], tmp_path, memory)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", THOROUGH)
def test_larger_zoo(kind, tmp_path, memory):
    check(kind, THOROUGH[kind], tmp_path, memory)


def nothing(*_, **__):
    return None


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("kind", "rule", "instead"),
    [
        ("folders", "data.tree.other_kind", nothing),
        ("folders", "data.layout_reading.split_within", nothing),
        ("folders", "data.layout.check_whole", nothing),
        ("folders", "data.layout.check_splits_below", nothing),
        ("folders", "data.layout.check_others", nothing),
        ("folders", "data.layout.check_classes", nothing),
        ("folders", "data.labels.plain_name", lambda name: name),
        ("folders", "data.layout_levels.check_deep", nothing),
        ("folders", "data.layout.use_lists", lambda reading, _: reading),
        ("folders", "data.layout_levels._are_counted", lambda _: False),
        ("folders", "data.layout.with_groups", lambda form, _: form),
        ("folders", "data.layout.group_by_names", lambda reading, **_: reading),
        ("folders", "data.layout_groups.are_repeated", lambda _: False),
        ("folders", "data.layout_levels._are_in_many", lambda _: False),
        ("folders", "data.layout_line.find_broken_links", lambda _: []),
        ("folders", "data.layout_masks._is_made", lambda _: False),
        ("folders", "data.layout_reading._is_same_split", lambda *_: False),
        ("folders", "data.layout_checks._count_names", lambda *_: 0),
        ("folders", "data.layout.named_alike", nothing),
        ("folders", "data.layout.check_strays", nothing),
        ("folders", "data.layout_masks.no_class", nothing),
        ("folders", "data.layout_reading.DATA_FOLDERS", frozenset()),
        ("folders", "data.folders.join_parts", nothing),
        ("folders", "data.labels.looks", lambda name: name),
        ("folders", "data.audit.find_named_copies", lambda *_: []),
        ("folders", "data.folder_names._WASTE", re.compile("(?!)")),
        ("tables", "data.table_reading.refuse_pixels", nothing),
        ("tables", "data.table_values.is_missing", nothing),
        ("tables", "data.tables.refuse_twins", nothing),
        ("tables", "data.table_reading.is_json", lambda _: False),
        ("tables", "data.tables.use_each_once", lambda files, *_: (files, "")),
        ("tables", "data.table_splits._holds_some", lambda *_: False),
        ("tables", "data.tables._read_beside", lambda *_: "is not looked at."),
    ],
)
def test_zoo_finds_a_broken_rule(monkeypatch, tmp_path, memory, kind, rule, instead):
    monkeypatch.setattr(f"kerastl.{rule}", instead)
    seeds = itertools.chain(DEFAULT[kind], THOROUGH[kind])
    assert next(visit(kind, seeds, tmp_path, memory), None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SLOW)
def test_largest_zoo(kind, tmp_path, memory):
    check(kind, SLOW[kind], tmp_path, memory)


@pytest.mark.slow
def test_no_two_animals_are_alike():
    made = [COMPOSE[kind](seed) for kind, seeds in SLOW.items() for seed in seeds]
    unlike = {
        repr((one.dataset, sorted(one.files.items()), one.links, one.folders)) for one in made
    }
    assert len(unlike) >= 1000


def test_default_zoo_has_every_layout_and_meaning():
    assert len(DEFAULT["folders"]) >= len(LAYOUTS)
    assert len(DEFAULT["tables"]) >= 2 * len(MEANINGS)
