"""Benchmarks run for hours and rarely; here each is imported, as what it imports may have moved."""

import pathlib
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).parents[1]


@pytest.mark.thorough
def test_benchmarks_import():
    folder = REPOSITORY / "benchmarks"
    names = [path.stem for path in folder.glob("*.py") if "publish(main" in path.read_text("utf-8")]
    assert len(names) > 15
    command = [sys.executable, "-c", f"import {', '.join(sorted(names))}"]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
