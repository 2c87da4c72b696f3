"""What is told of trials that had fewer epochs than their settings ask for."""

import pytest

from command_line import config_from_flags
from kerastl.config import Config
from kerastl.locks import take
from kerastl.tuning.assignments import Assignment
from kerastl.tuning.board import best_words
from kerastl.tuning.search_chart import draw_search
from kerastl.tuning.trials import TrialFiles, short_words
from searches import RATES, FakeRunner, by_rate, rows_of, search
from svg_texts import read_texts

pytestmark = pytest.mark.usefixtures("small_forest")
PHASES = {"head_learning_rate": "log(0.0001,1)", "finetune_epochs": "choice(0,4)"}


def trials_of(searched, *drawn):
    """Trains trials of given values as a search does, and writes its files."""
    runner = searched.trial_runner(FakeRunner(searched.accuracy, searched.labels))
    board = searched.board()
    for number, values in enumerate(drawn):
        lock = take(searched.trial_files / f"{number:04d}.lock")
        trial = runner.run(Assignment(number, values, lock))
        TrialFiles(searched.trial_files).write(trial)
        board.add(trial)
    board.finish()
    return board


@pytest.mark.thorough
def test_each_trial_tells_its_epochs_of_those_asked_for(tmp_path):
    """In both phases, of choices and of numbers, and also those that failed."""

    def score(config):
        return "memory ran out" if config.head_learning_rate > 0.9 else by_rate(config)

    config = Config(run_dir="x", dataset="digits", validation_fraction=0.3, head_epochs=6)
    searched = search(tmp_path, PHASES, score, config)
    board = trials_of(
        searched,
        {},
        {"head_learning_rate": 0.03, "finetune_epochs": "4", "tuner/epochs": 5},
        {"head_learning_rate": 0.001, "finetune_epochs": "0", "tuner/epochs": 2},
        {"head_learning_rate": 0.3, "finetune_epochs": "4"},
        {"head_learning_rate": 1.0, "finetune_epochs": "4", "tuner/epochs": 2},
    )
    rows = {row["trial"]: row for row in rows_of(tmp_path)}
    told = {number: (row["epochs"], row["epochs_requested"]) for number, row in rows.items()}
    # Hyperband's 10 are the most that any settings ask for.
    assert told == {
        "0": ("6", "6"),
        "1": ("5", "10"),
        "2": ("2", "6"),
        "3": ("10", "10"),
        "4": ("", ""),
    }
    # The settings are those drawn, whatever their share of epochs.
    assert rows["1"]["finetune_epochs"] == "4"
    first = searched.lines[1]
    assert "finetune_epochs=4, 5 of 10 epochs  " in first
    assert "best 0.9000 (trial 1, 5 of 10 epochs)" in searched.lines[2]
    assert "head_learning_rate=0.3 finetune_epochs=4  " in searched.lines[3]
    best = best_words(board.ranking, "val_accuracy")
    assert best.startswith("Best: trial 1, val_accuracy 0.9000, 5 of 10 epochs, ")
    flags = (tmp_path / "tuning" / "best.flags").read_text("utf-8")
    assert "\n# measured with 5 of 10 epochs.\n" in flags
    words = short_words(board.ranking[0].trial, searched.space.config)
    assert words.endswith("add --head_epochs=6 --finetune_epochs=4.")
    assert f"\n# Note: {words}\n" in flags
    assert short_words(searched.board().trials[3], searched.space.config) == ""
    config = config_from_flags([f"--flagfile={tmp_path}/tuning/best.flags"])
    assert (config.head_epochs, config.finetune_epochs) == (3, 2)
    drawn = [
        read_texts(draw_search(ranking, [], searched.space, searched.options, title="x"))
        for ranking in (board.ranking, [board.ranking[0], board.ranking[-1]], board.ranking[1:2])
    ]
    says = [any("Hollow: fewer epochs" in text.text for text in texts) for texts in drawn]
    assert says == ["epochs" in {text.text for text in texts} for texts in drawn]
    assert says == [True, True, board.ranking[1].trial.is_short]


@pytest.mark.thorough
def test_hyperband_tells_what_it_gave(tmp_path):
    config = Config(run_dir="x", dataset="digits", validation_fraction=0.3, head_epochs=9)

    def by_epochs(config):
        return by_rate(config) - 0.2 / config.head_epochs

    searched = search(tmp_path, RATES, by_epochs, config, tuner="hyperband", max_trials=20)
    trained = searched.run()
    epochs = {row["trial"]: row["epochs"] for row in rows_of(tmp_path)}
    assert epochs == {str(number): str(one.head_epochs) for number, one in enumerate(trained)}
    assert {row["epochs_requested"] for row in rows_of(tmp_path)} == {"9"}
    assert {"1", "3", "9"} <= set(epochs.values())
    mattered = {row["setting"]: row["importance"] for row in rows_of(tmp_path, "importance.csv")}
    assert set(mattered) == {*RATES, "share_of_epochs"}
    assert all(mattered.values())
    # A search that goes on tells the same.
    again = search(tmp_path, RATES, by_epochs, config, tuner="hyperband", max_trials=20)
    assert again.run() == []
    assert {row["trial"]: row["epochs"] for row in rows_of(tmp_path)} == epochs
