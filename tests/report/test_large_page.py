"""A page of a thousand classes; `benchmarks/page.py` measures one of 100,000 images."""

import csv
import tracemalloc

import pytest

import kerastl
from large_runs import write_large_run


@pytest.mark.parametrize("num_images", [1500, pytest.param(20_000, marks=pytest.mark.thorough)])
def test_page_of_a_thousand_classes_is_small_and_takes_little_memory(tmp_path, num_images):
    run = write_large_run(tmp_path, num_images=num_images)
    tracemalloc.start()
    path = kerastl.report(run, progress=kerastl.Progress())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All probabilities alone would be 80 MB of 20,000 images in 32 bits.
    assert peak < 150e6
    page = path.read_text("utf-8")
    assert 5e5 < path.stat().st_size < 5e6
    assert page.count("data:image/jpeg") > 100
    # Every class that was tested, fifteen of them in the matrix.
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        tested = {row[1] for row in csv.reader(file)} - {"class_name"}
    after = page.partition('id="classes"')[2]
    assert after[: after.index("</table>")].count('<th scope="row">') == len(tested)
    after = page.partition('<table class="matrix">')[2]
    assert after[: after.index("</table>")].count('<th scope="row">') == 15
