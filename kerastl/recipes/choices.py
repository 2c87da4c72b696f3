"""Chooses the settings of training from what is known of the images and the machine.

Pure functions: the same facts give the same choices.
"""

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

from kerastl.progress import count_of, format_duration
from kerastl.recipes.fine_tuning import FINETUNED, finetuned
from kerastl.settings import SETTINGS
from kerastl.settings.images import MIRROR
from kerastl.settings.training import LAST

# Share of the network's multiply-adds that fine-tuning trains at least, from its output down: in
# MobileNetV2 from block_6.
_TRAINED_SHARE = 0.69
# More epochs than enough, or than so many steps, bring next to nothing. Only with so many are
# mirror images, which cost another pass, worth their time; without them, and of few images, so many
# steps gain more than they cost.
_ENOUGH_EPOCHS, _MOST_EPOCHS, _ENOUGH_STEPS = 8, 40, 300
_MIRRORED_EPOCHS, _FEWEST_STEPS = 4, 100
# Of short fine-tuning, the warm-up takes at most this share.
_WARMUP_SHARE = 0.25
# Up to this side, in pixels, a larger image gains more than further epochs do.
_GAINING_SIZE = 129
# With fewer training images a class, fine-tuning is not better than a solved head.
_FEWEST_PER_CLASS = 5
# Images of a step, by the training images that it takes; with few, large steps are too few.
_BATCH_SIZES = ((0, 16), (400, 32), (2000, 64))
# Share of the time that estimates may fill, since they are uncertain.
_SHARE = 0.9
# By so many standard errors fewer mirror images than images are right if a mirror changes classes.
_ERRORS = 2.0
# Fewest epochs of a head whose features are computed in each.
_UNSTORED_HEAD_EPOCHS = 3
# Views of a training image that are stored: itself and its mirror image.
_VIEWS = 2
# Settings of a head that is trained step by step.
_STEPPED = {name for name, setting in SETTINGS.items() if setting.steps_of == "head"}

# With this rate sgd was as good as it gets on CIFAR-10 with MobileNetV2; 0.004 destroyed it.
_SGD_RATE = 0.002


@dataclasses.dataclass(frozen=True)
class Look:
    """What a look at some training images shows.

    Attributes:
        num_images: How many.
        seconds: Time of each: reading it, and the frozen network up to the head.
        fit_seconds: Time of each in the fit of a head.
        right: How many a head names right that is fitted to others.
        right_mirrored: How many of their mirror images it names right.
    """

    num_images: int
    seconds: float
    fit_seconds: float
    right: int
    right_mirrored: int

    @property
    def keeps_classes(self) -> bool:
        """Whether a mirror image is of the class of its image."""
        return self.right - self.right_mirrored <= _ERRORS * math.sqrt(self.right)


@dataclasses.dataclass(frozen=True)
class Extra:
    """What is seen beside each image.

    Attributes:
        views: Stored views of a training image, itself among them.
        averages: Whether validation decides if predictions are averaged with the mirror image.
    """

    views: int = 1
    averages: bool = False


