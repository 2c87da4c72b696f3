import pathlib
import re
import subprocess
import sys

from kerastl.settings import SETTINGS

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_flag_table_is_that_of_the_flags():
    table = subprocess.run(
        [sys.executable, ROOT / "scripts" / "flags_table"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert table in README
    assert all(f"| `--{name}` | " in table for name in SETTINGS)


def test_named_files_exist():
    for path in re.findall(r"\b(?:configs|benchmarks|scripts|docs|kerastl)/[\w./]+\w", README):
        assert (ROOT / path).exists(), path
