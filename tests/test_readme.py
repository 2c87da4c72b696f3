import importlib
import inspect
import pathlib
import re
import subprocess
import sys

import pytest

import kerastl
from kerastl.api import values as values_of_verbs
from kerastl.settings import SETTINGS
from kerastl.version import VERSION

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]


def text_of(page):
    return page.read_text("utf-8")


def anchors(page):
    """Lists the anchors of a page's headings, as GitHub makes them."""
    plain = re.sub(r"^```.*?^```", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", plain, re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def test_flag_table_is_that_of_the_flags():
    table = subprocess.run(
        [sys.executable, ROOT / "scripts" / "flags_table"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert table in text_of(ROOT / "docs/reference/flags.md")
    assert all(f"| `--{name}` | " in table for name in SETTINGS)


def test_readme_is_read_to_the_end():
    assert text_of(README).count("\n") <= 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_exist(page):
    pattern = r"(?<![\w./(])(?:configs|benchmarks|scripts|docs|kerastl|tests|tools)/[\w./]+\w"
    for path in re.findall(pattern, text_of(page)):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text_of(page)):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_python_api_has_every_public_name_and_what_verbs_return():
    page = text_of(ROOT / "docs/reference/api.md")
    documented = re.findall(r"^::: ([\w.]+)\.(\w+)$", page, re.MULTILINE)
    values = re.findall(r" from ([\w.]+) import (\w+) as", inspect.getsource(values_of_verbs))
    public = {name: getattr(kerastl, name) for name in kerastl.__all__ if name != "__version__"}
    returned = {name: getattr(importlib.import_module(module), name) for module, name in values}
    for module, name in documented:
        assert getattr(importlib.import_module(module), name) is (public | returned)[name]
    assert {name for _, name in documented} == public.keys() | returned.keys()


def test_release_has_one_version():
    assert re.search(r"^version: (.*)$", text_of(ROOT / "CITATION.cff"), re.MULTILINE)[1] == VERSION
    assert re.search(r"^## (\S+)", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)[1] == VERSION