@dataclasses.dataclass(frozen=True)
class Way:
    """A way to train: side of the input in pixels, what is seen, and epochs of fine-tuning."""

    size: int
    extra: Extra
    epochs: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Facts:
    """What a recipe chooses by.

    Attributes:
        recipe: The recipe.
        given: Settings that stay as they are, by name.
        searched: Settings that a search varies from there.
        num_train: Training images.
        num_evaluated: Validation and test images.
        num_classes: Classes.
        sizes: Sides of the input to choose from, in pixels, in ascending order.
        block: Block of the network from which fine-tuning trains.
        seconds: Time that is left for the run.
        closing_seconds: Part of it that goes to building, saving and exporting.
        look: A look at some images, at the first of `sizes`.
        step_seconds: Time of an image in a step of fine-tuning, at that size; 0 where nothing may
            be fine-tuned.
        feature_bytes: Bytes of an image's stored features below `block`, at that size.
        room: Bytes that may be stored, 0 where nothing is.
        repeats: Seeds that are trained with.
        has_teacher: Whether steps learn the answers of another network too.
        is_transformer: Whether the network is one.
    """

    recipe: str
    given: Mapping[str, Any]
    searched: Collection[str] = ()
    num_train: int
    num_evaluated: int
    num_classes: int
    sizes: tuple[int, ...]
    block: str
    look: Look
    feature_bytes: int
    room: int
    repeats: int = 1
    has_teacher: bool = False
    is_transformer: bool = False
    step_seconds: float = 0.0
    seconds: float = 0.0
    closing_seconds: float = 0.0

    @property
    def usable_seconds(self) -> float:
        """The time that estimates may fill."""
        return _SHARE * self.seconds - self.closing_seconds

    @property
    def why_no_fine_tuning(self) -> str:
        """Why only a head is trained, whatever the time; empty if more may be."""
        if "finetune_epochs" in self.given:
            return "" if self.given["finetune_epochs"] else "finetune_epochs=0"
        if self.recipe == "head":
            return "set by flags"
        per_class = self.num_train / self.num_classes
        if per_class >= _FEWEST_PER_CLASS or self.must_fine_tune:
            return ""
        return f"{per_class:.3g} training images a class are too few to fine-tune by"

    @property
    def must_fine_tune(self) -> bool:
        """Whether fine-tuning is given, or what is searched matters only there."""
        if self.given.get("finetune_epochs") or self.given.get("head_epochs") == 0:
            return True
        needs = filter(None, (SETTINGS[name].needs for name in self.searched))
        return "finetune_epochs" not in self.searched and any(
            need.parent == "finetune_epochs" for need in needs
        )

    @property
    def batch_size(self) -> int:
        """The images of a step."""
        fitting = [size for fewest, size in _BATCH_SIZES if self.num_train >= fewest]
        size: int = self.given.get("batch_size", fitting[-1])
        return size

    @property
    def most_epochs(self) -> int:
        """The epochs after which fine-tuning brings nothing more."""
        return self._enough_epochs(_ENOUGH_EPOCHS)

    @property
    def solves_head(self) -> bool:
        """Whether the head is solved: features are stored, and no setting of its steps counts."""
        return bool(self.room) and not _STEPPED.intersection((*self.given, *self.searched))

    @property
    def head_passes(self) -> int:
        """Passes over the images for the head: one, unless no features are stored."""
        enough = self._enough_epochs(_UNSTORED_HEAD_EPOCHS)
        passes: int = self.given.get("head_epochs", enough)
        return 1 if self.room else passes

    @property
    def extras(self) -> tuple[Extra, ...]:
        """What may be seen beside each image, the best first."""
        if "augment_views" in self.given or self.given.get("augment"):
            return (Extra(self.given.get("augment_views", _VIEWS)),)
        if "augment" in self.given or not self.look.keeps_classes:
            return (Extra(),)
        if self.recipe == "fast":
            return (Extra(_VIEWS), Extra())
        return (Extra(_VIEWS, averages=True), Extra(averages=True), Extra())

    def pass_time(self, way: Way) -> float:
        """Estimates the seconds of the frozen network for all images and views, and of the head.

        All penalties of a solved head together take about as long as a first fit.
        """
        fit = self.repeats * way.extra.views * self.num_train * self.look.fit_seconds
        images = self.head_passes * self._num_passed(way.extra)
        return fit + images * self.look.seconds * self._work(way.size)

    def epoch_time(self, way: Way) -> float:
        """Estimates the seconds of an epoch of fine-tuning, with features as far as they fit."""
        step = self.step_seconds
        work = self._work(way.size)
        if self._num_passed(way.extra) * self.feature_bytes * work > self.room:
            step += self.look.seconds
        return self.num_train * step * work

    def _enough_epochs(self, fewest: int) -> int:
        """Counts epochs with enough steps: the more, the fewer images there are."""
        enough = math.ceil(_ENOUGH_STEPS * self.batch_size / self.num_train)
        return min(max(fewest, enough), _MOST_EPOCHS)

    def _num_passed(self, extra: Extra) -> int:
        evaluated = self.num_evaluated * (2 if extra.averages else 1)
        return extra.views * self.num_train + evaluated

    def _work(self, size: int) -> float:
        return (size / self.sizes[0]) ** 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chosen:
    """Choices of a recipe.

    Attributes:
        values: Settings by name, those that were given among them.
        reasons: A line for each choice.
    """

    values: dict[str, Any]
    reasons: tuple[str, ...]


def choose_block(shares: Mapping[str, float], *, is_transformer: bool) -> str:
    """Chooses the block from which fine-tuning trains: of a transformer, the first.

    Args:
        shares: Blocks of the network from the input up, with the share of its multiply-adds from
            each one's start to the output.
        is_transformer: Whether the network is one.
    """
    if is_transformer:
        return next(iter(shares))
    deep = [block for block, share in shares.items() if share >= _TRAINED_SHARE]
    return deep[-1] if deep else next(iter(shares))


def choose(facts: Facts) -> Chosen:
    """Chooses the size and the phases that are best for the images in the time."""
    why_not = facts.why_no_fine_tuning
    way = None if why_not else _fit_epochs(facts)
    if way is None:
        way = _fit_pass(facts)
        if not why_not:
            epoch = format_duration(facts.epoch_time(way))
            why_not = f"no time for {count_of(_fewest(facts), 'epoch')} of {epoch}"
    usable = max(0.0, facts.usable_seconds)
    pass_reason = (
        f"{way.size} px, {_why_size(facts, way.size)}: one pass over the images takes "
        f"{format_duration(facts.pass_time(way))}; {format_duration(usable)} are for training, "
        f"{format_duration(facts.seconds - usable)} for building, saving and exporting"
    )
    views, view_reasons = _choose_views(facts, way)
    head = _choose_head(facts, is_all=not way.epochs)
    values = {"image_size": way.size, "finetune_epochs": way.epochs, "best_by": LAST} | head | views
    if way.epochs:
        values |= _choose_fine_tuning(facts, way.epochs)
        phase_reason = (
            f"{count_of(way.epochs, 'epoch')} of fine-tuning from {facts.block}, each "
            f"{format_duration(facts.epoch_time(way))}"
            f"{f', with each of {facts.repeats} seeds' if facts.repeats > 1 else ''}"
        )
    else:
        phase_reason = f"a head alone: {why_not}"
    reasons = (pass_reason, *view_reasons, phase_reason)
    return Chosen(values=values | dict(facts.given), reasons=reasons)


