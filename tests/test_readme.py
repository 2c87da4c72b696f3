import pathlib
import re

from kerastl.config import Config
from kerastl.flags import TOPICS

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text("utf-8")


def test_flag_table_is_that_of_the_flags():
    rows = re.findall(r"^\| `--(\w+)` \| (.+) \| (.+) \|$", README, re.MULTILINE)
    meanings = {name: meaning for topic in TOPICS.values() for name, meaning in topic.items()}
    assert {name: meaning for name, meaning, _ in rows} == meanings
    for name, _, default in rows:
        value = getattr(Config, name, None)
        shown = {"": "empty", None: "required", False: "off"}.get(value)
        assert default == shown or float_or_text(default.strip("`")) == float_or_text(value)


def float_or_text(value):
    try:
        return float(value)
    except ValueError:
        return value


def test_named_files_exist():
    root = pathlib.Path(__file__).parents[1]
    for path in re.findall(r"\b(?:configs|benchmarks|scripts|docs|kerastl)/[\w./]+\w", README):
        assert (root / path).exists(), path
