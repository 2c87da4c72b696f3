"""All settings of a run as one frozen value. Imports neither absl nor TensorFlow."""

import dataclasses
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NamedTuple, Self

from kerastl.errors import UsageError, bad_value
from kerastl.settings import (
    SETTINGS,
    TOPICS,
    Auto,
    Decides,
    DeviceSettings,
    FitSettings,
    OutputSettings,
    PhaseSettings,
    ReadSettings,
    RecipeSettings,
)
from kerastl.settings.recipe import MANUAL

_PHASES = TOPICS[PhaseSettings.topic]
# What a recipe may choose.
RECIPE_SETTINGS = frozenset(_PHASES).union(
    ("best_by",), (name for name, setting in SETTINGS.items() if setting.searchable)
)
# Where a value comes from that nobody gave, that Python code gave, or that follows from others.
DEFAULT, PYTHON, FOLLOWS = "default", "Python", "other settings"


def flag_file_words(path: os.PathLike[str]) -> str:
    """Marks values that come from a flag file."""
    return f"flag file {os.fspath(path)}"


class Origin(NamedTuple):
    """Where the value of a setting comes from.

    Attributes:
        where: In words, as "command line".
        value: The value; a setting that has another one by now was changed by Python code.
    """

    where: str
    value: Any = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ReadSettings, RecipeSettings, FitSettings, OutputSettings, DeviceSettings):
    """Everything that decides a run; each field is a flag of the same name.

    `kerastl train --help` describes each field; `kerastl.settings` defines them. A function
    that needs only a part of a config takes that part, such as `ImageSettings`.

    A `recipe` chooses the settings of `RECIPE_SETTINGS` that are not given, once the images are
    known. It becomes "manual" where one of the phases' settings is given.

    Example:
        >>> config = Config(dataset="digits", run_dir="runs/digits", weights="bundled")
        >>> config.backbone, config.image_size
        ('MobileNetV2_035', 48)
        >>> config.recipe, dataclasses.replace(config, finetune_epochs=3).recipe
        ('auto', 'manual')

    Attributes:
        origins: Where the value of each setting comes from that is not the default.

    Raises:
        UsageError: If a value is wrong for any data; the message names the field.
    """

    origins: Mapping[str, Origin] = dataclasses.field(
        default_factory=dict, repr=False, compare=False
    )

    def __new__(cls, **values: Any) -> Self:
        """Notes which values are given, among them those that are the defaults."""
        config = super().__new__(cls, **values)
        object.__setattr__(config, "_named", frozenset(values))
        return config

    def __post_init__(self) -> None:
        super().__post_init__()
        # `dataclasses.replace` names every field, and passes on where each came from before.
        is_new = "origins" not in self._named
        known = dict.fromkeys(self._named, Origin(PYTHON)) if is_new else self.origins
        usual = {name: setting.default for name, setting in SETTINGS.items()} | self.usual
        origins = {}
        for name in SETTINGS:
            value = getattr(self, name)
            # What is read back from JSON is a list.
            origin = Origin(*known.get(name, (PYTHON,)))
            if name in known or value != usual[name]:
                is_changed = origin.value not in (None, value)
                origins[name] = Origin(PYTHON if is_changed else origin.where, value)
        if self.from_scratch or ("recipe" not in origins and origins.keys() & _PHASES):
            object.__setattr__(self, "recipe", MANUAL)
            origins.setdefault("recipe", Origin(FOLLOWS, MANUAL))
        object.__setattr__(self, "origins", origins)
        if self.teacher and not (self.memory_path and self.repeats_views):
            raise bad_value(
                "teacher",
                self.teacher,
                "answers for each image and view once, and this run keeps no answers",
                "Give it a cache_dir, and --augment_views=4 if it augments",
            )
        if self.recipe == MANUAL:
            self._check_phases()

    @property
    def given(self) -> tuple[str, ...]:
        """Settings that the recipe must keep."""
        kept = () if self.recipe == MANUAL else self.origins.keys() & {*RECIPE_SETTINGS, "recipe"}
        return tuple(sorted(kept))

    @property
    def autos(self) -> tuple[str, ...]:
        """Settings whose numbers a run is to find."""
        return tuple(name for name in SETTINGS if isinstance(getattr(self, name), Auto))

    @property
    def leaves_open(self) -> bool:
        """Whether something is to be chosen once the images are known."""
        return self.recipe != MANUAL or bool(self.autos)

    def without(self, *names: str) -> Self:
        """Copies it as if some settings had not been given."""
        origins = {name: origin for name, origin in self.origins.items() if name not in names}
        values = {name: SETTINGS[name].default for name in names}
        return dataclasses.replace(self, **values, origins=origins)

    def origin(self, name: str) -> str:
        """Describes where the value of a setting comes from."""
        return self.origins[name].where if name in self.origins else DEFAULT

    def explain(self) -> dict[str, dict[str, Any]]:
        """Lists the value of each setting, and where it comes from."""
        return {
            name: {"value": getattr(self, name), "from": self.origin(name)} for name in SETTINGS
        }

    def changed(self, where: str, **values: Any) -> Self:
        """Copies it with other values of settings, which come from `where`, in words."""
        origins = {**self.origins, **dict.fromkeys(values, Origin(where))}
        return dataclasses.replace(self, **values, origins=origins)

    _named: ClassVar[frozenset[str]]

    def _check_phases(self) -> None:
        """Refuses phases that do not go together; a recipe makes those that do."""
        if self.head_epochs + self.finetune_epochs == 0:
            raise bad_value(
                "head_epochs",
                0,
                "with finetune_epochs=0 trains nothing",
                "Raise one of the two",
            )
        if self.refit and (self.head != "solved" or not self.head_epochs):
            raise bad_value(
                "refit", self.refit, "needs a solved head", "Use --head=solved or leave it out"
            )
        if self.teacher and not any(phase.has_steps for phase in self.phases):
            raise bad_value(
                "teacher",
                self.teacher,
                "takes part in steps, and a head that is solved has none",
                "Use --head=sgd, or --finetune_epochs above 0",
            )

    @property
    def written_folders(self) -> tuple[pathlib.Path, ...]:
        """Folders that the run itself fills, whose images are not data."""
        return tuple(pathlib.Path(path) for path in (self.run_dir, self.export_dir) if path)

    def to_flags(self, *parts: Decides) -> list[str]:
        """Lists the flags that give this config.

        What a recipe is to choose is not among them.

        Args:
            *parts: Only the flags that decide one of these parts of a result; by default all but
                those that are meant for one command.
        """
        values = self.deciding(*parts) if parts else dataclasses.asdict(self)
        return [
            f"--{name}={_flag_text(values[name])}"
            for name in SETTINGS
            if name in values
            and (parts or SETTINGS[name].is_kept)
            and (self.recipe == MANUAL or name not in RECIPE_SETTINGS or name in self.given)
        ]

    def to_flagfile(self, comments: Iterable[str] = ()) -> str:
        """Returns the text of a flag file that gives this config, below some comments."""
        lines = [*(f"# {comment}" for comment in comments), *self.to_flags()]
        return "".join(f"{line}\n" for line in lines)

    @staticmethod
    def read_comments(text: str) -> tuple[str, ...]:
        """Returns the comments in the text of a flag file that `to_flagfile` has made."""
        return tuple(line[2:] for line in text.splitlines() if line.startswith("# "))

    @classmethod
    def from_flags(cls, lines: Iterable[str], *, where: str = PYTHON) -> "Config":
        """Reads back what `to_flags` lists, also of an earlier version of kerastl.

        Args:
            lines: The flags; comments and empty lines do not count.
            where: Where they come from, in words.

        Raises:
            UsageError: If a line is not a flag, or a value is wrong.
        """
        values: dict[str, Any] = {}
        for line in filter(None, map(str.strip, lines)):
            if line.startswith("#"):
                continue
            name, equals, text = line.removeprefix("--").partition("=")
            if not line.startswith("--") or not equals or name not in SETTINGS:
                raise UsageError(f"{line!r} is not a flag of a run. Lines look like --name=value.")
            values[name] = SETTINGS[name].from_text(text)
        origins = dict.fromkeys(values, Origin(where))
        for name, setting in SETTINGS.items():
            if setting.default is None:
                values.setdefault(name, "")
        return cls(**values, origins=origins)


def _flag_text(value: object) -> str:
    return repr(value) if isinstance(value, float) else str(value)
