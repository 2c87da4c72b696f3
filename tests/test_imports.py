"""Imports go one way: a module sees its own package and those before it in this order."""

import ast
import pathlib

import pytest

import kerastl

ORDER = (
    "errors",
    "split_names",
    "layouts",
    "paths",
    "resources",
    "lazy",
    "version",
    "internals",
    "extras",
    "data_sources",
    "export_formats",
    "settings",
    "config",
    "cluster",
    "progress",
    "meeting",
    "short_form",
    "result",
    "device",
    "replicas",
    "keras_settings",
    "decoder_words",
    "early_signals",
    "native_stream",
    "native_messages",
    "environment",
    "disk_errors",
    "locks",
    "writing",
    "checked_files",
    "processes",
    "charts",
    "data",
    "model",
    "training",
    "outputs",
    "selection",
    "recipes",
    "report",
    "serving",
    "run",
    "tuning",
    "comparison",
    "checkup",
    "api",
    "__init__",
    "commands",
    "main",
    "rank",
    "learning_curve",
    "tune",
    "predict",
    "export",
    "serve",
    "cache",
    "__main__",
)
ROOT = pathlib.Path(kerastl.__file__).parent
MODULES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py"))
# The only modules that may import them at all.
ABSL = {"commands/command.py", "commands/flags.py"}


def imports(module):
    """Every module that a file imports, inside functions too."""
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            # `from kerastl import environment` imports the module of that name.
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from names if node.module == "kerastl" else (node.module,)


def place(module):
    return pathlib.PurePath(module).parts[0].removesuffix(".py")


def test_every_module_has_its_place():
    assert {place(module) for module in MODULES} == set(ORDER)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    own = place(module)
    is_package = module != f"{own}.py"
    allowed = set(ORDER[: ORDER.index(own)]) | ({own} if is_package else set())
    ours = [name.split(".")[1] for name in imports(module) if name.startswith("kerastl.")]
    assert not set(ours) - allowed


@pytest.mark.parametrize("module", MODULES)
def test_only_the_flags_know_absl(module):
    tops = {name.split(".")[0] for name in imports(module)}
    assert ("absl" in tops) == (module in ABSL)


@pytest.mark.parametrize(
    "module",
    [
        "errors.py",
        "export_formats.py",
        "config.py",
        "progress.py",
        "commands/flags.py",
        "model/backbones.py",
        "outputs/directories.py",
    ]
    + [module for module in MODULES if module.startswith(("settings/", "model/sources/"))],
)
def test_what_is_read_before_a_run_starts_needs_no_slow_import(module):
    tops = {name.split(".")[0] for name in imports(module)}
    assert not tops & {"tensorflow", "keras", "numpy", "sklearn", "tensorflow_datasets"}


def test_the_walk_sees_imports():
    assert {"absl", "kerastl.settings"} <= set(imports("commands/flags.py"))
    assert {"kerastl.config", "kerastl.run"} <= set(imports("api/run.py"))
