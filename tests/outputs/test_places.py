import contextlib
import io
import os
import pathlib
import tempfile
import threading

import pytest

import kerastl
from kerastl.data import memo
from kerastl.data import store_locks as locks
from kerastl.outputs.places import is_usable, usable_places
from kerastl.progress import Progress
from kerastl.writing import temporary_place


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(memo, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.05)


@pytest.fixture
def run_dir(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    yield path
    assert not os.listdir(path)


@contextlib.contextmanager
def places(run_dir, **changes):
    """Yields the cache that a run uses and the one that it was given, and what was said."""
    config = kerastl.Config(run_dir=str(run_dir), dataset="digits", **changes)
    said = io.StringIO()
    with usable_places(config, run_dir, field="run_dir", progress=Progress(said)) as settings:
        assert settings.to_flags() == config.to_flags()
        yield settings.memory_path, config.memory_path, said.getvalue()


def test_cache_that_works_is_used(run_dir, tmp_path):
    with places(run_dir, cache_dir=str(tmp_path / "c")) as (used, given, said):
        assert (used, said) == (given, "")
    with places(run_dir, cache_dir="") as (used, _, said):
        assert (used, said) == (None, "")


def refuse(monkeypatch, path):
    def fail(*_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pathlib.Path.touch", fail)


def fill_disk(monkeypatch, path):
    def fail(*_, **__):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("pathlib.Path.touch", fail)


def lock_memo(monkeypatch, path):
    (path / "audit.sqlite").mkdir()


def forbid_locks(monkeypatch, path):
    def fail(*_, **__):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", fail)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (refuse, "Permission denied"),
        (fill_disk, "No space left on device"),
        (lock_memo, "unable to open database file"),
        (forbid_locks, "Operation not supported"),
    ],
)
@pytest.mark.parametrize("is_chosen", [False, True])
def test_cache_that_fails_is_done_without(run_dir, tmp_path, monkeypatch, spoil, reason, is_chosen):
    cache = tmp_path / "kerastl"
    cache.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    spoil(monkeypatch, cache)
    changes = {"cache_dir": str(cache)} if is_chosen else {}
    with places(run_dir, **changes) as (used, given, said):
        assert given == cache
        assert said == (
            f"Cache: nothing is kept between runs: {cache} cannot be written ({reason}).\n"
        )
        assert used.parent == run_dir
        assert used.is_dir()


@pytest.mark.parametrize("form", ["file/c", "file"])
def test_chosen_folder_that_cannot_be_made_is_an_error(run_dir, tmp_path, monkeypatch, form):
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(kerastl.KerastlError, match=f"^cache_dir='.*{form}': cannot be written"),
        places(run_dir, cache_dir=str(tmp_path / form)),
    ):
        pass
    # The user's own is not chosen, and an export takes what a run has left.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with places(run_dir) as (used, _, said):
        assert used.parent == run_dir
        assert "nothing is kept between runs" in said
    config = kerastl.Config(run_dir="r", dataset="digits", cache_dir=str(tmp_path / form))
    assert not is_usable(config, Progress())


def test_temporary_files_of_a_command_lie_in_its_directory(run_dir, tmp_path, monkeypatch):
    own = threading.Event()
    monkeypatch.setattr("kerastl.writing.OWN_PROCESS", own)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    # Other threads of a notebook, say, keep what they have.
    with temporary_place(run_dir, field="run_dir"):
        assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(tmp_path)
        assert not os.listdir(run_dir)
    own.set()
    inner = run_dir / "inner"
    inner.mkdir()
    with temporary_place(pathlib.Path(run_dir.name), field="run_dir"):
        folder = tempfile.gettempdir()
        assert folder.startswith(f"{run_dir}/.writing-")
        with temporary_place(inner, field="export_dir"):
            assert tempfile.gettempdir() == os.environ["TMPDIR"]
            assert pathlib.Path(tempfile.mkdtemp()).is_relative_to(inner)
        assert tempfile.gettempdir() == os.environ["TMPDIR"] == folder
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(tmp_path)
    inner.rmdir()  # Nothing is left in it.


def test_temporary_files_go_where_they_can(run_dir, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)

    def find():
        if tempfile.tempdir is None:
            raise FileNotFoundError(2, "No usable temporary directory found")
        return tempfile.tempdir

    monkeypatch.setattr(tempfile, "gettempdir", find)
    with temporary_place(run_dir, field="run_dir"):
        with tempfile.TemporaryDirectory() as folder:
            assert folder.startswith(f"{run_dir}/.writing-")
        assert os.environ["TMPDIR"].startswith(str(run_dir))
    assert "TMPDIR" not in os.environ
    assert tempfile.tempdir is None


def test_run_directory_stays_clean_where_nothing_can_be_kept(run_dir, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with places(run_dir) as (used, _, _):
        (used / "features").mkdir()


@pytest.mark.parametrize(
    ("bad", "is_ours"),
    [
        ("", False),
        ("XDG_CACHE_HOME", True),
        ("XDG_CONFIG_HOME", True),
        ("MPLCONFIGDIR", True),
    ],
)
def test_matplotlib_has_folders_that_it_can_write(run_dir, tmp_path, monkeypatch, bad, is_ours):
    """It would make a temporary one, and miss it when Python ends."""
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        (tmp_path / name / "matplotlib").mkdir(parents=True)
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    if bad:
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv(bad, str(tmp_path / "file"))
    given = os.environ.get("MPLCONFIGDIR")
    with places(run_dir, cache_dir=str(tmp_path / "c")):
        used = os.environ.get("MPLCONFIGDIR")
        assert used == (str(tmp_path / "c/matplotlib") if is_ours else given)
    assert os.environ.get("MPLCONFIGDIR") == given
