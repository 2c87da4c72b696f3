"""Keeps the structure of the package from decaying: what can be counted has a limit here."""

import ast
import collections
import functools
import graphlib
import pathlib
import re

import pytest

import kerastl
from kerastl.data_sources import DATA_SOURCES
from kerastl.settings import SETTINGS
from kerastl.split_names import ALL_NAMES, TRAIN

ROOT = pathlib.Path(kerastl.__file__).parent
PATHS = {str(path.relative_to(ROOT)): path for path in sorted(ROOT.rglob("*.py"))}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PATHS.items()}
TREES = {name: ast.parse(text) for name, text in TEXTS.items()}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@functools.cache
def nodes(kind):
    """Every node of a kind with the module that it is in."""
    return [
        (name, node)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, kind)
    ]


def late_imports():
    """The imports inside functions, each once."""
    inner = {
        (name, node.lineno)
        for name, function in nodes(FUNCTIONS)
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    return sorted(inner)


# Every module that imports something at its first use, and why. A library is slow if its import
# takes more than a tenth of a second.
LATE = {
    **{
        f"api/{name}.py": "TensorFlow, NumPy or Keras on the right backend, after the checks"
        for name in (
            *("compare", "export", "learning_curve", "predict", "rank", "report"),
            *("reproduce", "run", "serve", "suggest", "tune"),
        )
    },
    "__init__.py": "Source needs NumPy",
    "api/checks.py": "Source needs NumPy",
    "checkup/installation.py": "NumPy, for the rows of the store",
    "checkup/doctor.py": "what needs TensorFlow is tried only if it starts",
    "commands/table.py": "only the command that is given",
    "data/finding.py": "only the module of the data source: TensorFlow Datasets is slow",
    "environment.py": "TensorFlow and Keras, once the backend is set",
    "model/building/finding.py": "only the module of the source of the network",
    "lazy.py": "scikit-learn is slow, and so is what the others name",
    "outputs/formats/finding.py": "only the modules of the formats",
    "outputs/formats/onnx.py": "an optional package",
    "serving/prediction_writer.py": "Parquet is slow, and only one ending needs it",
}
AT_FIRST_USE = ("LazyModule", "importlib.import_module")


def late_modules():
    """The modules that import inside functions, or by name."""
    by_name = {
        name for name, call in nodes(ast.Call) if ast.unparse(call.func).endswith(AT_FIRST_USE)
    }
    return by_name | {name for name, _ in late_imports()}


def test_each_late_import_has_its_reason():
    assert late_modules() == LATE.keys()


def count(word):
    return sum(text.count(word) for text in TEXTS.values())


def lengths(kind):
    """The lines of each, without the examples in docstrings, which are for a reader to copy."""
    return [
        (node.end_lineno - node.lineno + 1 - num_example_lines(node), name, node.name)
        for name, node in nodes(kind)
    ]


def num_example_lines(node):
    _, has_example, example = (ast.get_docstring(node) or "").partition("\nExample:\n")
    return example.count("\n") + 3 if has_example else 0


LIMITS = {
    "lines": 51_000,
    "imports inside functions": 15,
    "TYPE_CHECKING blocks": 2,
    "noqa": 19,
    "parameters of type Config": 52,
    "lines of run.py": 130,
    "functions over 40 lines": 14,
    "functions over 60 lines": 0,
    "modules over 400 lines": 0,
}


@functools.cache
def measure():
    annotations = [
        ast.unparse(argument.annotation or argument)
        for _, function in nodes(FUNCTIONS)
        for argument in [*function.args.args, *function.args.kwonlyargs]
    ]
    # One that is a part of another type counts too, as in `Config | None`; functions of one do not.
    configs = [
        text for text in annotations if re.search(r"\bConfig\b", text) and "Callable" not in text
    ]
    return {
        "lines": sum(text.count("\n") for text in TEXTS.values()),
        "imports inside functions": len(late_imports()),
        "TYPE_CHECKING blocks": count("if TYPE_CHECKING"),
        "noqa": count("# noqa"),
        "parameters of type Config": len(configs),
        "lines of run.py": TEXTS["run.py"].count("\n"),
        "functions over 40 lines": sum(size > 40 for size, *_ in lengths(FUNCTIONS)),
        "functions over 60 lines": sum(size > 60 for size, *_ in lengths(FUNCTIONS)),
        "modules over 400 lines": sum(text.count("\n") > 400 for text in TEXTS.values()),
    }


@pytest.mark.parametrize("what", LIMITS)
def test_what_was_mended_does_not_grow_again(what):
    assert measure()[what] <= LIMITS[what]


def module_name(path):
    return ".".join(("kerastl", *pathlib.PurePath(path).with_suffix("").parts)).removesuffix(
        ".__init__"
    )


MODULES = {module_name(name): name for name in PATHS}


def imported_by(tree):
    """The package's modules that a module imports, inside functions too, types aside."""
    type_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in type_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            yield from inner
            if node.module in MODULES and len(inner) < len(node.names):
                yield node.module
        elif isinstance(node, ast.Call):
            yield from named_in(node)


def named_in(call):
    """The modules that a call imports by name: all that a name with holes may mean."""
    if not ast.unparse(call.func).endswith(AT_FIRST_USE):
        return
    (name,) = call.args
    if ast.unparse(name).endswith("source_kind.module"):  # A column of a table.
        yield from (kind.module for kind in DATA_SOURCES.values() if kind.module)
        return
    parts = name.values if isinstance(name, ast.JoinedStr) else [name]
    pattern = "".join(
        re.escape(part.value) if isinstance(part, ast.Constant) else "[^.]+" for part in parts
    )
    if pattern.startswith("kerastl"):
        yield from (one for one in MODULES if re.fullmatch(pattern, one))


# What only a table or a name leads to.
FOUND_BY_NAME = {
    "data.finding": ("data.folders", "data.tfds_source"),
    "model.building.finding": ("model.building.applications", "model.building.hub"),
    "outputs.formats.finding": ("outputs.formats.onnx", "outputs.formats.savedmodel"),
    "commands.table": ("commands.train",),
}


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: set(imported_by(TREES[path])) - {name} for name, path in MODULES.items()}
    assert "kerastl.config" in graph["kerastl.api.run"]
    for finder, found in FOUND_BY_NAME.items():
        assert graph[f"kerastl.{finder}"] >= {f"kerastl.{name}" for name in found}
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert set(order) == set(MODULES)


