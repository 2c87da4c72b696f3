import dataclasses

import pytest

from kerastl.config import Config
from kerastl.progress import Progress
from kerastl.selection.candidates import read_candidates
from kerastl.selection.file_names import RANKING_CHART, RANKING_FLAGS
from kerastl.selection.ranking_files import write_best_flags, write_rows
from kerastl.selection.ranking_row import RankingRow
from svg_texts import read_texts


@pytest.mark.parametrize(
    ("images", "words"),
    [(400, "400 of 9000 training images"), (9000, "9000 training images")],
)
def test_what_a_network_was_judged_by_is_told_if_time_was_short(images, words, tmp_path):
    row = RankingRow(
        config=Config(run_dir="x", dataset="digits"),
        images=images,
        accuracy=0.5,
        low=0.4,
        high=0.6,
        milliseconds=2.0,
    )
    write_rows([row], tmp_path, source_name="digits", num_train=9000)
    write_best_flags([row], tmp_path, source_name="digits", num_train=9000)
    about = (tmp_path / RANKING_FLAGS).read_text("utf-8")
    assert f"with a linear probe on {words}.\n" in about
    notes = [text.text for text in read_texts((tmp_path / RANKING_CHART).read_text("utf-8"))]
    assert sum(text.endswith(f" folds of {words}.") for text in notes) == 1


def test_best_flags_leave_to_a_recipe_all_but_the_network_and_its_size(tmp_path):
    config = Config(run_dir="x", dataset="digits", budget="30m", batch_size=8)
    (candidate,) = read_candidates(
        config, backbones="ResNet50", image_sizes="", progress=Progress()
    )
    row = RankingRow(config=candidate, images=9, accuracy=0.5, low=0.4, high=0.6, milliseconds=2.0)
    write_best_flags([row], tmp_path, source_name="digits", num_train=9)
    read = Config.from_flags((tmp_path / RANKING_FLAGS).read_text("utf-8").splitlines())
    assert (read.recipe, read.budget) == ("auto", "")
    assert {"backbone", "batch_size", "image_size"} == {*read.given} - {"recipe"}
    assert read == dataclasses.replace(candidate, run_dir=read.run_dir, budget="")
