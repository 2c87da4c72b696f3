import dataclasses
import time
import xml.etree.ElementTree as ET

import pytest

import kerastl
from command_line import config_from_flags
from kerastl.errors import KerastlError
from kerastl.tuning import search_files
from kerastl.writing import hidden_beside
from searches import GRID, HEAD, RATES, by_rate, rows_of, search

pytestmark = pytest.mark.usefixtures("small_forest")


def test_disk_that_takes_no_table_ends_the_search(tmp_path, monkeypatch):
    def refuse(path, text, *, field):
        raise KerastlError(f"{field}: no space")

    monkeypatch.setattr(search_files, "replace_text", refuse)
    asked = []
    searched = search(tmp_path, RATES, lambda config: asked.append(config) or by_rate(config))
    with pytest.raises(KerastlError, match="run_dir: no space"):
        searched.run()
    # The table is written while the next trial trains.
    assert len(asked) == 2


@pytest.mark.thorough
def test_every_file_is_there_after_each_trial(tmp_path):
    seen = []

    def look(config):
        tuning = tmp_path / "tuning"
        seen.append({path.name for path in tuning.iterdir()} if seen else set())
        return by_rate(config)

    searched = search(tmp_path, RATES, look, max_trials=12)
    searched.run()
    files = {"trials.csv", "best.flags", "importance.csv", "trials.svg"}
    # Those of a trial are written while the next one trains.
    assert all(files <= names for names in seen[2:])
    rows = rows_of(tmp_path)
    assert [row["status"] for row in rows] == ["completed"] * 12
    accuracies = [float(row["val_accuracy"]) for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)
    best = searched.ranking[0].trial
    assert rows[0]["trial"] == str(best.number)
    assert (rows[0]["behind"], rows[0]["tie"]) == ("0", "1")
    assert {row["tie"] for row in rows} == {"0", "1"}
    assert float(rows[0]["head_learning_rate"]) == best.config.head_learning_rate
    assert float(rows[-1]["behind_low"]) > 0
    flags = config_from_flags([f"--flagfile={tmp_path}/tuning/best.flags"])
    assert flags == dataclasses.replace(best.config, run_dir=str(tmp_path / "best"))
    mattered = {row["setting"]: row for row in rows_of(tmp_path, "importance.csv")}
    assert set(mattered) == set(RATES)
    assert float(mattered["head_learning_rate"]["importance"]) > 0
    drawing = (tmp_path / "tuning/trials.svg").read_text(encoding="utf-8")
    assert ET.fromstring(drawing).tag.endswith("svg")
    assert sum(line.startswith("trial ") for line in searched.lines) == 12
    assert searched.lines[0].startswith(
        "trial 0 of 12: val_accuracy 0.8523, the best so far  your flags  "
    )


@pytest.mark.thorough
def test_tables_have_the_last_trial_when_the_search_is_over(config, source, tmp_path, monkeypatch):
    measure = search_files.measure_importance

    def slowly(*arguments):
        time.sleep(1)
        return measure(*arguments)

    monkeypatch.setattr(search_files, "measure_importance", slowly)
    options = dataclasses.replace(GRID, max_trials=2, final_run=False)
    kerastl.tune(config, HEAD, options, source=source, progress=kerastl.Progress())
    assert len((tmp_path / "run/tuning/trials.csv").read_text("utf-8").splitlines()) == 1 + 2


def test_a_directory_grows_by_short_paths_only(tmp_path):
    search(tmp_path, RATES, by_rate, max_trials=3).run()
    added = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")]
    hidden = len(hidden_beside(tmp_path).name) - len(tmp_path.name)
    assert max(map(len, added)) + hidden <= 70
    assert not set("".join(added)) & set(':*?"<>|\\')


@pytest.mark.thorough
def test_the_objective_decides(tmp_path):
    searched = search(tmp_path, RATES, by_rate, max_trials=6, objective="val_loss")
    searched.run()
    losses = [ranked.trial.scores["val_loss"] for ranked in searched.ranking]
    assert losses == sorted(losses)
    assert searched.trials[0].config.best_by == "loss"
    assert list(rows_of(tmp_path)[0])[3] == "val_loss"
