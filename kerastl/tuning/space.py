"""A search space: flags with ranges instead of values; imports no Keras."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from kerastl.config import Config
from kerastl.model.backbones import NAMED_WEIGHTS
from kerastl.settings import SETTINGS, SettingGroup
from kerastl.settings.model import KERAS_FILE

# Flags that change training, but not the images on which trials are compared.
SEARCHABLE = tuple(name for name, setting in SETTINGS.items() if setting.searchable)
# Digits of a drawn number: enough to distinguish settings, few enough to read.
_DIGITS = 4
# Values that a grid takes from a range of numbers with a fraction, as keras-tuner's does.
_SAMPLES = 10


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return f"choice({','.join(map(_quoted, self.values))})"

    @property
    def to_check(self) -> tuple[Any, ...]:
        """Values that stand for all when checking."""
        return self.values

    @property
    def samples(self) -> tuple[Any, ...]:
        """Values that a grid tries."""
        return self.values


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included.

    Attributes:
        low: The smallest, above 0 if `is_log`.
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

    def __str__(self) -> str:
        form = "int" if self.is_whole else "log" if self.is_log else "uniform"
        return f"{form}({self.low!r},{self.high!r})"

    @property
    def to_check(self) -> tuple[Any, ...]:
        """Values that stand for all when checking."""
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
        first: Values that are tried before any other, after the baseline flags.
    """

    config: Config
    dimensions: Mapping[str, Choice | Range]
    first: tuple[Mapping[str, Any], ...] = ()

    def __contains__(self, name: object) -> bool:
        return name in self.dimensions

    def config_for(self, values: Mapping[str, Any]) -> Config:
        """Returns the config of a trial.

        Args:
            values: One for each flag that has an effect with the others' values; texts for choices,
                as keras-tuner has them, or the values themselves. Other names are ignored.

        Returns:
            The config; flags without an effect have their defaults.

        Raises:
            UsageError: If the values are not valid together.
        """
        changes: dict[str, Any] = {}
        for name, dimension in self.dimensions.items():
            if name not in values:
                continue
            value = values[name]
            if isinstance(dimension, Range):
                changes[name] = dimension.clean(value)
            else:
                is_text = isinstance(value, str)
                changes[name] = SETTINGS[name].from_text(value) if is_text else value
        if "=" in str(changes.get("backbone", "")):
            changes["backbone"], _, changes["weights"] = changes["backbone"].partition("=")
        if "backbone" in changes and self.config.input_scaling:
            takes_scaling = changes["backbone"].endswith(KERAS_FILE)
            changes["input_scaling"] = self.config.input_scaling if takes_scaling else ""
        for name in SEARCHABLE:
            if not self.matters(name, changes):
                changes[name] = SETTINGS[name].default
        return self.config.changed("search", **changes)

    def matters(self, name: str, values: Mapping[str, Any]) -> bool:
        """Returns whether a flag has an effect with some values of others."""
        needs = SETTINGS[name].needs
        if needs is None:
            return True
        return needs.holds(values.get(needs.parent, getattr(self.config, needs.parent)))

    def values_of(self, config: SettingGroup) -> dict[str, Any]:
        """Returns a config's values of the searched flags that have an effect in it."""
        values = dataclasses.asdict(config)
        return {
            name: self._value_of(name, values)
            for name in self.dimensions
            if self.matters(name, values)
        }

    def has(self, config: SettingGroup) -> bool:
        """Returns whether a config could be drawn."""
        return all(value in self.dimensions[name] for name, value in self.values_of(config).items())

    def condition_of(self, name: str) -> tuple[str, list[Any]] | None:
        """Returns a flag's parent and its values with which the flag has an effect.

        None if the parent is not searched.
        """
        needs = SETTINGS[name].needs
        if needs is None or needs.parent not in self.dimensions:
            return None
        parent = self.dimensions[needs.parent]
        return needs.parent, [value for value in parent.samples if needs.holds(value)]

    def image_sizes(self) -> list[int]:
        """Returns the sizes, in pixels, that stand for all when checking."""
        sizes = self.dimensions.get("image_size")
        return list(map(int, sizes.to_check)) if sizes else [self.config.image_size]

    def weights_files(self) -> list[str]:
        """Returns the files with weights that its configs may name, in order."""
        dimension = self.dimensions.get("backbone")
        named = dimension.to_check if dimension else (self.config.backbone,)
        backbones, weights = zip(*(name.partition("=")[::2] for name in named), strict=True)
        files = {own or self.config.weights for own in weights}.difference(NAMED_WEIGHTS)
        return sorted(files.union(name for name in backbones if name.endswith(KERAS_FILE)))

    def to_text(self) -> dict[str, str]:
        """Returns each range as it is written in a file."""
        return {name: str(dimension) for name, dimension in self.dimensions.items()}

    def _value_of(self, name: str, values: Mapping[str, Any]) -> Any:
        """Returns the value of a flag as the ranges have it: a backbone with its weights."""
        value, dimension = values[name], self.dimensions[name]
        with_weights = f"{value}={values['weights']}"
        if isinstance(dimension, Choice) and with_weights in dimension.values:
            return with_weights
        return value


def _quoted(value: Any) -> str:
    text = str(value)
    return f'"{text}"' if "," in text or not text else text
