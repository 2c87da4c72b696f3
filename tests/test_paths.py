import os
import pathlib

import pytest

from command_line import config_from_flags
from kerastl.commands import cache, export, predict, rank, serve, tune
from kerastl.config import Config
from kerastl.errors import UsageError
from kerastl.outputs.model_path import find_model
from kerastl.paths import cache_folder, checked, home, local_path
from kerastl.progress import Progress
from kerastl.serving.export_path import find_export
from kerastl.serving.image_paths import find_images
from kerastl.settings import SETTINGS

ADDRESSES = [
    "gs://bucket/model",
    "s3://bucket/run",
    "hdfs://x/c",
    "https://x/s.csv",
    "HTTP://x/s.csv",
    "abfss://box@account.dfs.core.windows.net/x",
    "az://box/x",
    "smb://server/share",
    "dbfs:/mnt/photos",
    "gs:/bucket/model",
    "server:/home/photos",
    "user@server:photos",
    "s3:bucket/photos",
    "gdrive:photos",
    "hf:user/data",
    "my-remote:photos/cats",
]
LOCAL = [
    "runs/first",
    "photos [2024]",
    "/tmp/x",
    "../x",
    "2024-01-01T12:30:00",
    "runs/lr:0.01",
    "lr:0.01",
    "50%/x",
    "a$b",
    "naïve/ü",
    "server/a:/b",
]
PATHS = sorted(name for name, setting in SETTINGS.items() if setting.is_path)
REQUIRED = ["--run_dir=runs/x", "--dataset=digits"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "pasted",
    [
        *("{} ", " {}\n", "'{}'", '"{}" ', "\u201c{}\u201d", "\u202a{}", "{}/ "),
        *("my\\ ph\u00e9os/a", "my%20ph\u00e9os/a", "my ph\u00e9os\\a", "my phe\u0301os/a"),
    ],
)
def test_what_was_pasted_with_a_path_is_named(tmp_path, monkeypatch, pasted):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my ph\u00e9os/a").mkdir(parents=True)
    with pytest.raises(UsageError, match="does not exist, and 'my ph\u00e9os/a"):
        checked(pasted.format("my ph\u00e9os/a"), field="run_dir")


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses_are_no_paths(here, address):
    with pytest.raises(UsageError) as caught:
        checked(address, field="run_dir")
    assert str(caught.value) == (
        f"run_dir={address!r}: is an address; copy it to a disk or mount it as a folder. Give the "
        "path that it has there."
    )


@pytest.mark.parametrize("path", LOCAL)
def test_paths_stay_as_they_are(here, path):
    assert checked(path, field="run_dir") == path


def test_what_exists_as_it_stands_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("dbfs:", "c:", "$HOME", "gs:"):
        (tmp_path / name / "x").mkdir(parents=True)
        assert checked(f"{name}/x", field="run_dir") == f"{name}/x"
    # A folder of this name is what an address has left behind.
    with pytest.raises(UsageError, match="is an address"):
        checked("gs://x", field="run_dir")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("C:\\photos", r"is a path of Windows\. Give the path that it has on this system\."),
        ("d:/photos", r"is a path of Windows\."),
        (r"\\server\share", r"is a path of Windows\."),
        ("file:///home/x", r"is an address\. Give the path alone, '/home/x'\."),
        ("file:/home/x", r"is an address\. Give the path alone, '/home/x'\."),
        ("$HOME/x", r"holds \$HOME, which only a shell replaces"),
        ("/scratch/${USER}/x", r"holds \$\{USER\}, which only a shell replaces"),
        ("%USERPROFILE%\\x", r"holds %USERPROFILE%, which only a shell replaces"),
        ("~nobody-of-this-name/x", r"begins with ~nobody-of-this-name, and there is no such home"),
    ],
)
def test_what_only_other_systems_and_shells_read_is_no_path(here, path, problem):
    with pytest.raises(UsageError, match=rf"^run_dir=.*: {problem}"):
        checked(path, field="run_dir")


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("address", ["gs://b/m", "dbfs:/x"])
def test_every_flag_of_a_path_knows_addresses(here, name, address):
    with pytest.raises(UsageError, match=f"^{name}='{address}': is an address; copy it to a disk"):
        config_from_flags([*REQUIRED, f"--{name}={address}"])


