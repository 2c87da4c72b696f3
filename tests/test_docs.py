"""Runs the commands and the Python of README and docs, or says why it does not."""

import ast
import functools
import itertools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import types

import keras
import pytest
from PIL import Image
from sklearn import datasets

from command_line import REPOSITORY
from kerastl.commands.flagfile import expand_flag_files
from kerastl.commands.table import NAMES, find_command, run_command
from kerastl.settings import SETTINGS
from without_network import take_network

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
# Lines of shell that no test of this module runs, and why.
NOT_RUN = {
    r"pip |python3 -m venv|\. \.venv": "installs; .ci/run does",
    r"python -m pytest|scripts/|bash \.ci|mkdocs ": "runs the tests or the docs; .ci/run does",
    r"docker |wsl ": "needs another system",
    r"curl |kerastl serve ": "a server and its clients; tests/test_serve.py",
    r"kerastl train .*--(devices|workers)=": "several devices; tests/training/test_replicas.py",
    r".*KERASTUNER_": "several machines; tests/tuning/test_search_processes.py",
    r".*/best\.flags": "reads what the command above has found, which needs its download",
    r".*WEIGHTS_FILE": "needs the weights of the benchmark",
    r"python -m kerastl\.main --flagfile configs/quickstart\.flags": "the quickstart; .ci/run",
    r".*--teacher=": "needs the run of the command above; tests/training/test_teaching.py",
    r".*--fixes=": "what a person has marked on the page of a run; tests/data/test_fixes.py",
    r"kerastl doctor": "takes a minute; tests/checkup/test_doctor.py",
    r"kerastl tune --dataset=digits": "takes minutes; tests/tuning/test_search.py",
}
# Pages whose Python another test runs.
PYTHON_ELSEWHERE = {
    "docs/how_to/other_tools.md": "tests/data/test_tool_files.py",
    "docs/how_to/serving.md": "tests/test_serve.py",
    "docs/reference/python.md": "tests/test_examples.py",
}
# Pages whose Python opens what their commands have written.
PYTHON_AFTER_COMMANDS = {"docs/how_to/export.md", "docs/how_to/without_tensorflow.md"}
# Pages whose Python ends at a download.
PYTHON_DOWNLOADS = {"docs/how_to/networks.md"}
# Flags of other programs.
OF_OTHERS = {"data-binary", "find-links", "install", "no-index", "no-save", "wheel-dir"}
OF_OTHERS |= {"read-only", "rm"}
OF_OTHERS |= {"nodes", "ntasks-per-node", "gpus-per-node", "requeue", "kill-on-bad-exit"}
DOWNLOADS = r"no network to download it|cannot be reached|cannot be had from"


def name_of(page):
    return str(page.relative_to(REPOSITORY))


