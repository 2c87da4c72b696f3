"""A training again with other seeds: how much of a result is chance."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from kerastl.config import Config
from kerastl.data.splits import Splits
from kerastl.model.network import Network, forget_networks, open_network
from kerastl.model.phases import Plan, drop_rate, parts
from kerastl.progress import Progress
from kerastl.split_names import TEST, VALIDATION
from kerastl.training.course import Recorder
from kerastl.training.evaluation import Evaluation
from kerastl.training.final import deliver
from kerastl.training.solved_head import chooses_by_folds
from kerastl.training.train import open_frozen, train

# Of each split, as in `Evaluation.scores`.
SCORES = ("accuracy", "balanced_accuracy", "macro_f1", "loss")
_SEEDS = 2**32

# The scores of a training, by split and name.
Scores = Mapping[str, Mapping[str, float]]


@dataclasses.dataclass(frozen=True, eq=False)
class Repeats:
    """The trainings of a run with several seeds, on the same splits and stored features.

    Attributes:
        config: The settings of the run, with nothing left to choose.
        splits: Its images.
    """

    config: Config
    splits: Splits

    @property
    def seeds(self) -> list[int]:
        """The seeds to train with; the first is that of the run."""
        return [(self.config.seed + number) % _SEEDS for number in range(self.config.repeats)]

    def list_random(self, network: Network) -> list[str]:
        """Names what a seed decides; empty if nothing in the training is random."""
        plans = [network.plan(phase) for phase in self.config.phases]
        stepped = [plan for plan in plans if plan.phase.has_steps]
        found = ["the order of the training images"] if stepped else []
        if any(_drops(plan) for plan in stepped):
            found.append("what dropout leaves out")
        is_solved = any(plan.phase.is_solved for plan in plans)
        if is_solved and chooses_by_folds(self.splits.clusters[self.splits.train]):
            found.append("the folds that choose the penalty of the head")
        return found

    def train(self, seed: int, record: Recorder, progress: Progress) -> Scores:
        """Trains with a seed, delivers the result as a run would, and scores that.

        This is its final evaluation, and the only use of the test images. `record` keeps how far
        it has come, and `progress` gets what a run reports of a training.

        Raises:
            NotFiniteError: If the loss is not finite.
        """
        config, splits = dataclasses.replace(self.config, seed=seed), self.splits
        # As in a run of that seed.
        forget_networks(seed)
        network = open_network(config, num_classes=len(splits.source.class_names))
        with open_frozen(network, splits, config, progress) as frozen:
            trained = train(network, splits, config, frozen, record=record, progress=progress)
            delivered = deliver(trained, record, progress, config)
            return score_splits(delivered.evaluate(splits.test), delivered.validation)


def _drops(plan: Plan) -> bool:
    """Whether a phase has dropout that is not silenced."""
    every = (part for layer in plan.upper.layers for part in parts(layer))
    return any(drop_rate(part) and part not in plan.silenced for part in every)


def score_splits(test: Evaluation, validation: Evaluation) -> Scores:
    """Returns the scores of a training, as `Repeats.train` does."""
    scored = {TEST: test.scores(), VALIDATION: validation.scores()}
    return {split: {name: scores[name] for name in SCORES} for split, scores in scored.items()}


def summarize(scores: Mapping[int, Scores]) -> dict[str, Any]:
    """Returns the least, the median and the highest of each score, by split; keys are seeds."""
    return {
        split: {name: _spread([one[split][name] for one in scores.values()]) for name in SCORES}
        for split in (TEST, VALIDATION)
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": float(np.median(values)), "max": max(values)}
