"""How a setting is described, and the checks that follow from its description."""

import dataclasses
import enum
import math
import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from kerastl.errors import UsageError, bad_value, closest, unknown_name
from kerastl.paths import checked


class Decides(enum.Enum):
    """The first part of a run's result that a setting changes.

    Each part depends on those before it: other images have other features, and other features
    train another model.
    """

    IMAGES = "which images are used, in which split, and in which random views"
    FEATURES = "what the frozen base computes for an image"
    TRAINING = "what is trained on the features"
    OUTPUT = "what is written besides the model"
    NOTHING = "where files are kept"


# What decides together how a run's model predicts.
RESULT = (Decides.IMAGES, Decides.FEATURES, Decides.TRAINING)


class Auto(int):
    """Stands for a whole number that a run finds once it knows its images and its machine."""

    def __repr__(self) -> str:
        return AUTO


# As a flag and a Python caller write it.
AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Within:
    """Limits of a number: from `low` to `high`, both included unless open; never infinite."""

    low: float
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below and value < math.inf

    def __str__(self) -> str:
        low = f"{'above' if self.open_low else 'at least'} {self.low:g}"
        if math.isinf(self.high):
            return f"{low} and finite"
        high = int(self.high) if float(self.high).is_integer() else self.high
        return f"{low} and {'below' if self.open_high else 'at most'} {high}"


@dataclasses.dataclass(frozen=True)
class Needs:
    """The value of another setting without which a setting has no effect.

    Attributes:
        parent: The other setting.
        holds: Function from the other setting's value to whether this one has an effect.
        words: That condition in words.
    """

    parent: str
    holds: Callable[[Any], bool]
    words: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """All that is known of a setting; flags, help, checks and keys follow from it.

    Attributes:
        name: Name of the field and of the flag.
        kind: str, int, float or bool.
        default: Value if none is given; None if one is required.
        help: Meaning, for `--help` and the docs.
        decides: What it changes of a run's result.
        choices: Every allowed value, if they can be listed.
        within: Limits of a number.
        is_path: Whether it is the path of a file or folder, see `kerastl.paths.checked`.
        searchable: Whether a search may vary it.
        needs: What another setting must be for this one to have an effect.
        steps_of: The phase whose steps it describes, their number or their size; empty for none.
        is_epochs: Whether it is the number of epochs of that phase.
        is_rate: Whether it is the learning rate of a phase.
        has_auto: Whether it may be `auto`, see `Auto`.
        is_kept: Whether the flags of a run keep it; otherwise it is meant for one command.
        reads: Whether it says what data set is read, or how, which fits only some kinds of it.
        example: A value to suggest where a required one is missing.
        also: What other tools call it, to be named where one of these is given as a flag.
    """

    name: str = ""
    kind: type = str
    default: Any = None
    help: str
    decides: Decides = Decides.NOTHING
    choices: tuple[str, ...] = ()
    within: Within | None = None
    is_path: bool = False
    searchable: bool = False
    needs: Needs | None = None
    steps_of: str = ""
    is_epochs: bool = False
    is_rate: bool = False
    has_auto: bool = False
    is_kept: bool = True
    reads: bool = False
    example: str = ""
    also: tuple[str, ...] = ()

    def from_text(self, text: str) -> Any:
        """Reads a value as a flag has it.

        Raises:
            UsageError: If it is not of the setting's type, or no path where it should be one.
        """
        if self.is_path:
            return checked(text, field=self.name)
        if self.has_auto and text == AUTO:
            return Auto()
        try:
            return _BOOLEANS[text.lower()] if self.kind is bool else self.kind(text)
        except (ValueError, KeyError):
            raise wrong_type(self.name, text, self.kind) from None

    def plain(self, value: Any) -> Any:
        """Returns the value that a flag has for one that stands for it in Python.

        That is a path, a number of NumPy's, or for text a list, or True for "yes".
        """
        if self.kind is str:
            return self._as_text(value)
        is_scalar = hasattr(value, "item") and not getattr(value, "shape", ())
        return value.item() if is_scalar else value

    def _as_text(self, value: Any) -> Any:
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, bool):
            return ("no", "yes")[value] if "yes" in self.choices else value
        if isinstance(value, (list, tuple)):
            parts = [os.fspath(part) if isinstance(part, os.PathLike) else part for part in value]
            are_plain = all(isinstance(part, (str, numbers.Real)) for part in parts)
            return ",".join(map(str, parts)) if are_plain else value
        return value

    def check(self, value: Any) -> None:
        """Refuses a value that is wrong regardless of the other settings.

        Raises:
            UsageError: If it is of the wrong type, out of range, unknown or missing.
        """
        _check_type(self, value)
        if self.has_auto and isinstance(value, Auto):
            return
        if self.within is not None and value not in self.within:
            advice = f"The default is {self.default}"
            raise bad_value(self.name, value, f"must be {self.within}", advice)
        if self.choices and value not in self.choices:
            known = filter(None, self.choices)
            raise unknown_name(self.name, value, known, what="one of its choices")
        if self.default is None and not value.strip():
            raise bad_value(
                self.name, "", "is required", f"Give one, as in --{self.name}={self.example}"
            )