@pytest.mark.parametrize("dataset", ["folder:gs://b/photos", "csv:https://x/labels.csv"])
def test_data_at_an_address_are_refused(here, dataset):
    with pytest.raises(UsageError, match=f"^dataset='{dataset}': is an address"):
        Config(run_dir="r", dataset=dataset)
    # The name of a data set is no path.
    assert Config(run_dir="r", dataset="tfds:mnist").dataset == "tfds:mnist"


@pytest.mark.parametrize(
    ("command", "arguments", "field"),
    [
        (predict.COMMAND, ["gs://b/m", "x.png"], "model"),
        (export.COMMAND, ["s3://b/r"], "run"),
        (export.COMMAND, ["r", "--export_dir=s3://b/r"], "export_dir"),
        (serve.COMMAND, ["gs://b/m"], "export"),
        (cache.COMMAND, ["--cache_dir=hdfs://x"], "cache_dir"),
        (tune.COMMAND, [*REQUIRED, "--search_space=https://x/s.flags"], "search_space"),
        (rank.COMMAND, [*REQUIRED, "--backbones=ResNet50=gs://b/w.h5"], "weights"),
        (rank.COMMAND, ["--flagfile=https://x/s.flags"], "flagfile"),
        (predict.COMMAND, ["m", "x.png", "--output=gs://b/m.csv"], "output"),
    ],
)
def test_every_command_knows_addresses(here, command, arguments, field):
    with pytest.raises(UsageError, match=f"^{field}='[a-z0-9]+://.*': is an address"):
        command.run(arguments, Progress())


def test_images_at_an_address_are_refused(here):
    for given in ("gs://b/*.png", "s3://b/x.png"):
        with pytest.raises(UsageError, match=r"^paths=.*: is an address"):
            list(find_images([given]))


def test_tilde_is_the_same_home_everywhere(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x").mkdir()
    (tmp_path / "x/model.keras").touch()
    (tmp_path / "x/1").mkdir()
    (tmp_path / "x/1/saved_model.pb").touch()
    assert find_model("~/x/model.keras") == tmp_path / "x/model.keras"
    assert find_export("~/x").directory == tmp_path / "x"
    assert list(find_images(["~/x/1.png"])) == [tmp_path / "x/1.png"]
    assert local_path("~", field="f") == tmp_path
    monkeypatch.setenv("HOME", "/")
    assert checked("~/x", field="f") == "/x"


@pytest.mark.parametrize("given", [None, "", "~", "$HOME", ".", "home/me"])
def test_home_that_is_none_is_that_of_the_user(monkeypatch, given):
    monkeypatch.delenv("HOME")
    if given is not None:
        monkeypatch.setenv("HOME", given)
    found = home()
    assert found
    assert pathlib.Path(found).is_absolute()


@pytest.mark.parametrize("given", [None, "~", "$HOME"])
def test_user_that_the_system_does_not_know_has_no_home(here, monkeypatch, given):
    monkeypatch.delenv("HOME")
    if given is not None:
        monkeypatch.setenv("HOME", given)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("os.getuid", lambda: 54321)
    assert home() is None
    assert cache_folder() == pathlib.Path("/.cache/kerastl")
    with pytest.raises(UsageError, match=r"^run_dir='~/x': begins with ~, and there is no such"):
        Config(run_dir="~/x", dataset="digits")
    # What needs no home works.
    Config(run_dir="x", dataset="digits", label_issues=True, weights="bundled")


@pytest.mark.parametrize(
    ("given", "expected"),
    [("/c", "/c/kerastl"), ("c", "H"), ("~/.cache", "H"), ("$HOME/.cache", "H"), ("", "H")],
)
def test_cache_folder_is_absolute(tmp_path, monkeypatch, given, expected):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    at_home = tmp_path / ".cache/kerastl"
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == (at_home if expected == "H" else pathlib.Path(expected))
