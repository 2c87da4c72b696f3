"""Nothing of a run looks at the test images before they are counted as read."""

import numpy as np
import pytest

import fakes
from kerastl.outputs.run_directory import RunDirectory
from kerastl.training.trained import Trained

# Each method of a trained classifier that is given positions of images.
METHODS = ("evaluate", "logits", "evaluate_whole", "locate_evidence", "style", "features", "pooled")


@pytest.mark.thorough
def test_only_the_final_evaluation_reads_the_test_images(tmp_path, monkeypatch):
    done = []

    def watch(name):
        method = getattr(Trained, name)

        def watched(self, indices, *rest):
            reads = bool(np.isin(indices, self.splits.test).any())
            done.append("test" if reads else "others")
            return method(self, indices, *rest)

        monkeypatch.setattr(Trained, name, watched)

    for name in METHODS:
        watch(name)
    count = RunDirectory.add_test_reading
    monkeypatch.setattr(
        RunDirectory,
        "add_test_reading",
        lambda self, *rest: (done.append("counted"), count(self, *rest))[1],
    )
    config = fakes.tiny_config(
        tmp_path,
        head_epochs=1,
        finetune_epochs=1,
        label_issues=True,
        known_coverage=0.5,
        export_dir="",
    )
    fakes.finish_run(config, fakes.color_source(per_class=70, noise=60.0))
    before, after = done[: done.index("counted")], done[done.index("counted") + 1 :]
    assert len(before) >= 3
    assert "test" not in before
    assert "test" in after
    assert "counted" not in after
