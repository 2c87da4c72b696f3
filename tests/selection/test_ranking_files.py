import pytest

from kerastl.config import Config
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
