"""Runs the examples of the docstrings, and the page of docs about Python."""

import contextlib
import doctest
import importlib
import os
import pathlib
import re
import signal
import socket
import threading
import urllib.request

import pytest
from PIL import Image

import kerastl
from command_line import REPOSITORY

ROOT = pathlib.Path(kerastl.__file__).parent
# In this order: the first make what the others read.
VERBS = (
    *("run", "export", "predict", "suggest", "serve", "reproduce", "compare", "report"),
    *("rank", "learning_curve", "tune", "doctor"),
)
PAGE = REPOSITORY / "docs/reference/python.md"
# Modules with an example, apart from the package's own and the verbs, which train.
LIGHT = [
    str(path.relative_to(ROOT.parent).with_suffix("")).replace("/", ".")
    for path in sorted(ROOT.rglob("*.py"))
    if path.name != "__init__.py"
    and path.parent.name != "api"
    and ">>> " in path.read_text(encoding="utf-8")
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


@contextlib.contextmanager
def a_server_is_stopped(code):
    """Stops the server that a piece of code starts, once it is up; yields the code, on a free port.

    Yields it as it is if it starts none.
    """
    if "kerastl.serve(" not in code:
        yield code
        return
    with socket.create_server(("localhost", 0)) as server:
        port = server.getsockname()[1]
    is_over = threading.Event()

    def stop():
        while not is_over.wait(0.1):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://localhost:{port}/healthz", timeout=5)
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield code.replace("port=8501", f"port={port}")
    finally:
        is_over.set()
        thread.join()


def test_each_verb_has_an_example_that_is_run():
    verbs = {path.stem for path in (ROOT / "api").glob("*.py")} - {"__init__", "checks", "values"}
    assert set(VERBS) == verbs
    for name in [*verbs, "hypermodel"]:
        verb = getattr(kerastl, name)
        assert ">>> " in verb.__doc__, name
        assert "Raises:" in verb.__doc__, name


@pytest.fixture
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for number in range(40):
        path = pathlib.Path(f"photos/{number % 2}/{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 16), (number, 200 * (number % 2), 90)).save(path)


@pytest.mark.thorough
def test_the_verbs_examples_print_what_they_show(working_folder):
    runner, parser = doctest.DocTestRunner(), doctest.DocTestParser()
    for name in VERBS:
        module = importlib.import_module(f"kerastl.api.{name}")
        for found in doctest.DocTestFinder(exclude_empty=True).find(module):
            with a_server_is_stopped(found.docstring) as text:
                runner.run(parser.get_doctest(text, {}, found.name, module.__file__, 0))
    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries > 3 * len(VERBS)


@pytest.mark.thorough
def test_the_page_about_python_runs(working_folder):
    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S):
        with a_server_is_stopped(block) as code:
            exec(compile(code, PAGE.name, "exec"), names)
    assert pathlib.Path("runs/python/report.html").exists()
    assert len(names["result"].metrics["test"]) > 3