@functools.cache
def blocks(language):
    """Lists the fenced blocks of a language, each with its page."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```", re.DOTALL | re.MULTILINE)
    return [(name_of(page), code) for page in PAGES for code in pattern.findall(page.read_text())]


def lines():
    """Lists the lines of shell, each with its page, continued lines as one."""
    for page, code in itertools.chain(blocks("sh"), blocks("powershell")):
        for line in code.replace("\\\n", " ").splitlines():
            if words := re.sub(r"(^|\s)#.*", "", line).strip():
                yield from ((page, part.strip()) for part in words.split("&&"))


def words_of(line):
    """Splits a line of one command of kerastl; None for any other."""
    if "|" in line or ">" in line:
        return None
    match shlex.split(line):
        case ["kerastl", name, *arguments]:
            return name, arguments
        case ["python", "-m", module, *arguments] if module.startswith("kerastl."):
            return module.removeprefix("kerastl.").replace("main", "train"), arguments
    return None


def why_not(line):
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, line)), "")


COMMANDS = list(dict.fromkeys((page, line) for page, line in lines() if words_of(line)))
TUTORIAL = "docs/tutorial.md"
TRIED = [(page, line) for page, line in COMMANDS if not why_not(line) and page != TUTORIAL]
RUNS = [(page, line) for page, line in TRIED if find_command(words_of(line)[0]).has_config]
ON_A_RUN = [command for command in TRIED if command not in RUNS]
PIPES = [line for _, line in lines() if re.search("[|>]", line) and not why_not(line)]


@pytest.fixture(scope="session")
def own_network(tmp_path_factory):
    """A file of a network that somebody has trained elsewhere."""
    images = keras.Input((96, 96, 3))
    features = keras.layers.Conv2D(8, 5, strides=4, activation="relu", name="stage1_conv")(images)
    features = keras.layers.Conv2D(16, 5, strides=4, name="stage2_conv")(features)
    path = tmp_path_factory.mktemp("own") / "mine.keras"
    keras.Model(images, features).save(path)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch, own_network):
    """A folder with what the pages speak of, on a machine without a network."""
    take_network(monkeypatch, tmp_path / "keras")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(REPOSITORY / "configs")
    shutil.copy(own_network, tmp_path)
    for number in range(40):
        for path in (f"photos/{number % 2}/{number}.png", f"test/{number % 2}/{number}.jpg"):
            pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (24, 16), (number, 200 * (number % 2), 90)).save(path)
    for name in ("b", "new_photos"):
        shutil.copytree("photos/0", name)
    shutil.copy("test/0/0.jpg", "a.jpg")
    [space] = [code for _, code in blocks("text") if code.startswith("--head_learning_rate")]
    pathlib.Path("space.flags").write_text(space)
    return tmp_path


@pytest.fixture
def few_digits(monkeypatch):
    """Makes 200 digits of the 1,797, so that nothing takes long."""
    digits = datasets.load_digits()
    few = types.SimpleNamespace(images=digits.images[:200], target=digits.target[:200])
    monkeypatch.setattr(datasets, "load_digits", lambda: few)


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda value: value[:60])
def test_commands_are_read(page, line, folder):
    searches = ("runs/rank/best.flags", "runs/cifar10_search/tuning/best.flags")
    for made in (*searches, "runs/photos/flags.txt", "FILE"):
        pathlib.Path(made).parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(made).write_text("--dataset=digits\n--run_dir=run\n")
    name, arguments = words_of(line)
    command = find_command(name)
    given = command.read(expand_flag_files(arguments))
    assert not given.arguments or command.arguments


def test_each_flag_that_is_named_exists():
    known = {"flagfile", "help", "version"} | OF_OTHERS
    for name in NAMES:
        command = find_command(name)
        known |= set(command.flags) | (set(SETTINGS) if command.has_config else set())
    for path in [*(REPOSITORY / "benchmarks").glob("*.py"), REPOSITORY / "scripts/flags_table"]:
        known |= set(re.findall(r'"--([\w-]+)"', path.read_text("utf-8")))
    unknown = {
        (name_of(page), flag)
        for page in PAGES
        for flag in re.findall(r"(?<![\w-])--(\w[\w-]*)", page.read_text("utf-8"))
        if flag not in known
    }
    assert unknown == set()


def test_parts_that_benchmarks_write_have_their_command_and_its_day():
    parts = []
    for page in PAGES:
        text = page.read_text("utf-8")
        parts += re.findall(
            r"<!-- (python benchmarks/[^\n]*) -->\n(.*?)<!-- end -->", text, re.DOTALL
        )
        assert text.count("<!-- python benchmarks/") == text.count("<!-- end -->"), page
    assert len(parts) > 3
    for command, text in parts:
        assert (REPOSITORY / command.split()[1]).exists()
        assert re.search(rf"`{re.escape(command)}`, 20\d\d-\d\d-\d\d\.\n$", text), command


def test_each_line_runs_or_has_its_reason():
    assert [
        line for _, line in lines() if not (words_of(line) or why_not(line) or line in PIPES)
    ] == []
    for page, test in PYTHON_ELSEWHERE.items():
        assert page in (REPOSITORY / test).read_text("utf-8")
    for why in NOT_RUN.values():
        for path in re.findall(r"tests/\S+\.py|\.ci/run", why):
            assert (REPOSITORY / path).exists(), path
    assert {
        pattern for pattern in NOT_RUN if any(re.match(pattern, line) for _, line in lines())
    } == (NOT_RUN.keys())


def run_briefly(line):
    """Runs a command in less time than its line gives it; returns the exit code."""
    name, arguments = words_of(line)
    return run_command(name, [*arguments, "--budget=30s"])


def downloads(line):
    name, arguments = words_of(line)
    config = find_command(name).read(expand_flag_files(arguments)).config
    return config and (
        "imagenet" in config.weights
        or config.dataset.startswith("tfds:")
        or config.backbone.startswith("hub:")
    )


@pytest.mark.thorough
@pytest.mark.parametrize(("page", "line"), RUNS, ids=lambda value: value[:60])
def test_commands_train_up_to_their_first_download(page, line, folder, few_digits, capsys):
    code = run_briefly(line)
    printed = "".join(capsys.readouterr())
    assert code == (1 if downloads(line) else 0), printed
    assert bool(re.search(DOWNLOADS, printed)) == bool(downloads(line)), printed


@pytest.fixture
def finished(folder, color_run, tiny_net, use_source):
    """The folder with finished runs and their export in it, of the tiny network."""
    use_source(color_run.source)
    for name in ("quickstart", "photos"):
        shutil.copytree(color_run.result.run_dir, f"runs/{name}")
    shutil.copytree(color_run.config.export_dir, "saved_models/quickstart")


@pytest.mark.thorough
@pytest.mark.parametrize(("page", "line"), ON_A_RUN, ids=lambda value: value[:60])
def test_commands_use_a_finished_run(page, line, finished, capsys):
    name, arguments = words_of(line)
    assert run_command(name, arguments) == 0, capsys.readouterr().err


@pytest.mark.thorough
@pytest.mark.parametrize("line", PIPES)
def test_pipes_run_in_a_shell(line, finished, monkeypatch):
    kerastl = pathlib.Path("bin/kerastl")
    kerastl.parent.mkdir()
    kerastl.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m kerastl "$@"\n')
    kerastl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{kerastl.parent.absolute()}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    shell = ["bash", "-euo", "pipefail", "-c", line]
    done = subprocess.run(shell, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.thorough
def test_tutorial_runs_from_its_folder_to_its_predictions(folder, few_digits, capsys):
    shutil.rmtree("photos")
    run_python(TUTORIAL)
    train, predict = [line for page, line in COMMANDS if page == TUTORIAL and not why_not(line)]
    assert run_briefly(train) == 0, capsys.readouterr().err
    name, arguments = words_of(predict)
    assert run_command(name, arguments) == 0, capsys.readouterr().err
    assert len(pathlib.Path("rows.csv").read_text().splitlines()) > 2


def run_python(page):
    """Runs all Python of a page, one block after the other."""
    names = {}
    for code in (code for name, code in blocks("python") if name == page):
        is_added = "load_pixels(" in code and "def load_pixels" not in code
        exec(compile(with_load_pixels(code) if is_added else code, page, "exec"), names)


def with_load_pixels(code):
    """Adds what another page defines behind the imports of a block, as the page says."""
    [program] = [code for _, code in blocks("python") if "def load_pixels" in code]
    imports, rest = [], []
    for node in ast.parse(code).body:
        (imports if isinstance(node, ast.Import | ast.ImportFrom) else rest).append(node)
    defined = [
        node
        for node in ast.parse(program).body
        if ast.unparse(node).startswith(("FILTERS = ", "def load_pixels("))
    ]
    return ast.unparse(ast.Module([*imports, *defined, *rest], []))


@pytest.mark.thorough
@pytest.mark.parametrize(
    "page",
    sorted(
        {page for page, _ in blocks("python")}
        - {*PYTHON_ELSEWHERE, *PYTHON_AFTER_COMMANDS, TUTORIAL}
    ),
)
def test_python_runs(page, folder, color_run):
    shutil.copytree(color_run.config.export_dir, "saved_models/quickstart")
    if page in PYTHON_DOWNLOADS:
        with pytest.raises(Exception, match="URL fetch failure"):
            run_python(page)
    else:
        run_python(page)


@pytest.mark.thorough
@pytest.mark.parametrize("page", sorted(PYTHON_AFTER_COMMANDS))
def test_python_runs_after_the_commands_of_its_page(page, finished, capsys):
    for name, arguments in (words_of(line) for of_page, line in ON_A_RUN if of_page == page):
        assert run_command(name, arguments) == 0, capsys.readouterr().err
    run_python(page)
