"""Divides a time budget: on how many images each network is evaluated, and in which order."""

import dataclasses
import gc
import time
from collections.abc import Sequence

from kerastl.config import Config
from kerastl.data.splits import Splits
from kerastl.errors import KerastlError
from kerastl.model.building.finding import NETWORK, own_resize
from kerastl.model.network import First, Network, open_network
from kerastl.progress import Progress, count_of, format_duration
from kerastl.selection.measurements import count_missing
from kerastl.training.cost import seconds_per_image

# Seconds of a probe for each image and channel, and what each class adds, measured on one core
# with 2 to 100 classes: five folds, six penalties, and the scores beside it.
PROBE_SECONDS = 1.5e-6
_PROBE_SECONDS_PER_CLASS = 5e-8
# Fixed cost: compiling and timing a network.
_FIXED_SECONDS = 4.0
# Share of the budget that estimates may fill, since they are uncertain.
_SHARE = 0.85
_FEWEST_PER_CLASS = 20


@dataclasses.dataclass(frozen=True)
class Cost:
    """Estimated time to evaluate a network.

    Attributes:
        config: Config of the run that would train the network.
        fixed: Seconds regardless of the images: building, compiling, timing.
        missing: Share of the images whose features are not in the store.
        per_missing: Seconds for each of them.
        per_image: Seconds of the probe for each training image.
    """

    config: Config
    fixed: float
    missing: float
    per_missing: float
    per_image: float

    def seconds(self, *, computed: float, evaluated: float) -> float:
        """Adds up the seconds for the features of some images and a probe on others."""
        missing = computed * self.missing * self.per_missing
        return self.fixed + missing + evaluated * self.per_image


@dataclasses.dataclass(frozen=True)
class Allocation:
    """Networks and images that fit in a budget.

    Attributes:
        costs: Networks to evaluate, the cheapest first.
        left_out: Networks that do not fit, with the seconds that each would take.
        fraction: Share of the training images that every network is evaluated on.
        is_whole: Whether features of validation and test images are computed too.
    """

    costs: tuple[Cost, ...]
    left_out: tuple[tuple[Cost, float], ...]
    fraction: float
    is_whole: bool


def estimate_costs(
    candidates: Sequence[Config], splits: Splits, progress: Progress, first: First | None = None
) -> tuple[list[Cost], list[tuple[Config, str]]]:
    """Builds each network once to estimate its cost; `first` is built already.

    Returns:
        The costs, and the networks that cannot be built with the reason for each.
    """
    progress.line(
        f"Budget: building {count_of(len(candidates), 'network')} to estimate the time of each."
    )
    costs, failures = [], []
    for number, candidate in enumerate(candidates, start=1):
        progress.status(f"building {number}/{len(candidates)}: {candidate.backbone}")
        started = time.monotonic()
        try:
            config = candidate.changed(NETWORK, **own_resize(candidate, progress))
            network = open_network(config, num_classes=len(splits.source.class_names), first=first)
        except KerastlError as error:
            failures.append((candidate, str(error)))
            continue
        costs.append(_estimate_cost(config, network, splits, time.monotonic() - started))
        del network
        gc.collect()
    return costs, failures


def allocate(costs: Sequence[Cost], splits: Splits, *, seconds: float) -> Allocation:
    """Chooses one share of the training images for all networks, so that they can be compared.

    If even a few images of each class take too long, the most expensive networks are left out.
    """
    num_train, num_used = len(splits.train), len(splits.used)
    kept = sorted(costs, key=lambda cost: cost.seconds(computed=num_used, evaluated=num_train))
    left_out: list[tuple[Cost, float]] = []
    time_left = _SHARE * seconds
    if _total(kept, num_used, num_train) <= time_left:
        return Allocation(tuple(kept), (), 1.0, is_whole=True)
    fewest = min(num_train, _FEWEST_PER_CLASS * len(splits.source.class_names))
    while len(kept) > 1 and _total(kept, fewest, fewest) > time_left:
        costliest = kept.pop()
        left_out.append((costliest, costliest.seconds(computed=fewest, evaluated=fewest)))
    fixed = _total(kept, 0, 0)
    images = max(fewest, (time_left - fixed) / (_total(kept, 1, 1) - fixed))
    return Allocation(tuple(kept), tuple(left_out), min(1.0, images / num_train), is_whole=False)


def describe_allocation(
    allocation: Allocation, splits: Splits, *, num_evaluated: int, seconds: float
) -> str:
    """Returns a line on what fits in `seconds`."""
    num_train, num_used = len(splits.train), len(splits.used)
    costs = [*allocation.costs, *(cost for cost, _ in allocation.left_out)]
    whole = format_duration(_total(costs, num_used, num_train))
    about = f"Budget: all networks on all images take about {whole}"
    if allocation.is_whole:
        return f"{about}, {format_duration(seconds)} are left. The cheapest comes first."
    which = "every network is"
    if num_left_out := len(allocation.left_out):
        which = f"all but the {num_left_out} most expensive networks are"
    return (
        f"{about}, and {format_duration(seconds)} are left: {which} evaluated on the same "
        f"{num_evaluated} of {num_train} training images. The cheapest comes first."
    )


def _total(costs: Sequence[Cost], computed: float, evaluated: float) -> float:
    return sum(cost.seconds(computed=computed, evaluated=evaluated) for cost in costs)


def _estimate_cost(config: Config, network: Network, splits: Splits, build_seconds: float) -> Cost:
    num_classes = len(splits.source.class_names)
    channels = int(network.pooled.tensor.shape[-1])
    return Cost(
        config=config,
        fixed=build_seconds + _FIXED_SECONDS,
        missing=count_missing(network, splits, config) / len(splits.used),
        per_missing=seconds_per_image(network, network.pooled),
        per_image=channels * (PROBE_SECONDS + num_classes * _PROBE_SECONDS_PER_CLASS),
    )
