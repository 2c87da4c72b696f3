"""How many images every network can be judged on within a time, and in which order."""

import dataclasses
import gc
import time
from collections.abc import Callable, Sequence

from kerastl.config import Config
from kerastl.data.splits import Splits
from kerastl.errors import KerastlError
from kerastl.progress import Progress, count_of, format_duration
from kerastl.selection.network import Network, open_network

# A probe's time for each image and channel, and what each class adds, measured on one core with
# 2 to 100 classes: five folds, six penalties, and the scores beside it.
_PROBE_SECONDS = 1.5e-6
_PROBE_SECONDS_PER_CLASS = 5e-8
# Timing a network and compiling it.
_FIXED_SECONDS = 4.0
# What is expected may fill so much of the time: machines are not as fast as they say.
_SHARE = 0.85
_FEWEST_PER_CLASS = 20


@dataclasses.dataclass(frozen=True)
class Cost:
    """What ranking a network is expected to take.

    Attributes:
        config: Which network.
        fixed: Seconds whatever the images: building, compiling, timing.
        missing: Share of the images that the store lacks.
        per_missing: Seconds for each of them.
        per_image: Seconds of the probe for each training image.
    """

    config: Config
    fixed: float
    missing: float
    per_missing: float
    per_image: float

    def seconds(self, *, passed: float, judged: float) -> float:
        """Adds up what a pass over so many images and a probe on so many take."""
        return self.fixed + passed * self.missing * self.per_missing + judged * self.per_image


@dataclasses.dataclass(frozen=True)
class Plan:
    """What fits in a time.

    Attributes:
        costs: The networks to judge, the cheapest first.
        left_out: Those that do not fit, with the seconds that each would take.
        fraction: Share of the training images that every network is judged on; 1 for all.
        is_whole: Whether the pass takes validation and test images too.
    """

    costs: tuple[Cost, ...]
    left_out: tuple[tuple[Cost, float], ...]
    fraction: float
    is_whole: bool


def expect(
    candidates: Sequence[Config],
    splits: Splits,
    progress: Progress,
    *,
    on_failure: Callable[[Config, str], None],
) -> list[Cost]:
    """Builds each network once to see what it costs and what of it is stored already.

    Args:
        candidates: The networks.
        splits: The images.
        progress: Shows on a terminal which network is built.
        on_failure: Gets the networks whose weights cannot be had, and why.
    """
    progress.line(
        f"Budget: building {count_of(len(candidates), 'network')} to see what each takes."
    )
    costs = []
    for number, config in enumerate(candidates, start=1):
        progress.status(f"building {number}/{len(candidates)}: {config.backbone}")
        started = time.monotonic()
        try:
            network = open_network(config, num_classes=len(splits.source.class_names))
        except KerastlError as error:
            on_failure(config, str(error))
            continue
        costs.append(_cost(network, splits, time.monotonic() - started))
        del network
        gc.collect()
    return costs


def plan(costs: Sequence[Cost], splits: Splits, *, seconds: float) -> Plan:
    """Chooses one share of the training images for all networks, so that they can be compared.

    Where even a few images of each class take too long, the costliest networks are left out.
    """
    num_train = len(splits.train)
    num_used = num_train + len(splits.validation) + len(splits.test)
    kept = sorted(costs, key=lambda cost: cost.seconds(passed=num_used, judged=num_train))
    left_out: list[tuple[Cost, float]] = []
    time_left = _SHARE * seconds
    if sum(cost.seconds(passed=num_used, judged=num_train) for cost in kept) <= time_left:
        return Plan(tuple(kept), (), 1.0, is_whole=True)
    fewest = min(num_train, _FEWEST_PER_CLASS * len(splits.source.class_names))

    def least(cost: Cost) -> float:
        return cost.seconds(passed=fewest, judged=fewest)

    while len(kept) > 1 and sum(map(least, kept)) > time_left:
        left_out.append((kept[-1], least(kept.pop())))
    of_all = sum(cost.fixed for cost in kept)
    of_each = sum(cost.missing * cost.per_missing + cost.per_image for cost in kept)
    images = max(fewest, (time_left - of_all) / of_each)
    return Plan(tuple(kept), tuple(left_out), min(1.0, images / num_train), is_whole=False)


def describe(chosen: Plan, splits: Splits, *, num_judged: int, seconds: float) -> str:
    """Says in a line what fits, where networks are judged on so many of the images."""
    num_train = len(splits.train)
    num_used = num_train + len(splits.validation) + len(splits.test)
    whole = sum(cost.seconds(passed=num_used, judged=num_train) for cost in chosen.costs)
    whole += sum(cost.seconds(passed=num_used, judged=num_train) for cost, _ in chosen.left_out)
    about = f"Budget: all networks on all images take about {format_duration(whole)}"
    if chosen.is_whole:
        return f"{about}, {format_duration(seconds)} are left. The cheapest comes first."
    num_left_out = len(chosen.left_out)
    which = f"all but the {num_left_out} costliest are" if num_left_out else "every network is"
    return (
        f"{about}, and {format_duration(seconds)} are left: {which} judged on the same "
        f"{num_judged} of {num_train} training images. The cheapest comes first."
    )


def _cost(network: Network, splits: Splits, build_seconds: float) -> Cost:
    num_used = len(splits.train) + len(splits.validation) + len(splits.test)
    num_classes = len(splits.source.class_names)
    return Cost(
        config=network.config,
        fixed=build_seconds + _FIXED_SECONDS,
        missing=network.count_missing(splits) / num_used,
        per_missing=network.seconds_per_image(),
        per_image=network.channels * (_PROBE_SECONDS + num_classes * _PROBE_SECONDS_PER_CLASS),
    )
