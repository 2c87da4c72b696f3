"""Runs the examples of the docstrings."""

import doctest
import importlib
import pathlib

import pytest

import kerastl

ROOT = pathlib.Path(kerastl.__file__).parent
# Modules with an example, apart from the package's own, which trains.
LIGHT = [
    str(path.relative_to(ROOT.parent).with_suffix("")).replace("/", ".")
    for path in sorted(ROOT.rglob("*.py"))
    if path.name != "__init__.py" and ">>> " in path.read_text(encoding="utf-8")
]


def run_examples(name):
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert attempted
    assert not failed


@pytest.mark.parametrize("module", LIGHT)
def test_examples_print_what_they_show(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_examples(module)


def test_the_verbs_values_have_examples():
    assert {"kerastl.config", "kerastl.progress"} <= set(LIGHT)


@pytest.mark.thorough
def test_the_packages_example_trains_exports_and_predicts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_examples("kerastl")
