import dataclasses
import io
import json
import os
import pickle
import re

import pytest

from command_line import REPOSITORY, config_from_flags
from kerastl.commands import train, tune
from kerastl.commands.flagfile import expand_flag_files
from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError
from kerastl.model.sources.table import find_backbone
from kerastl.progress import Progress
from kerastl.settings import SETTINGS, TOPICS

REQUIRED = ["--run_dir=runs/x", "--dataset=digits"]
FIELDS = sorted(field.name for field in dataclasses.fields(Config) if field.metadata)
CONFIGS = sorted(path.name for path in (REPOSITORY / "configs").glob("*.flags"))


def parse(*arguments):
    return config_from_flags([*REQUIRED, *arguments])


def refusal(*arguments):
    with pytest.raises(UsageError) as caught:
        parse(*arguments)
    return str(caught.value)


@pytest.fixture
def flag_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="x.flags", encoding="utf-8"):
        (tmp_path / name).write_text(text, encoding=encoding)
        return f"--flagfile={name}"

    return write


def test_each_field_has_one_flag():
    assert sorted(name for entries in TOPICS.values() for name in entries) == FIELDS


def test_flags_have_the_defaults_of_config():
    assert parse() == Config(run_dir="runs/x", dataset="digits")


def test_help_shows_each_flag_once_with_its_default_and_meaning():
    text = train.COMMAND.help()
    assert text.startswith("usage: kerastl train [--flagfile=FILE] [--flag=value ...]")
    shown = re.findall(r"^  --(\w+)(?: \((?:default: )?(.*)\))?$", text, re.MULTILINE)
    defaults = {
        name: "required"
        if name in ("run_dir", "dataset")
        else str(getattr(Config, name)) or "empty"
        for name in FIELDS
    }
    assert len(shown) == len(dict(shown))
    assert dict(shown) == defaults | {"flagfile": "", "help": ""}
    words = " ".join(text.split())
    assert all(entry.help in words for entries in TOPICS.values() for entry in entries.values())


def test_help_fits_a_terminal():
    assert max(len(line) for line in train.COMMAND.help().splitlines()) <= 88


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (["--batch_size=8"], {"batch_size": 8}),
        (["--batch_size", "8"], {"batch_size": 8}),
        (["-batch_size=8"], {"batch_size": 8}),
        (["--batch_size=8", "--batch_size=9"], {"batch_size": 9}),
        (["--dropout=0.25"], {"dropout": 0.25}),
        (["--warmup_epochs=1"], {"warmup_epochs": 1.0}),
        (["--export_dir="], {"export_dir": ""}),
        (["--overwrite"], {"overwrite": True}),
        (["--overwrite", "--nooverwrite"], {"overwrite": False}),
        (["--overwrite=true"], {"overwrite": True}),
        (["--run_dir=a=b c"], {"run_dir": "a=b c"}),
    ],
)
def test_flags_are_read_in_each_common_form(arguments, changes):
    expected = {"run_dir": "runs/x", "dataset": "digits"} | changes
    assert parse(*arguments) == Config(**expected)


def test_two_parses_do_not_share_values():
    assert parse("--seed=7").seed == 7
    assert parse().seed == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--batchsize=8"],
            "--batchsize: is not a flag. Did you mean --batch_size? See --help for all.",
        ),
        (
            ["--nooverwrit"],
            "--nooverwrit: is not a flag. Did you mean --overwrite? See --help for all.",
        ),
        (["--flagfil=x"], "--flagfil: is not a flag. Did you mean --flagfile? See --help for all."),
        (["--helpfull"], "--helpfull: is not a flag. Did you mean --help? See --help for all."),
        (["--zzz"], "--zzz: is not a flag. See --help for all."),
        (
            ["--model=ResNet50"],
            "--model: is not a flag. Did you mean --backbone? See --help for all.",
        ),
        (
            ["--img-size=96"],
            "--img-size: is not a flag. Did you mean --image_size? See --help for all.",
        ),
        (
            ["--lr=0.1"],
            "--lr: is not a flag. Did you mean --head_learning_rate or --finetune_learning_rate? "
            "See --help for all.",
        ),
        (["--undefok=zzz", "--zzz=1"], "--undefok: is not a flag. See --help for all."),
        (["-undefok", "zzz", "--zzz=1"], "--undefok: is not a flag. See --help for all."),
        (["--batch_size=x"], "batch_size='x': is not a whole number. Give a whole number."),
        (["--batch_size=1.5"], "batch_size='1.5': is not a whole number. Give a whole number."),
        (["--batch_size="], "batch_size='': is not a whole number. Give a whole number."),
        (["--dropout=x"], "dropout='x': is not a number. Give a number."),
        (["--overwrite=often"], "overwrite='often': is not true or false. Give true or false."),
        (["--nooverwrite=1"], "--nooverwrite: takes no value. Write --nooverwrite alone."),
        (["--seed"], "seed='': has no value. Write --seed=VALUE."),
        (["seed=1"], "argument='seed=1': is not a flag. Flags look like --name=value."),
        (["--", "--seed=1"], "argument='--seed=1': is not a flag. Flags look like --name=value."),
        (["—seed=1"], "argument='—seed=1': is not a flag. Flags look like --name=value."),
        (
            ["--batch_size=0"],
            "batch_size=0: must be at least 1 and at most 65536. The default is 64.",
        ),
        (["--dropout=nan"], "dropout=nan: must be at least 0 and below 1. The default is 0.0."),
        (["--flagfile="], "flagfile='': is empty. Give the path of a flag file."),
        (["--flagfile"], "flagfile='': is empty. Give the path of a flag file."),
    ],
)
def test_wrong_flag_is_refused_with_advice(arguments, message):
    assert refusal(*arguments) == message


