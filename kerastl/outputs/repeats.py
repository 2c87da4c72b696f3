"""The training of a run with other seeds: each is trained and scored once, also after a stop.

One that was cut off goes on, as the run itself does.
"""

import time
from typing import Any

from kerastl.outputs.directories import RunFile, naming
from kerastl.outputs.further_trainings import FurtherRecorder
from kerastl.outputs.run_directory import RunDirectory
from kerastl.progress import Progress, format_duration, listed
from kerastl.split_names import VALIDATION
from kerastl.training.evaluation import Evaluation
from kerastl.training.final import Delivered
from kerastl.training.repeats import Repeats, Scores, score_splits, summarize
from kerastl.training.steps import NotFiniteError

_SAME = ("splits", "stored features", "settings")


class _Status(Progress):
    """Passes on the status line alone, with words before it."""

    def __init__(self, progress: Progress, words: str) -> None:
        super().__init__()
        self.on_terminal = progress.on_terminal
        self._progress, self._words = progress, words

    def status(self, text: str) -> None:
        self._progress.status(f"{self._words}: {text}")


def repeat(
    repeats: Repeats,
    delivered: Delivered,
    test: Evaluation,
    record: RunDirectory,
    progress: Progress,
) -> dict[str, Any]:
    """Trains with the other seeds and scores each; changes no model.

    Args:
        repeats: The trainings.
        delivered: What the run delivers, that of the first seed.
        test: Its evaluation on the test images.
        record: Keeps the scores of each seed, and has those of before a stop.
        progress: Gets a line for each seed.

    Returns:
        For `metrics.json`: `repeats`, with what `summarize` returns, the seeds, those that failed,
        and what differs; nothing for one seed, or where nothing in the training is random.
    """
    first, *others = repeats.seeds
    if not others:
        return {}
    differs = repeats.list_random(delivered.trained.network)
    if not differs:
        progress.line(
            "Repeats: left out, as nothing is random in a head that is solved for on "
            f"{len(repeats.splits.train)} images."
        )
        return {}
    progress.line(f"Repeats: {1 + len(others)} seeds in all, which decide {listed(differs)}.")
    scores = {first: score_splits(test, delivered.validation)}
    failed = [seed for seed in others if not _train(repeats, seed, scores, record, progress)]
    about = {"seeds": [*scores], "failed": failed, "differs": differs, "same": [*_SAME]}
    return {"repeats": about | summarize(scores)}


def _train(
    repeats: Repeats,
    seed: int,
    scores: dict[int, Scores],
    record: RunDirectory,
    progress: Progress,
) -> bool:
    """Adds the scores of a seed to those before; returns whether its training succeeded."""
    number, began = 1 + repeats.seeds.index(seed), time.monotonic()
    words = f"seed {seed} ({number} of {len(repeats.seeds)})"
    record.add_test_reading(seed)
    with naming(record.path, RunFile.REPEATS):
        known = record.read_repeats().get(seed)
    kept = FurtherRecorder(record.path, f"seed{seed}", progress)
    if kept.find_checkpoint() and not known:
        progress.line(f"{words}: going on from its last checkpoint.")
    try:
        scores[seed] = known or repeats.train(seed, kept, _Status(progress, words))
    except NotFiniteError as error:
        progress.line(f"{words}: failed. {error}")
        return False
    if not known:
        record.write_repeats(scores)
    kept.finish()
    took = "trained before" if known else format_duration(time.monotonic() - began)
    accuracy = scores[seed][VALIDATION]["accuracy"]
    progress.line(f"{words}: validation accuracy {accuracy:.4f}, {took}.")
    return True
