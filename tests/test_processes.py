import os
import pathlib
import subprocess
import sys

import pytest

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
    assert command == [sys.executable, "-P", "-m", "kerastl.outputs.parity_worker", "a b", "3"]


@pytest.mark.parametrize("given", ["", ":/x", "/x::"])
def test_modules_of_the_working_directory_do_not_take_the_place_of_pythons(
    tmp_path, monkeypatch, given
):
    for name in ("queue", "random", "code", "numpy", "types"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", given)
    command, environment = python_command("kerastl.version")
    code = "import queue, random, code, types; print(queue.Queue)"
    found = subprocess.run(
        [*command[:-2], "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert found.stdout == "<class 'queue.Queue'>\n"


def test_command_starts_among_a_users_own_modules(tmp_path):
    for name in ("queue", "random", "code", "numpy", "typing"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    parent = str(pathlib.Path(kerastl.__file__).parents[1])
    found = subprocess.run(
        [sys.executable, "-m", "kerastl.main", "--help"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": parent},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.thorough
def test_package_that_is_imported_leaves_the_path_alone(tmp_path):
    code = "import kerastl, sys; sys.exit(bool(sys.path[0]))"
    parent = str(pathlib.Path(kerastl.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": parent}
    (tmp_path / "mine.py").write_text(code.replace("bool(sys.path[0])", "sys.path[0] == ''"))
    for way in (["-c", code], ["-m", "mine"]):
        assert subprocess.call([sys.executable, *way], cwd=tmp_path, env=environment) == 0