def test_a_path_without_a_flag_is_taken_for_the_images(tmp_path):
    assert refusal(str(tmp_path)) == (
        f"argument='{tmp_path}': is not a flag. Did you mean --dataset=folder:{tmp_path}? Flags "
        "look like --name=value."
    )


def test_what_other_tools_call_a_setting_is_no_setting_here():
    assert not {other for one in SETTINGS.values() for other in one.also} & set(SETTINGS)


def test_missing_flags_are_asked_for():
    with pytest.raises(UsageError, match=r"^run_dir='': is required\. Give one, as in --run_dir="):
        config_from_flags([])
    with pytest.raises(UsageError, match=r"^dataset='': is required\. Give one, as in --dataset="):
        config_from_flags(["--run_dir=x"])


@pytest.mark.parametrize("name", CONFIGS)
def test_config_file_parses_and_says_how_to_run_it(name, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    command = "tune" if name.endswith("_search.flags") else "main"
    flag_file = f"--flagfile=configs/{name}"
    row = tune if command == "tune" else train
    config = row.COMMAND.read([flag_file]).config
    if config.backbone.startswith("hub:"):
        pytest.importorskip("keras_hub")
    find_backbone(config)
    header = (REPOSITORY / "configs" / name).read_text(encoding="utf-8").split("\n--")[0]
    assert f"python -m kerastl.{command} --flagfile configs/{name}" in header


def test_config_files_are_found():
    assert "cifar10.flags" in CONFIGS


def test_flag_file_holds_comments_and_empty_lines(flag_file):
    text = "# a comment\n\n  // another\n  --seed=3  \r\n#--seed=4\n--run_dir=runs/#1\n-dropout=0.5"
    assert expand_flag_files([flag_file(text)]) == ["--seed=3", "--run_dir=runs/#1", "-dropout=0.5"]


def test_flag_file_may_be_given_in_two_arguments(flag_file):
    flag_file("--seed=3")
    assert parse("--flagfile", "x.flags").seed == 3
    assert parse("-flagfile=x.flags").seed == 3


def test_byte_order_mark_is_honored(flag_file):
    assert parse(flag_file("--seed=3\n--batch_size=8", encoding="utf-8-sig")) == Config(
        run_dir="runs/x", dataset="digits", seed=3, batch_size=8
    )


def test_line_without_dashes_is_refused_with_its_place(flag_file):
    assert refusal(flag_file("# first\n--seed=3\nbatch_size=8\n")) == (
        "x.flags:3: 'batch_size=8' is not a flag. Lines look like --name=value."
    )


def test_misspelled_flag_in_a_file_is_refused(flag_file):
    assert refusal(flag_file("--sed=3\n")).startswith("--sed: is not a flag. Did you mean --seed?")


def test_undefok_in_a_file_is_refused(flag_file):
    assert refusal(flag_file("--undefok=sed\n--sed=3")).startswith("--undefok: is not a flag.")


def test_later_flag_wins_over_a_file_and_the_reverse(flag_file):
    argument = flag_file("--seed=3")
    assert parse(argument, "--seed=4").seed == 4
    assert parse("--seed=4", argument).seed == 3


def test_files_nest_in_place(flag_file):
    flag_file("--seed=2\n--batch_size=2\n", name="inner.flags")
    outer = flag_file("--seed=1\n--dropout=0.1\n--flagfile=inner.flags\n--batch_size=3\n")
    config = parse(outer)
    assert (config.seed, config.batch_size, config.dropout) == (2, 3, 0.1)


def test_one_file_may_be_read_twice(flag_file):
    inner = flag_file("--seed=2", name="inner.flags")
    assert expand_flag_files([flag_file(f"{inner}\n{inner}")]) == ["--seed=2"] * 2


def test_file_that_includes_itself_is_refused(flag_file):
    flag_file("--flagfile=./x.flags", name="y.flags")
    assert refusal(flag_file("--seed=1\n--flagfile=y.flags")) == (
        "flagfile='x.flags': includes itself. Remove one of the two lines."
    )


def test_home_folder_is_found(flag_file, tmp_path, monkeypatch):
    flag_file("--seed=3")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse("--flagfile=~/x.flags").seed == 3


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no.flags", "No such file or directory"),
        (".", "Is a directory"),
        ("loop", "Too many levels of symbolic links"),
    ],
)
def test_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch, path, reason):
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.chdir(tmp_path)
    assert refusal(f"--flagfile={path}") == (
        f"flagfile={path!r}: cannot be read ({reason}). Check its path."
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("--batch_size = 8", "has a space beside its equals sign"),
        ("--run_dir= x", "has a space beside its equals sign"),
        ("--run_dir x", "has a space where its equals sign belongs"),
        ("--run_dir=x --seed=5", "holds a second flag, which would be part of it"),
        ("--run_dir=x  # where", "has a comment behind the flag, where it would be part of it"),
        ("--run_dir=a\0b", "contains a NUL character; is the file saved as UTF-8?"),
    ],
)
def test_line_that_absl_would_take_otherwise_is_refused(flag_file, line, problem):
    text = refusal(flag_file(f"--seed=3\n{line}\n"))
    assert text.startswith(f"x.flags:2: {line!r} {problem[:40]}")
    assert text.endswith("Lines look like --name=value.")