# Marks a setting that has no default.
_REQUIRED = None
_KEY = "setting"


def setting(default: Any = _REQUIRED, *, help: str, also: str = "", **known: Any) -> Any:
    """Declares a field of a `SettingGroup`; the arguments are the attributes of `Setting`.

    In `help`, {choices} stands for the choices; the names in `also` have blanks between them.
    """
    *others, last = known.get("choices", ("",))
    listed = f"{', '.join(others)} or {last}" if others else last
    known["help"] = help.replace("{choices}", listed)
    return _declare(Setting(default=default, also=tuple(also.split()), **known))


def repeated(described: Setting, **changes: Any) -> Any:
    """Declares a field that is a setting of another group too, apart from some attributes."""
    return _declare(dataclasses.replace(described, **changes))


def _declare(described: Setting) -> Any:
    metadata = {_KEY: described}
    if described.default is _REQUIRED:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=described.default, metadata=metadata)


def describe(group: type["SettingGroup"]) -> dict[str, Setting]:
    """Returns the description of every setting of a group, by name."""
    return {
        field.name: dataclasses.replace(field.metadata[_KEY], name=field.name, kind=field.type)
        for field in dataclasses.fields(group)
        if _KEY in field.metadata
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class SettingGroup:
    """Base of frozen dataclasses whose fields are settings; checks each value.

    Raises:
        UsageError: If a value is wrong; the message names the setting.
    """

    topic = ""

    def __new__(cls, **values: Any) -> Self:
        """Refuses names of values that it does not have."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                advice = did_you_mean(find_near(name, describe(cls)))
                where = f"kerastl.{cls.__name__}"
                raise UsageError(f"{name}: is not a setting of {where}. {advice}See help({where}).")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, described in describe(type(self)).items():
            value = described.plain(getattr(self, name))
            if described.is_path and isinstance(value, str):
                # The shell does not expand the tilde of --run_dir=~/x.
                value = checked(value, field=name)
            if described.has_auto and value == AUTO:
                value = Auto()
            object.__setattr__(self, name, value)
            described.check(value)
        self._check()

    def _check(self) -> None:
        """Refuses wrong combinations; a group that overrides it calls the next one's."""

    def deciding(self, *parts: Decides, of: "type[SettingGroup] | None" = None) -> dict[str, Any]:
        """Returns the settings that decide exactly these parts of a result, by name.

        Args:
            *parts: The parts.
            of: Only the settings of this group, a base of the value's own; by default all.
        """
        described = describe(of or type(self))
        return {name: getattr(self, name) for name in described if described[name].decides in parts}


def find_near(name: str, known: Mapping[str, Setting]) -> list[str]:
    """Finds the settings that may be meant by a name that is none, such as that of another tool."""
    usual = name.lower().replace("-", "_")
    near = [one.name for one in known.values() if usual in one.also]
    return near or closest(name.removeprefix("no"), known) or closest(name, known)


def did_you_mean(names: Sequence[str]) -> str:
    """Returns the question, with a blank behind it; empty without names."""
    return f"Did you mean {' or '.join(names)}? " if names else ""


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_BOOLEANS = {"true": True, "false": False}


def wrong_type(name: str, value: object, kind: type) -> UsageError:
    """Builds the error for a value of a setting that is not of its type."""
    return bad_value(name, value, f"is not {_WORDS[kind]}", f"Give {_WORDS[kind]}")


def _check_type(described: Setting, value: object) -> None:
    kind, name = described.kind, described.name
    types = (int, float) if kind is float else (kind,)
    # A bool is an int to isinstance, and never meant as a number.
    if not isinstance(value, types) or (isinstance(value, bool) and kind is not bool):
        raise wrong_type(name, value, kind)
    if isinstance(value, str) and "\0" in value:
        raise bad_value(name, value, "holds a NUL character", "Remove it")
    # Python puts surrogates where a name on a disk is not text; no file of a run could hold it.
    if isinstance(value, str) and value != value.encode("utf-8", "replace").decode():
        problem = "holds bytes that are not UTF-8 text"
        raise bad_value(name, value, problem, "Rename the file or folder")
