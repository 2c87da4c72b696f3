import csv
import dataclasses
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import fakes
import kerastl
from command_line import config_from_flags
from kerastl.commands.table import run_command


@pytest.fixture
def command(tiny_net, use_source, tmp_path, capsys, monkeypatch):
    """Ranks networks on colors, half of which have a color that is hard to see."""
    use_source(fakes.color_source(per_class=30, noise=90.0))
    monkeypatch.setattr("kerastl.selection.measurements.MOST_CALLS", 5)

    def run(*arguments):
        code = run_command(
            "rank",
            [
                "--dataset=digits",
                f"--run_dir={tmp_path}/rank",
                f"--cache_dir={tmp_path}/cache",
                "--image_size=16",
                *arguments,
            ],
        )
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def good(tmp_path):
    return fakes.write_tiny_weights(tmp_path / "good.weights.h5")


@pytest.fixture
def blind(tmp_path):
    """Weights that see the same in every picture."""
    network = fakes.tiny_net(include_top=False, weights=None, input_shape=(16, 16, 3))
    network.set_weights([np.zeros_like(values) for values in network.get_weights()])
    network.save_weights(tmp_path / "blind.weights.h5")
    return str(tmp_path / "blind.weights.h5")


def rows_of(tmp_path):
    with open(tmp_path / "rank" / "ranking.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.thorough
def test_better_weights_come_first_and_a_row_says_what_failed(command, good, blind, tmp_path):
    code, out, err = command(f"--backbones=TinyNet={blind},TinyNet=gone.h5,TinyNet={good}")
    assert (code, err) == (0, "")
    first, second, third = rows_of(tmp_path)
    assert (first["weights"], second["weights"]) == (good, blind)
    assert float(first["accuracy"]) > 0.8
    assert float(second["accuracy"]) < 0.5
    assert float(first["accuracy_low"]) <= float(first["accuracy"]) <= float(first["accuracy_high"])
    assert float(first["h_score"]) > float(second["h_score"])
    assert float(first["logme"]) > float(second["logme"])
    assert min(float(first["milliseconds"]), float(first["milliseconds_of_32"])) > 0
    # Three classes and 8 pooled features; stem and both blocks by hand.
    assert int(first["parameters"]) == 168 + 24 + 330 + 440 + 32 + 27
    assert float(first["export_megabytes"]) == pytest.approx(4e-6 * int(first["parameters"]))
    assert third["reason"].startswith("weights='gone.h5': is not a file.")
    assert third["accuracy"] == ""
    assert "  TinyNet at 16 px left out: weights='gone.h5': is not a file." in out
    about = (tmp_path / "rank" / "best.flags").read_text().splitlines()[0]
    assert about == "# TinyNet at 16 px, the most accurate of 2 on colors:"
    table = out[out.index("  network ") :].splitlines()
    assert table[1].split()[:3] == ["*", "TinyNet", "(good)"]
    assert table[2].split()[:3] != ["*", "TinyNet", "(good)"]
    assert f"--flagfile={tmp_path}/rank/best.flags" in table[-2]
    chart = ET.parse(tmp_path / "rank" / "ranking.svg")
    texts = [text.text for text in chart.iterfind(".//{*}text")]
    assert {"TinyNet (good) 16", "TinyNet (blind) 16"} <= set(texts)
    assert not list(tmp_path.rglob(".writing-*"))


@pytest.mark.thorough
def test_later_run_with_the_same_flags_computes_nothing(command, good, tmp_path):
    code, out, _ = command(
        f"--backbones=TinyNet={good}", "--head_epochs=2", "--dropout=0.3", "--batch_size=8"
    )
    assert code == 0
    assert "90 images to compute, 0 in the store already." in out
    config = config_from_flags([f"--flagfile={tmp_path}/rank/best.flags"])
    said = io.StringIO()
    result = kerastl.run(config, progress=kerastl.Progress(said))
    assert " 0 images to compute, 90 in the store already." in said.getvalue()
    assert result.run_dir == tmp_path / "rank" / "best"
    assert (config.head_epochs, config.dropout, config.weights) == (2, 0.3, good)
    assert result.metrics["test"]["accuracy"] > 0.3


@pytest.mark.thorough
def test_short_time_leaves_groups_to_judge_by(command, good, use_source, tmp_path, monkeypatch):
    source = fakes.color_source(per_class=100)
    # Five patients of each class.
    use_source(dataclasses.replace(source, groups=np.arange(300) % 15))
    monkeypatch.setattr("kerastl.selection.budget.PROBE_SECONDS", 0.5 / 8)
    code, out, err = command(f"--backbones=TinyNet={good}", "--budget=1m")
    assert (code, err) == (0, "")
    (row,) = rows_of(tmp_path)
    assert f"every network is evaluated on the same {row['images']} of " in out
    assert float(row["accuracy"]) > 0.8


def test_what_is_in_the_way_is_one_line(command, good, tmp_path):
    (tmp_path / "rank" / "ranking.csv").mkdir(parents=True)
    code, _, err = command(f"--backbones=TinyNet={good}")
    assert code == 1
    assert err.startswith("error: run_dir=")
    assert err.count("\n") == 1


@pytest.mark.thorough
def test_only_training_labels_decide(command, good, use_source, tmp_path):
    source = fakes.color_source(per_class=30, noise=90.0)
    split = np.array(["train", "train", "train", "validation", "test"] * 18)
    source = dataclasses.replace(source, given_splits=split)
    accuracies = []
    for change in (np.zeros(90, bool), split != "train", split == "train"):
        labels = np.where(change, (source.labels + np.arange(90)) % 3, source.labels)
        use_source(dataclasses.replace(source, labels=labels))
        assert command(f"--backbones=TinyNet={good}", "--overwrite")[0] == 0
        accuracies.append(float(rows_of(tmp_path)[0]["accuracy"]))
    assert accuracies[0] == accuracies[1] > accuracies[2] + 0.2


@pytest.mark.thorough
def test_block_of_another_network_gives_way_in_best_flags(command, good, tmp_path):
    code, out, _ = command(
        f"--backbones=TinyNet={good}",
        "--unfreeze_from=conv5",
        "--augment=flip",
        f"--run_dir={tmp_path}/my rank",
    )
    assert code == 0
    assert f"--flagfile='{tmp_path}/my rank/best.flags'" in out
    assert "unfreeze_from=conv5 is not part of TinyNet, whose top block is used instead." in out
    config = config_from_flags([f"--flagfile={tmp_path}/my rank/best.flags"])
    assert (config.unfreeze_from, config.augment) == ("", "flip")


@pytest.mark.thorough
def test_finished_ranking_stays_unless_it_may_be_replaced(command, good, tmp_path):
    assert command(f"--backbones=TinyNet={good}")[0] == 0
    before = (tmp_path / "rank" / "ranking.csv").read_text()
    code, out, err = command(f"--backbones=TinyNet={good}", "--image_sizes=16,24")
    assert (code, out) == (2, "")
    assert "rank': holds a finished ranking (best.flags). Choose another or add --overw" in err
    assert (tmp_path / "rank" / "ranking.csv").read_text() == before
    code, _, _ = command(f"--backbones=TinyNet={good}", "--image_sizes=24", "--overwrite")
    assert code == 0
    assert [row["image_size"] for row in rows_of(tmp_path)] == ["24"]


@pytest.mark.thorough
def test_no_best_flags_where_nothing_could_be_judged(command, good, tmp_path, monkeypatch):
    assert command(f"--backbones=TinyNet={good}")[0] == 0
    code, _, err = command("--backbones=TinyNet=gone.h5", "--overwrite")
    assert code == 1
    assert err.startswith(
        "error: backbones: none could be evaluated; the first: weights='gone.h5': "
    )
    # What is known before the look at the images leaves an earlier ranking alone.
    assert (tmp_path / "rank" / "best.flags").exists()
    monkeypatch.setattr("kerastl.selection.ranking.compute_features", lambda *_: None)
    code, _, err = command(f"--backbones=TinyNet={good}", "--overwrite")
    assert (code, "the first: cache_limit_gb=0 leaves no room for its features" in err) == (1, True)
    assert err.count("\n") == 1
    assert [path.name for path in (tmp_path / "rank").iterdir()] == ["ranking.csv"]


@pytest.mark.thorough
def test_short_time_judges_all_on_the_same_part_and_says_so(
    command, good, blind, use_source, tmp_path, monkeypatch
):
    use_source(fakes.color_source(per_class=100))
    # As if a network took four seconds whatever the images, and half a second for each.
    monkeypatch.setattr("kerastl.selection.budget.PROBE_SECONDS", 0.5 / 8)
    code, out, _ = command(f"--backbones=TinyNet={blind},TinyNet={good}", "--budget=4m")
    assert code == 0
    assert "every network is evaluated on the same " in out
    first, second = rows_of(tmp_path)
    assert first["images"] == second["images"]
    assert 100 < int(first["images"]) < 240
    assert first["weights"] == good


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--backbones=TinyNett"], "backbone='TinyNett': is not a backbone"),
        (["--backbones=TinyNet=none"], "weights='none': would compare TinyNet by the features"),
        (["--budget=soon"], "budget='soon': is not a time. Give one, as in 90s, 10m or 2h."),
        (
            ["--cache_dir=", "--backbones=TinyNet"],
            "cache_dir='': turns off the feature store, which",
        ),
        (["--backbone=TinyNet", "--backbonez=x"], "--backbonez: is not a flag. Did you mean"),
    ],
)
def test_wrong_flags_are_one_line_and_leave_nothing(command, tmp_path, flags, message):
    code, out, err = command(*flags)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not (tmp_path / "rank").exists()


def test_help_tells_what_the_lists_stand_for(capsys):
    assert run_command("rank", ["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "small stands for the networks below 6 million parameters, modern for" in text


@pytest.mark.parametrize("budget", ["0", "60"])
def test_networks_that_do_not_open_are_named_before_the_images_are_looked_at(
    tmp_path, tiny_net, monkeypatch, budget
):
    monkeypatch.setattr("kerastl.data.audit.inspect", lambda *_, **__: pytest.fail("looked"))
    config = fakes.tiny_config(tmp_path, dataset="digits", recipe="manual")
    with pytest.raises(kerastl.KerastlError, match=r"none could be evaluated; the first: weights="):
        kerastl.rank(
            config, backbones="TinyNet=gone.h5,TinyNet=lost.h5", progress=kerastl.Progress()
        )