def test_help_may_be_asked_for_in_a_file(flag_file):
    for arguments in ([flag_file("--seed=3\n--help\n")], ["--flagfile=missing", "-h"]):
        shown = io.StringIO()
        train.COMMAND.run(arguments, Progress(shown))
        assert shown.getvalue().startswith("usage: kerastl train ")


def test_flag_file_may_be_a_pipe():
    reader, writer = os.pipe()
    os.write(writer, b"--run_dir=\n--dataset=digits\n")
    os.close(writer)
    with pytest.raises(UsageError, match=r"^run_dir='': is required\."):
        train.COMMAND.run([f"--flagfile=/dev/fd/{reader}"], Progress())


def test_config_knows_where_its_values_come_from(flag_file):
    flag_file("--dropout=0.5\n--nooverwrite\n--seed=1", "inner.flags")
    outer = flag_file("--flagfile=inner.flags\n--batch_size=8\n--precision=float32")
    config = parse("--seed=2", outer, "--batch_size", "9")
    origins = {
        "run_dir": "command line",
        "batch_size": "command line",
        "precision": "flag file x.flags",
        "dropout": "flag file inner.flags",
        "overwrite": "flag file inner.flags",
        "seed": "flag file inner.flags",
        "momentum": "default",
        "recipe": "default",
    }
    assert {name: config.origin(name) for name in origins} == origins
    assert config.given == ("batch_size", "dropout")
    changed = dataclasses.replace(config, seed=3, momentum=0.5, run_dir="runs/x")
    now = origins | {"seed": "Python", "momentum": "Python", "recipe": "other settings"}
    assert {name: changed.origin(name) for name in origins} == now
    again = pickle.loads(pickle.dumps(changed)).changed("recipe auto", dropout=0.5)
    assert again.origin("dropout") == "recipe auto"
    assert again.origin("seed") == "Python"
    known = Config(**json.loads(json.dumps(dataclasses.asdict(config))))
    assert {name: known.origin(name) for name in origins} == origins


def test_file_in_another_encoding_is_refused(flag_file):
    with pytest.raises(
        KerastlError, match=r"^flagfile='x.flags': is not UTF-8\. Save it as UTF-8\.$"
    ):
        parse(flag_file("--run_dir=čeština", encoding="utf-16"))


def test_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = config_from_flags(["--run_dir=~/runs/a", "--dataset=digits", "--weights=~/w.h5"])
    assert config.run_dir == str(tmp_path / "runs/a")
    assert config.weights == str(tmp_path / "w.h5")
