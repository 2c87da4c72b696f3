"""Follows a recipe: a config whose recipe is to choose gets every choice written into it."""

import dataclasses
import math
import time
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from kerastl import replicas
from kerastl.config import Config
from kerastl.data.entries import find_limit
from kerastl.data.opening import resized_sides
from kerastl.data.splits import Splits
from kerastl.errors import bad_value
from kerastl.model.backbones import NAMED_WEIGHTS
from kerastl.model.building.finding import NETWORK, own_resize
from kerastl.model.network import First, Network, forget_networks, open_network
from kerastl.model.phases import Plan
from kerastl.model.sources.table import find_row
from kerastl.progress import Progress, format_duration
from kerastl.recipes.choices import (
    Facts,
    choose,
    choose_block,
    keep_effective,
)
from kerastl.recipes.fine_tuning import FINETUNED
from kerastl.recipes.look import look
from kerastl.recipes.speed import time_step
from kerastl.settings import FitSettings, ModelSettings, OutputSettings, Phase, StoreSettings
from kerastl.settings.field import AUTO
from kerastl.settings.images import IMAGE_SIZE
from kerastl.settings.model import BUNDLED
from kerastl.settings.recipe import MANUAL
from kerastl.training.largest_batch import find_largest_batch, scale_rates
from kerastl.training.pace import Pace

# Sides of the input to choose from, in pixels.
_SIZES = range(96, IMAGE_SIZE + 1, 32)
# Images enlarged further than so many times gain nothing: CIFAR-10's, of 32 px, gained at 129 px
# and not at 161.
_MOST_ENLARGED = 4.1
# Building the network and its training step takes so many times as long as for the look: they are
# built again, with what evaluates, checks and saves. Each format of an export takes as long again.
_BUILT, _BUILT_FOR_FORMAT = 3.0, 3.0
_PHASE = Phase(name="finetune", epochs=1, learning_rate=0.0, warmup_epochs=0.0, unfreeze_from="")
# Share of the time that a first look at some images may take.
_LOOK_SHARE = 0.05


class Followed(NamedTuple):
    """A config with every choice in it.

    Attributes:
        config: The config; what it gives repeats the run.
        reasons: The reason for each choice.
        pace: Decides the epochs of fine-tuning once more when it shows how long they take; None
            where they are given, or there are none.
    """

    config: Config
    reasons: tuple[str, ...] = ()
    pace: Pace | None = None


def follow(
    config: Config,
    splits: Splits,
    *,
    deadline: float,
    progress: Progress,
    searched: Collection[str] = (),
    first: First | None = None,
) -> Followed:
    """Chooses what a config leaves open: by its network, its recipe, and the largest batch.

    Times decide here, and by `Followed.pace` at the end of the warm-up; nowhere later.

    Args:
        config: The config.
        splits: Its images.
        deadline: When the run is to be over, by `time.monotonic`.
        progress: Gets a line for each choice.
        searched: Settings that a search varies from there.
        first: The backbone of `first_settings`, if it is open already.

    Raises:
        KerastlError: If the network's weights are not available.
    """
    own, count = own_resize(config, progress), replicas.current().count
    done = Followed(
        config.without(*config.autos).changed(NETWORK, **own),
        tuple(f"{name}={value}: as the network was trained" for name, value in own.items()),
    )
    with replicas.using(replicas.ONE):
        if done.config.recipe != MANUAL:
            done = _choose(done, splits, searched, first, deadline=deadline, progress=progress)
        if "batch_size" in config.autos:
            values, reason = _largest_batch(done.config, splits, count)
        elif config.recipe != MANUAL and "batch_size" not in config.given:
            values, reason = _shared_batch(done.config.batch_size, count)
        else:
            return done
    return _take(done, values, reason, progress)


def _take(done: Followed, values: dict[str, Any], reason: str, progress: Progress) -> Followed:
    """Takes one more choice, with its reason; without one everything stays."""
    if not reason:
        return done
    progress.line(f"{reason}.")
    return Followed(done.config.changed(AUTO, **values), (*done.reasons, reason), done.pace)


def first_settings(config: Config) -> Config:
    """Returns the settings of the network that is opened first: for `follow`, or to train it."""
    if config.recipe == MANUAL:
        return config
    sizes = _sizes(config, is_given="image_size" in config.given)
    return dataclasses.replace(config, image_size=sizes[0])


def _choose(
    begun: Followed,
    splits: Splits,
    searched: Collection[str],
    first: First | None,
    *,
    deadline: float,
    progress: Progress,
) -> Followed:
    """Chooses by a recipe, see `follow`."""
    config = begun.config
    left = deadline - time.monotonic()
    facts = _gather(config, splits, searched, first, deadline)
    # As if nothing had been built: layers are named and weights are drawn as in a run without it.
    forget_networks(config.seed)
    chosen = choose(facts)
    progress.line(f"Recipe {config.recipe}, {format_duration(max(0.0, left))} left:")
    for reason in chosen.reasons:
        progress.line(f"  {reason}.")
    where = f"recipe {config.recipe}{config.budget and f' in {config.budget}'}"
    values = {name: value for name, value in chosen.values.items() if name not in config.given}
    done = config.changed(where, **values, recipe=MANUAL, budget="")
    pace = None
    is_open = "finetune_epochs" in values and done.finetune_epochs and done.warmup_epochs
    if is_open and config.repeats == 1:
        pace = Pace(deadline - facts.closing_seconds, facts.most_epochs)
    return Followed(done, (*begun.reasons, *chosen.reasons), pace)


