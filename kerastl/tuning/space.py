"""What a search may change: flags with ranges in place of values; imports no Keras."""

import contextlib
import csv
import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any

from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError, bad_value, unknown_name
from kerastl.model.backbones import BACKBONES, NAMED_WEIGHTS, check_weights
from kerastl.settings import SETTINGS

# Whatever changes training, and nothing that changes the images on which trials are compared.
SEARCHABLE = tuple(name for name, setting in SETTINGS.items() if setting.searchable)
# Digits of a drawn number: enough to tell settings apart, few enough to read.
_DIGITS = 4
# Values that a grid takes from a range of numbers with a fraction, as keras-tuner's does.
_SAMPLES = 10
_FORM = re.compile(r"(choice|uniform|log|int)\s*\((.*)\)", re.DOTALL)
_FORMS = "choice(A,B), uniform(LOW,HIGH), log(LOW,HIGH) or int(LOW,HIGH)"


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.values

    @property
    def examples(self) -> tuple[Any, ...]:
        """Values that show whether all are allowed."""
        return self.values

    @property
    def samples(self) -> tuple[Any, ...]:
        """Values that a grid tries."""
        return self.values


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        low: The smallest.
        high: The largest.
        is_log: Whether equal ratios are equally likely, rather than equal differences.
        is_whole: Whether only whole numbers are meant.
    """

    low: float
    high: float
    is_log: bool = False
    is_whole: bool = False

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    @property
    def examples(self) -> tuple[Any, ...]:
        """Values that show whether all are allowed."""
        return (self.low, self.high)

    @property
    def samples(self) -> tuple[Any, ...]:
        """Values that a grid tries: every whole number, or ten that are evenly spaced."""
        if self.is_whole:
            return tuple(range(int(self.low), int(self.high) + 1))
        shares = [(index + 0.5) / _SAMPLES for index in range(_SAMPLES)]
        if self.is_log:
            return tuple(self.clean(self.low * (self.high / self.low) ** share) for share in shares)
        return tuple(self.clean(self.low + (self.high - self.low) * share) for share in shares)

    def clean(self, value: float) -> float:
        """Rounds a drawn number to a few digits, within the range."""
        if self.is_whole:
            return int(value)
        return min(max(float(f"{value:.{_DIGITS}g}"), self.low), self.high)


@dataclasses.dataclass(frozen=True)
class Space:
    """The flags that a search changes.

    Attributes:
        config: Everything else, and the values that the first trial has.
        dimensions: Flag -> its values; a flag that another depends on comes before it.
        first: Values that are tried before any other, after the flags as given.
    """

    config: Config
    dimensions: Mapping[str, Choice | Range]
    first: tuple[Mapping[str, Any], ...] = ()

    def __contains__(self, name: object) -> bool:
        return name in self.dimensions

    def config_for(self, values: Mapping[str, Any]) -> Config:
        """Returns the config of a trial.

        Args:
            values: Of each flag that matters with the others' values; texts for choices, as
                keras-tuner has them, or the values themselves. Other names are ignored.

        Returns:
            The config; flags that do not matter have their defaults.

        Raises:
            UsageError: If the values do not go together.
        """
        changes: dict[str, Any] = {}
        for name, dimension in self.dimensions.items():
            if name not in values:
                continue
            value = values[name]
            if isinstance(dimension, Range):
                changes[name] = dimension.clean(value)
            else:
                changes[name] = _from_text(name, value) if isinstance(value, str) else value
        if "=" in str(changes.get("backbone", "")):
            changes["backbone"], _, changes["weights"] = changes["backbone"].partition("=")
        for name in SEARCHABLE:
            if not self.matters(name, changes):
                changes[name] = SETTINGS[name].default
        return dataclasses.replace(self.config, **changes)

    def matters(self, name: str, values: Mapping[str, Any]) -> bool:
        """Returns whether a flag has an effect beside some values of others."""
        needs = SETTINGS[name].needs
        if needs is None:
            return True
        return needs.holds(values.get(needs.parent, getattr(self.config, needs.parent)))

    def values_of(self, config: Config) -> dict[str, Any]:
        """Returns what a config has of the flags that are searched and matter to it."""
        values = dataclasses.asdict(config)
        return {
            name: self._value_of(name, config)
            for name in self.dimensions
            if self.matters(name, values)
        }

    def has(self, config: Config) -> bool:
        """Returns whether a config could be drawn."""
        return all(value in self.dimensions[name] for name, value in self.values_of(config).items())

    def condition_of(self, name: str) -> tuple[str, list[Any]] | None:
        """Returns a flag's parent and the values of it that will do; None if it is not searched."""
        needs = SETTINGS[name].needs
        if needs is None or needs.parent not in self.dimensions:
            return None
        parent = self.dimensions[needs.parent]
        return needs.parent, [value for value in parent.samples if needs.holds(value)]

    def image_sizes(self) -> list[int]:
        """Returns the sizes in pixels that show whether all are allowed."""
        sizes = self.dimensions.get("image_size")
        return list(map(int, sizes.examples)) if sizes else [self.config.image_size]

    def weights_files(self) -> list[str]:
        """Returns the files of weights that its configs may name, in order."""
        backbones = self.dimensions.get("backbone")
        names = backbones.examples if backbones else ()
        weights = {name.partition("=")[2] or self.config.weights for name in names}
        return sorted((weights or {self.config.weights}).difference(NAMED_WEIGHTS))

    def to_text(self) -> dict[str, str]:
        """Returns each range as it is written in a file."""
        return {name: _to_text(dimension) for name, dimension in self.dimensions.items()}

    def _value_of(self, name: str, config: Config) -> Any:
        """Returns a config's value of a flag as the ranges have it: a backbone with its weights."""
        value = getattr(config, name)
        dimension = self.dimensions[name]
        with_weights = f"{value}={config.weights}"
        if isinstance(dimension, Choice) and with_weights in dimension.values:
            return with_weights
        return value


