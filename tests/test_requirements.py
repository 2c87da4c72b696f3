"""What `scripts/check_versions` makes of setup.py."""

import importlib.machinery
import importlib.util
import pathlib
import re

import pytest

from kerastl.export_formats import FORMATS

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    loader = importlib.machinery.SourceFileLoader(
        "check_versions", str(ROOT / "scripts/check_versions")
    )
    spec = importlib.util.spec_from_loader("check_versions", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_every_requirement_has_one_lowest_version(script):
    setup = (ROOT / "setup.py").read_text("utf-8")
    requirements = re.findall(r'"[\w.-]+(?:\[[\w,-]+\])?[<>=~!]=[^"]*"', setup)
    ranges = [text.strip('"') for text in requirements if "==" not in text]
    assert not [text for text in ranges if ",<" not in text]
    lowest = dict(line.split("==") for line in script.lowest_versions().splitlines())
    assert {re.split(r"[\[<>]", text)[0] for text in ranges} == lowest.keys()
    for text in ranges:
        name, _, rest = text.partition(">=")
        assert lowest[name.partition("[")[0]] == rest.partition(",")[0]
    assert "tensorflow" in lowest
    assert len(lowest) == len(script.lowest_versions().splitlines())


def test_tools_of_the_tests_are_installed_with_every_set(script):
    setup = (ROOT / "setup.py").read_text("utf-8")
    [tools] = re.findall(r"^_TEST = \[\n    \*\((.*)\),$", setup, re.MULTILINE)
    assert sorted(re.findall(r'"([\w-]+)>=', tools)) == sorted(script.TOOLS)


def test_every_format_that_needs_an_extra_has_it():
    setup = (ROOT / "setup.py").read_text("utf-8")
    extras = set(re.findall(r'^        "(\w+)": ', setup, re.MULTILINE))
    assert {row.extra for row in FORMATS.values()} - extras == {""}
