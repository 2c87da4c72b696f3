import os
import pathlib
import subprocess
import sys

import kerastl
from kerastl.processes import python_command
from kerastl.version import VERSION


def test_process_finds_the_package_wherever_it_starts(tmp_path, monkeypatch):
    (tmp_path / "kerastl").mkdir()
    (tmp_path / "kerastl/__init__.py").write_text("raise SystemExit('another package')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    _, environment = python_command("kerastl.version")
    code = "import kerastl.version as found; print(found.__file__, found.VERSION)"
    found = subprocess.check_output(
        [sys.executable, "-c", code], env=environment, cwd="/", text=True
    )
    expected = pathlib.Path(kerastl.__file__).with_name("version.py")
    assert found.split() == [str(expected), VERSION]
    assert environment["PYTHONPATH"].split(os.pathsep)[1:] == [str(tmp_path)]


def test_command_runs_a_module_with_its_arguments():
    command, _ = python_command("kerastl.outputs.parity_worker", pathlib.Path("a b"), 3)
    assert command == [sys.executable, "-m", "kerastl.outputs.parity_worker", "a b", "3"]