def test_the_walk_finds_a_circle():
    with pytest.raises(graphlib.CycleError):
        list(graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())


BUILDERS = ("frozenset", "set", "tuple", "list", "sorted", "dict")


def parts_of_call(call):
    if isinstance(call.func, ast.Attribute):  # As "a b".split().
        return [call.func.value]
    keywords = [ast.Constant(keyword.arg) for keyword in call.keywords if keyword.arg]
    return [*call.args, *keywords] if ast.unparse(call.func) in BUILDERS else []


# A collection -> what it is put together from.
PARTS = {
    **dict.fromkeys((ast.Tuple, ast.List, ast.Set), lambda node: node.elts),
    ast.Dict: lambda node: filter(None, node.keys),
    ast.BinOp: lambda node: (node.left, node.right),
    ast.Starred: lambda node: [node.value],
    ast.Call: parts_of_call,
}


def words_of(node):
    """The words that a collection has, also by operators, calls and splitting a text."""
    if isinstance(node, ast.Constant):
        return str(node.value).split()
    parts = PARTS.get(type(node), lambda _: ())(node)
    return [word for part in parts for word in words_of(part)]


# Gives values to settings, which takes a name for each.
GIVING_VALUES = (
    *("tuning/default_space.py", "recipes/choices.py", "recipes/fine_tuning.py"),
    "settings/model.py",
)


