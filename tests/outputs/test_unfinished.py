import dataclasses
import pathlib

import pytest

import kerastl
from kerastl.outputs.unfinished import Opened, find_unfinished
from kerastl.training.pace import Pace


def make(tmp_path, **changes):
    values = {"dataset": "digits", "run_dir": str(tmp_path), "head_epochs": 3}
    return kerastl.Config(**values | changes)


def find(tmp_path, began, now, *, notes=(), is_trained=False, made_in=""):
    flags = tmp_path / "flags.txt"
    flags.write_text(began.to_flagfile(notes))
    return find_unfinished(flags, now, is_trained=is_trained, made_in=made_in)


def test_same_flags_go_on(tmp_path):
    config = make(tmp_path, dropout=0.5)
    opened = find(tmp_path, config, config)
    assert opened.goes_on
    assert opened.config == config


@pytest.mark.parametrize(
    "changes",
    [
        {"cache_dir": "elsewhere"},
        {"cache_limit_gb": 3.0},
        {"checkpoint_minutes": 1.0},
        {"overwrite": True},
    ],
)
def test_where_files_are_kept_may_change(tmp_path, changes):
    now = make(tmp_path, **changes)
    assert find(tmp_path, make(tmp_path), now).config == now


def test_directory_may_have_been_moved(tmp_path):
    opened = find(tmp_path, make(tmp_path, run_dir="runs/../x"), make(tmp_path))
    assert opened.config.run_dir == str(tmp_path)


PATHS = {
    "dataset": "folder:{}photos",
    "export_dir": "{}served",
    "weights": "{}w.weights.h5",
    "fixes": "{}fixes.csv",
}


def spelled(tmp_path, where, **more):
    return make(tmp_path, **{name: form.format(where) for name, form in PATHS.items()}, **more)


@pytest.mark.parametrize("chosen", [{}, {"finetune_epochs": 3}])
def test_how_a_path_is_written_is_no_change(tmp_path, monkeypatch, chosen):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    began = spelled(tmp_path, "there/")
    known = dataclasses.replace(began, **chosen)
    notes = Opened(began).choose(known, ["a reason"] if chosen else []).notes
    monkeypatch.chdir(tmp_path / "there")
    for where in ("", "./", "../there/", f"{tmp_path}/there/", "../link/"):
        now = spelled(tmp_path, where)
        opened = find(tmp_path, known, now, notes=notes, made_in=str(tmp_path))
        # As it is given now, since the other form leads elsewhere from here.
        assert opened.config == dataclasses.replace(now, **chosen)
        # From here on, its relative paths begin here.
        again = find(tmp_path, opened.config, now, notes=opened.notes, made_in=str(pathlib.Path()))
        assert again == opened
    with pytest.raises(kerastl.UsageError, match=r"dataset was folder:there/photos and is folder:"):
        find(tmp_path, known, spelled(tmp_path, f"{tmp_path}/"), notes=notes, made_in=str(tmp_path))
    # Nothing is not the working directory.
    with pytest.raises(kerastl.UsageError, match=r"export_dir was empty and is \."):
        find(tmp_path, make(tmp_path), make(tmp_path, export_dir="."), made_in=str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head_epochs": 4}, "head_epochs was 3 and is 4"),
        ({"head_epochs": 4, "seed": 1}, "head_epochs was 3 and is 4; seed was 0 and is 1"),
        ({"export_dir": "served"}, "export_dir was empty and is served"),
        (
            {"seed": 1, "dropout": 0.5, "test_fraction": 0.3, "batch_size": 8, "head_epochs": 9},
            "test_fraction was 0.1 and is 0.3; dropout was 0.0 and is 0.5; head_epochs was 3 and "
            "is 9; batch_size was 64 and is 8; seed was 0 and is 1",
        ),
        ({"augment": "flip"}, "augment was empty and is flip"),
    ],
)
def test_other_flags_are_refused_with_the_old_and_the_new_value(tmp_path, changes, words):
    now = make(tmp_path, **changes)
    with pytest.raises(kerastl.UsageError) as caught:
        find(tmp_path, make(tmp_path), now)
    assert str(caught.value) == (
        f"run_dir={str(tmp_path)!r}: holds an unfinished run of other flags: {words}. Repeat "
        "its flags to go on, choose another directory, or start over with --overwrite."
    )
    assert find(tmp_path, make(tmp_path), dataclasses.replace(now, overwrite=True)) is None


def test_export_may_change_once_it_is_all_that_is_left(tmp_path):
    now = make(tmp_path, export_dir="served", format="keras")
    assert find(tmp_path, make(tmp_path), now, is_trained=True).config == now
    with pytest.raises(kerastl.UsageError, match="seed was 0 and is 1"):
        find(tmp_path, make(tmp_path), make(tmp_path, seed=1), is_trained=True)


def test_what_a_recipe_has_chosen_is_taken(tmp_path):
    given = {"dataset": "digits", "run_dir": str(tmp_path), "batch_size": 64, "budget": "5m"}
    config = kerastl.Config(**given)
    chosen = dataclasses.replace(config, recipe="manual", budget="", finetune_epochs=3)
    assert Opened(config, notes=("x",)).choose(config, ()).notes == ("x",)
    notes = Opened(config).choose(chosen, ["48 px: one pass takes 1 s"]).notes
    assert notes == (
        "48 px: one pass takes 1 s",
        "given: --dataset=digits",
        "given: --budget=5m",
        "given: --batch_size=64",
        f"given: --run_dir={tmp_path}",
    )
    opened = find(tmp_path, chosen, kerastl.Config(**given), notes=notes)
    assert opened.config == chosen
    assert opened.notes == notes
    # Its flag file says the same.
    assert find(tmp_path, chosen, chosen, notes=notes).goes_on
    # A default that is given is not the recipe's to change.
    del given["batch_size"]
    with pytest.raises(kerastl.UsageError, match="batch_size was 64 and is not given"):
        find(tmp_path, chosen, kerastl.Config(**given), notes=notes)


@pytest.mark.parametrize("reason", ["", "3 epochs and not 4"])
def test_number_of_epochs_that_is_decided_is_open_no_more(tmp_path, reason):
    note = Pace(9.0, 8).describe(began=0.0)
    opened = Opened(make(tmp_path), notes=("a", note)).settle(3, reason)
    assert opened.notes == ("a", *([reason] if reason else []))
    assert opened.config.finetune_epochs == 3


@pytest.mark.parametrize("damage", [b"", b"--head_epochs", b"\xff"])
def test_flags_that_are_damaged_are_not_guessed(tmp_path, damage):
    flags = tmp_path / "flags.txt"
    flags.write_bytes(damage)
    with pytest.raises(kerastl.UsageError, match=r"whose flags\.txt cannot be used \("):
        find_unfinished(flags, make(tmp_path), is_trained=False)
    assert find_unfinished(flags, make(tmp_path, overwrite=True), is_trained=False) is None
