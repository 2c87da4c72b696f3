"""The commands that install what an extra needs."""

import re

import pytest

from command_line import REPOSITORY
from kerastl import extras
from kerastl.extras import install_command

# The only file that explains both forms, and one whose packages have kerastl among them.
BY_NAME = {"docs/how_to/install.md", "docs/how_to/offline.md"}
EXTRAS = set(
    re.findall(r'^        "(\w+)": ', (REPOSITORY / "setup.py").read_text("utf-8"), re.MULTILINE)
)


def test_checkout_is_installed_by_its_path(monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "ROOT", tmp_path / "my code")
    (tmp_path / "my code").mkdir()
    assert install_command("onnx") == "pip install 'kerastl[onnx]'"
    (tmp_path / "my code/setup.py").touch()
    assert install_command("onnx") == f"pip install '{tmp_path}/my code[onnx]'"


def test_this_checkout_is_found():
    assert install_command("gpu") == f"pip install '{REPOSITORY}[gpu]'"


@pytest.mark.parametrize("folder", ["docs", "configs", "kerastl"])
def test_pages_install_from_the_source_and_the_program_asks_for_the_command(folder):
    paths = [path for path in (REPOSITORY / folder).rglob("*.*") if path.suffix != ".pyc"]
    texts = {
        str(path.relative_to(REPOSITORY)): path.read_text("utf-8")
        for path in [*paths, REPOSITORY / "README.md"]
        if path.suffix in (".md", ".flags", ".py", ".html")
    }
    by_name = {name for name, text in texts.items() if re.search(r"'kerastl\[", text)}
    assert by_name <= BY_NAME
    named = {name for text in texts.values() for name in re.findall(r"'\.\[(\w+)\]'", text)}
    assert named <= EXTRAS