def is_list_of_settings(node):
    """Whether most of its words are names of settings: two, or three where they have values."""
    names = words_of(node)
    known = len({name for name in names if name in SETTINGS})
    gives_values = isinstance(node, ast.Dict) or ast.unparse(node).startswith("dict(")
    return known >= (3 if gives_values else 2) and known > len(names) / 2


def test_setting_names_are_listed_once():
    lists = [
        (name, node.lineno, ast.unparse(node))
        for name, node in nodes(tuple(PARTS))
        if is_list_of_settings(node)
        and not (isinstance(node, (ast.Dict, ast.BinOp)) and name in GIVING_VALUES)
    ]
    assert not lists


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("('seed', 'dataset')", True),
        ("['seed', 'dataset', 'accuracy']", True),
        ("frozenset(['seed', 'dataset'])", True),
        ("('seed',) + ('dataset',)", True),
        ("{'seed'} | {'dataset'}", True),
        ("(*('seed',), 'dataset')", True),
        ("'seed dataset'.split()", True),
        ("{'seed': 1, 'dataset': 2, 'resize': 3, 'other': 4}", True),
        ("dict(seed=1, dataset=2, resize=3)", True),
        ("('seed',)", False),
        ("{'seed': 1, 'dataset': 2}", False),
        ("['seed', 'dataset', 'resize', 'accuracy', 'loss', 'seconds']", False),
        ("'seed' + 'seed'", False),
    ],
)
def test_the_search_for_lists_finds_them(code, found):
    assert is_list_of_settings(ast.parse(code).body[0].value) == found


def test_a_setting_of_a_run_is_described_once():
    described = collections.Counter(
        (node.target.id, name)
        for name, node in nodes(ast.AnnAssign)
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "setting"
    )
    again = [
        (name, path)
        for name, path in described
        if name in SETTINGS and not path.startswith("settings/")
    ]
    assert described["cache_dir", "settings/store.py"] == 1
    # Images that are predicted at a time are no step of training.
    assert again == [("batch_size", "serving/options.py")]


def test_splits_are_named_once():
    literals = {
        (name, node.value)
        for name, node in nodes(ast.Constant)
        if isinstance(node.value, str) and node.value in ALL_NAMES
    }
    elsewhere = {(name, word) for name, word in literals if name != "split_names.py"}
    assert len(literals) - len(elsewhere) == len(ALL_NAMES)
    # A command, and a choice of --small_classes.
    commands = {(name, TRAIN) for name in ("main.py", "commands/table.py", "commands/train.py")}
    assert elsewhere == commands | {("settings/data.py", TRAIN)}


def own_names():
    """Every name that the package itself defines."""
    for _, node in nodes((*FUNCTIONS, ast.ClassDef)):
        yield node.name
    for _, node in nodes((ast.Attribute, ast.Name)):
        if isinstance(node.ctx, ast.Store):
            yield node.attr if isinstance(node, ast.Attribute) else node.id


def test_other_libraries_are_used_by_their_public_names():
    own = set(own_names())
    private = [
        (name, node.lineno, node.attr)
        for name, node in nodes(ast.Attribute)
        if re.match("_[^_]", node.attr) and node.attr not in own | {"_exit"}  # Of `os`, documented.
    ]
    modules = [
        (name, node.lineno, node.module)
        for name, node in nodes(ast.ImportFrom)
        if re.search(r"(^|\.)(_\w+|src)(\.|$)", node.module) and node.module != "__future__"
    ]
    assert not [found for found in private + modules if found[0] != "internals.py"]


def test_modules_have_a_docstring_and_say_it_once():
    docstrings = collections.Counter(ast.get_docstring(tree) for tree in TREES.values())
    assert None not in docstrings
    assert docstrings.most_common(1)[0][1] == 1


def test_tests_use_public_names_of_the_package():
    private = re.compile(
        r"from kerastl[\w.]* import [^\n]*\b_[a-zA-Z]|setattr\([^)]*[\"'.]_[a-zA-Z]"
    )
    tests = pathlib.Path(__file__).parent.rglob("test_*.py")
    assert not [path.name for path in tests if private.search(path.read_text(encoding="utf-8"))]