def _why_size(facts: Facts, size: int) -> str:
    if len(facts.sizes) == 1:
        return "as given" if "image_size" in facts.given else "the only size tried"
    return "the largest tried" if size == facts.sizes[-1] else "the largest that the time allows"


def _choose_views(facts: Facts, way: Way) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Chooses the random changes of images, with the reason."""
    if "augment" in facts.given:
        return ({"augment_views": way.extra.views} if facts.given["augment"] else {}), ()
    look, values = facts.look, {}
    if look.keeps_classes:
        values["average_mirrored"] = "auto" if way.extra.averages else "no"
        if way.extra.views > 1:
            values["augment"] = MIRROR
    words = "without mirror images, which may be of other classes"
    if values:
        words = "without mirror images, for lack of time, though they keep their classes"
    if "augment" in values:
        words = "with mirror images, which keep their classes"
    reason = (
        f"{words}: a head recognizes {look.right} of {count_of(look.num_images, 'image')}, and "
        f"{look.right_mirrored} of their mirror images"
    )
    return values, (reason,)


def _choose_head(facts: Facts, *, is_all: bool) -> dict[str, Any]:
    values: dict[str, Any] = {}
    # A teacher takes part in steps alone.
    if facts.solves_head and not (is_all and facts.has_teacher):
        values["head"] = "solved"
    elif not facts.room:
        values |= {"head_epochs": facts.head_passes, "batch_size": facts.batch_size}
    # When all is chosen, the validation images are free to learn from.
    is_solved = (values | dict(facts.given)).get("head") == "solved"
    values["refit"] = is_solved and "head" not in facts.searched
    return values


def _choose_fine_tuning(facts: Facts, epochs: int) -> dict[str, Any]:
    values = finetuned(is_transformer=facts.is_transformer)
    values |= {"unfreeze_from": facts.block, "batch_size": facts.batch_size}
    values["warmup_epochs"] = min(FINETUNED["warmup_epochs"], _WARMUP_SHARE * epochs)
    if facts.given.get("optimizer") == "sgd":
        values["finetune_learning_rate"] = _SGD_RATE
    return values


def keep_effective(names: Collection[str]) -> dict[str, Any]:
    """Returns the values that others must keep for some settings to have an effect.

    The momentum, for example, keeps the optimizer that has one.

    Args:
        names: Settings that are given or searched.
    """
    needs = filter(None, (SETTINGS[name].needs for name in names))
    return {
        need.parent: SETTINGS[need.parent].default
        for need in needs
        if need.parent in FINETUNED and not need.holds(FINETUNED[need.parent])
    }


def _fewest(facts: Facts) -> int:
    """Returns the fewest epochs of fine-tuning that are worth their time."""
    steps = math.ceil(_FEWEST_STEPS * facts.batch_size / facts.num_train)
    fewest: int = facts.given.get("finetune_epochs", min(steps, _MIRRORED_EPOCHS))
    return fewest


def _fit_epochs(facts: Facts) -> Way | None:
    """Finds the largest size, and the best that is seen, with time for enough epochs."""
    smallest, (best, *others) = facts.sizes[0], facts.extras
    for size in reversed(facts.sizes):
        is_cheap = size <= _GAINING_SIZE or size == smallest
        fewest = _MIRRORED_EPOCHS if is_cheap else _ENOUGH_EPOCHS
        fewest = facts.given.get("finetune_epochs", fewest)
        if way := _fit(facts, Way(size, best), fewest):
            return way
    ways = [Way(smallest, extra) for extra in others or [best]]
    fitted = filter(None, (_fit(facts, way, _fewest(facts)) for way in ways))
    return next(fitted, _fit(facts, ways[-1], 0) if facts.must_fine_tune else None)


def _fit(facts: Facts, way: Way, fewest: int) -> Way | None:
    """Fits epochs into the time that a pass leaves; None if they are too few."""
    left = facts.usable_seconds - facts.pass_time(way)
    epochs = max(0, int(left / (facts.repeats * facts.epoch_time(way))))
    if epochs < fewest:
        return None
    best = min(max(epochs, _fewest(facts)), facts.most_epochs)
    return dataclasses.replace(way, epochs=facts.given.get("finetune_epochs", best))


def _fit_pass(facts: Facts) -> Way:
    """Finds the largest size, and the best that is seen, with time for the frozen network alone."""
    ways = [Way(size, extra) for extra in facts.extras for size in reversed(facts.sizes)]
    fitting = (way for way in ways if facts.pass_time(way) <= facts.usable_seconds)
    return next(fitting, ways[-1])