def _shared_batch(size: int, count: int) -> tuple[dict[str, Any], str]:
    """Lowers a batch size that is chosen to one that the devices share evenly."""
    if not size % count:
        return {}, ""
    even = max(1, size // count) * count
    return {"batch_size": even}, f"batch_size={even}: {count} devices share it evenly"


def _largest_batch(usual: FitSettings, splits: Splits, count: int) -> tuple[dict[str, Any], str]:
    """Finds the largest batch, and the rates that go with it; returns the reason too."""
    phases = [phase for phase in usual.phases if phase.has_steps]
    if not phases:
        return {}, f"batch_size={usual.batch_size}: a head that is solved takes no steps"
    network = open_network(usual, num_classes=len(splits.source.class_names))
    plans = [network.plan(phase) for phase in phases]
    size, limit = find_largest_batch(
        network,
        min(plans, key=lambda plan: plan.boundary.position),
        usual,
        from_images=not usual.stores_features,
        num_train=len(splits.train),
        devices=count,
    )
    forget_networks(usual.seed)
    if not size:
        problem = "finds no batch that fits in memory, not even one image"
        raise bad_value("batch_size", AUTO, problem, "Lower image_size or choose a later block")
    rule = "root of the ratio" if usual.optimizer == "adamw" else "ratio"
    rates = "the rates stay"
    if size != usual.batch_size:
        rates = f"the rates are multiplied by the {rule} to {usual.batch_size}"
    reason = f"batch_size={size}: {limit}; {rates}"
    return {"batch_size": size} | scale_rates(usual, size), reason


def _gather(
    config: Config,
    splits: Splits,
    searched: Collection[str],
    first: First | None,
    deadline: float,
) -> Facts:
    given = {name: getattr(config, name) for name in config.given if name != "recipe"}
    given = keep_effective((*given, *searched)) | given
    sizes = _fitting(_sizes(config, is_given="image_size" in given), splits, config)
    settings = dataclasses.replace(config, **FINETUNED | given | {"image_size": sizes[0]})
    network, built = _open(settings, splits, first)
    block = settings.unfreeze_from or _choose_block(network)
    seen = look(network, splits, settings, seconds=_LOOK_SHARE * (deadline - time.monotonic()))
    plan = network.plan(dataclasses.replace(_PHASE, unfreeze_from=block))
    facts = Facts(
        repeats=config.repeats,
        has_teacher=bool(config.teacher),
        is_transformer=network.backbone.is_transformer,
        recipe=config.recipe,
        given=given,
        searched=searched,
        num_train=len(splits.train),
        num_evaluated=len(splits.validation) + len(splits.test),
        num_classes=len(splits.source.class_names),
        sizes=sizes,
        block=block,
        look=seen,
        **_storing(plan, config),
    )
    if not facts.why_no_fine_tuning:
        began = time.monotonic()
        facts = dataclasses.replace(facts, step_seconds=time_step(network, plan, settings))
        built += time.monotonic() - began
    return dataclasses.replace(
        facts,
        seconds=deadline - time.monotonic(),
        closing_seconds=built * _num_builds(config, config.repeats),
    )


def _storing(plan: Plan, store: StoreSettings) -> dict[str, int]:
    """Returns the facts on what is stored below a phase."""
    memory, width = store.memory_path, np.dtype(store.cache_dtype).itemsize
    return {
        "feature_bytes": width * math.prod(plan.boundary.tensor.shape[1:]),
        "room": find_limit(memory, store.cache_limit_gb)[0] if memory else 0,
    }


def _num_builds(output: OutputSettings, repeats: int) -> float:
    """Counts how many times as long as a first build the closing takes."""
    num_formats = len(output.formats) if output.export_dir else 0
    return _BUILT * repeats + _BUILT_FOR_FORMAT * num_formats


def _open(settings: ModelSettings, splits: Splits, first: First | None) -> tuple[Network, float]:
    """Opens the network to look with; returns how many seconds that took, too."""
    began = time.monotonic()
    network = open_network(settings, num_classes=len(splits.source.class_names), first=first)
    return network, time.monotonic() - began + (first.seconds if first else 0)


def _sizes(model: ModelSettings, *, is_given: bool) -> tuple[int, ...]:
    """Lists the sides of the input to choose from, in ascending order.

    Weights of other frameworks expect a convolution of stride 2 to be padded on both sides, which
    Keras does at odd sizes: with such weights a probe had 0.711 at 97 px and 0.685 at 96.
    """
    if is_given or model.weights == BUNDLED:
        return (model.image_size,)
    odd = model.weights not in NAMED_WEIGHTS
    row = find_row(model.backbone)
    own = row.only_size or row.usual_size
    if row.only_size or (own and row.is_transformer):
        return (own,)
    smaller = tuple(size + odd for size in _SIZES if row.accepts(size + odd))
    return (*(size for size in smaller if size < own), own) if own else smaller


def _fitting(sizes: tuple[int, ...], splits: Splits, model: ModelSettings) -> tuple[int, ...]:
    """Leaves out sizes that would enlarge the images too much, but for the first."""
    first, *others = sizes
    if not others:
        return sizes
    largest = _MOST_ENLARGED * float(np.median(resized_sides(splits, model)))
    return (first, *(size for size in others if size <= largest))


def _choose_block(network: Network) -> str:
    """Chooses by the share of the multiply-adds from each block's start to the output."""
    total = network.count_multiply_adds(network.boundaries[-1])
    below = {block: network.boundary_below(network.find(block)) for block in network.blocks}
    shares = {
        block: 1 - network.count_multiply_adds(boundary) / total
        for block, boundary in below.items()
    }
    return choose_block(shares, is_transformer=network.backbone.is_transformer)
