"""Compares finished runs on the test images that they share."""

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.comparison.paired import Scored, compare_recalls, compare_scores, mcnemar
from kerastl.comparison.result import Changed, Comparison, Versus
from kerastl.comparison.shared import find_shared
from kerastl.comparison.tested import Tested, read_tested
from kerastl.errors import bad_value
from kerastl.outputs.environments import compare_environments
from kerastl.settings import RESULT, SETTINGS

# Of what is drawn for the intervals.
_SEED = 0


def compare_runs(paths: Sequence[str | os.PathLike[str]]) -> Comparison:
    """Compares finished runs with the first of them; see `kerastl.compare`."""
    first, *others = map(read_tested, paths)
    for one, other in itertools.combinations((first, *others), 2):
        if os.path.samefile(one.path, other.path):
            problem = "is given twice"
            raise bad_value("run", str(other.path), problem, "Compare it with another")
    return Comparison(
        first=first.path,
        num_images=len(first.predictions.examples),
        others=tuple(_compare(first, other) for other in others),
    )


def _compare(first: Tested, other: Tested) -> Versus:
    shared = find_shared(first, other)
    ours, theirs = first.predictions.take(shared.first), other.predictions.take(shared.other)
    others = theirs.predicted
    # Classes of the images first, in a stable order: some may only be named by a model.
    names = tuple(dict.fromkeys((*sorted(set(ours.class_names)), *ours.predicted, *others)))
    number = {name: label for label, name in enumerate(names)}
    labels, predicted, now_predicted = (
        np.array([number[name] for name in column])
        for column in (ours.class_names, ours.predicted, others)
    )
    before, after = Scored(predicted, ours.losses), Scored(now_predicted, theirs.losses)
    images = [
        Changed(*each)
        for each in zip(ours.examples, ours.class_names, ours.predicted, others, strict=True)
    ]
    lost = tuple(each for each in images if each.first == each.class_name != each.other)
    won = tuple(each for each in images if each.first != each.class_name == each.other)
    return Versus(
        run=other.path,
        shared=shared,
        flags=_changed_flags(*(run.config.deciding(*RESULT) for run in (first, other))),
        environment=compare_environments(first.receipt, other.receipt),
        scores=compare_scores(labels, before, after, seed=_SEED),
        recalls=compare_recalls(labels, before, after, names, seed=_SEED),
        lost=lost,
        won=won,
        num_changed=sum(each.first != each.other for each in images),
        p_value=mcnemar(len(lost), len(won)),
    )


def _changed_flags(
    first: Mapping[str, Any], other: Mapping[str, Any]
) -> dict[str, tuple[str, str]]:
    names = [name for name in SETTINGS if first.get(name) != other.get(name)]
    return {name: (str(first[name]), str(other[name])) for name in names}