def read_space(ranges: Mapping[str, str], config: Config) -> Space:
    """Reads a search space.

    Args:
        ranges: Flag -> its values, as in `{"dropout": "uniform(0,0.5)", "augment":
            'choice("",flip)'}`. A backbone may bring its weights, as in `choice(A=FILE,B)`.
        config: The flags as they are given; each value of the ranges has to go with them.

    Raises:
        UsageError: If there is no range, a flag is unknown or no matter of a search, or a value
            is outside the flag's limits.
    """
    if not ranges:
        raise bad_value(
            "search_space", "", "is empty", "Give a range, as in --dropout=uniform(0,0.5)"
        )
    for name in ranges:
        if name not in SETTINGS:
            raise unknown_name("search_space", name, SEARCHABLE, what="a flag")
        if name not in SEARCHABLE:
            raise bad_value(
                "search_space",
                name,
                "cannot be searched: it changes no result, or the images that trials are compared "
                "on",
                f"Give it as a plain flag. Searchable: {', '.join(SEARCHABLE)}",
            )
    space = Space(
        config,
        {name: _read_dimension(name, ranges[name]) for name in SEARCHABLE if name in ranges},
    )
    for name, dimension in space.dimensions.items():
        _check_dimension(space, name, dimension)
    return space


def _read_dimension(name: str, text: str) -> Choice | Range:
    match = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise bad_value("search_space", f"{name}={text}", "is no range", f"Write {_FORMS}")
    form, inside = match[1], match[2].strip()
    parts = next(csv.reader([inside], skipinitialspace=True), [])
    if form == "choice":
        if not parts:
            raise bad_value("search_space", f"{name}={text}", "has no value", "Write choice(A,B)")
        return Choice(tuple(dict.fromkeys(_from_text(name, part.strip()) for part in parts)))
    return _read_range(name, text, form, parts)


def _read_range(name: str, text: str, form: str, parts: list[str]) -> Range:
    given = f"{name}={text}"
    kind = SETTINGS[name].kind
    if kind not in (int, float):
        raise bad_value(
            "search_space", given, "is of a flag that is no number", "Write choice(A,B)"
        )
    if (form == "int") != (kind is int):
        takes = "int(LOW,HIGH)" if kind is int else "uniform(LOW,HIGH) or log(LOW,HIGH)"
        raise bad_value("search_space", given, "is of the wrong kind", f"Write {takes}")
    try:
        low, high = (kind(part) for part in parts)
    except ValueError as error:
        raise bad_value(
            "search_space", given, "has no two numbers", f"Write {form}(LOW,HIGH)"
        ) from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise bad_value("search_space", given, "does not rise", "Write the lower number first")
    if form == "log" and low <= 0:
        raise bad_value(
            "search_space", given, "has no logarithm", "Start above 0, or write uniform(LOW,HIGH)"
        )
    return Range(low, high, is_log=form == "log", is_whole=form == "int")


def _from_text(name: str, text: str) -> Any:
    kind = SETTINGS[name].kind
    if kind is str:
        return text
    try:
        return kind(text)
    except ValueError as error:
        words = "a whole number" if kind is int else "a number"
        raise bad_value("search_space", f"{name}={text}", f"is not {words}", "Give one") from error


def _to_text(dimension: Choice | Range) -> str:
    if isinstance(dimension, Range):
        form = "int" if dimension.is_whole else "log" if dimension.is_log else "uniform"
        return f"{form}({dimension.low!r},{dimension.high!r})"
    return f"choice({','.join(map(_quoted, dimension.values))})"


def _quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if "," in text or not text else text


def _parent_value(space: Space, name: str) -> dict[str, Any]:
    """Returns a value of the flag's parent with which the flag matters, if the parent is searched.

    Raises:
        UsageError: If it never matters.
    """
    needs = SETTINGS[name].needs
    if needs is None:
        return {}
    condition = space.condition_of(name)
    given = getattr(space.config, needs.parent)
    active = condition[1] if condition else [given] if needs.holds(given) else []
    if not active:
        raise bad_value(
            "search_space",
            name,
            f"never matters, as {needs.parent} is never {needs.words}",
            f"Leave it out, or let {needs.parent} be {needs.words}",
        )
    return {needs.parent: active[-1]} if needs.parent in space.dimensions else {}


def _check_dimension(space: Space, name: str, dimension: Choice | Range) -> None:
    """Builds a config of each value that shows whether all are allowed."""
    parent = _parent_value(space, name)
    others = {other: known.examples[-1] for other, known in space.dimensions.items()}
    for value in dimension.examples:
        try:
            config = space.config_for({**parent, name: value})
        except KerastlError as error:
            # It may go only with another value of a flag that is searched too.
            with contextlib.suppress(KerastlError):
                space.config_for({**others, **parent, name: value})
                continue
            raise UsageError(f"search_space={name}: {error}") from error
        if name == "backbone":
            if config.backbone not in BACKBONES:
                raise unknown_name(
                    "search_space",
                    config.backbone,
                    BACKBONES,
                    what="a backbone of keras.applications",
                )
            check_weights(config.weights)
