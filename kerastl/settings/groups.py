"""Groups of settings that belong together where they are used, and what they must not combine."""

import dataclasses
import pathlib

from kerastl.errors import UsageError, bad_value
from kerastl.settings.data import DataSettings
from kerastl.settings.model import ModelSettings
from kerastl.settings.store import StoreSettings
from kerastl.settings.training import ALL_LAYERS, Phase, TrainingSettings


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadSettings(DataSettings, StoreSettings):
    """What opens and splits the images: where they are, and where inspections are kept."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitSettings(ModelSettings, TrainingSettings, StoreSettings):
    """What trains a network on images that are split: network, phases and feature store."""

    def _check(self) -> None:
        super()._check()
        if self.label_issues and not (self._keeps_features and self.only_mirrors):
            raise self._keeps_none("label_issues", "no random augmentation")
        if self.repeats > 1 and not (self._keeps_features and self.only_mirrors):
            raise self._keeps_none("repeats", "no random augmentation")
        if self.head == "solved" and self.head_epochs and not self._keeps_features:
            raise self._keeps_none("head", "--augment_views=2 if it augments")
        if self.from_scratch:
            self._check_scratch()

    def _keeps_none(self, name: str, condition: str) -> UsageError:
        return bad_value(
            name,
            getattr(self, name),
            "needs stored features of a frozen network, which this run does not keep",
            f"Give it pretrained weights, head epochs, a cache_dir and {condition}",
        )

    def _check_scratch(self) -> None:
        if self.head_epochs:
            raise bad_value(
                "weights",
                "none",
                f"head_epochs={self.head_epochs} would train a head on a frozen backbone with "
                "random weights, whose features carry little information",
                "Use --head_epochs=0 and --finetune_epochs=10 to train every layer, or give "
                "pretrained weights",
            )
        if self.unfreeze_from not in ("", ALL_LAYERS):
            raise bad_value(
                "unfreeze_from",
                self.unfreeze_from,
                "would leave layers with random weights frozen below it, as weights=none",
                "Leave it out or use 'all'",
            )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The phases in training order, skipping those with 0 epochs."""
        prompts = Phase(
            name="prompts",
            epochs=int(bool(self.class_prompts)),
            learning_rate=0.0,
            warmup_epochs=0.0,
            unfreeze_from=None,
        )
        head = Phase(
            name="head",
            epochs=1 if self.head == "solved" and self.head_epochs else self.head_epochs,
            learning_rate=self.head_learning_rate,
            warmup_epochs=0.0,
            unfreeze_from=None,
            is_solved=self.head == "solved",
        )
        upper = Phase(
            name="scratch" if self.from_scratch else "finetune",
            epochs=self.finetune_epochs,
            learning_rate=self.finetune_learning_rate,
            warmup_epochs=self.warmup_epochs,
            unfreeze_from=ALL_LAYERS if self.from_scratch else self.unfreeze_from,
        )
        return tuple(phase for phase in (prompts, head, upper) if phase.epochs)

    @property
    def is_exact(self) -> bool:
        """Whether nothing is rounded to 16 bits."""
        return self.precision == self.cache_dtype == "float32"

    @property
    def cache_path(self) -> pathlib.Path | None:
        """The feature store's directory, None where nothing is to be stored."""
        # From scratch nothing is frozen.
        return None if self.from_scratch else self.memory_path

    @property
    def stores_features(self) -> bool:
        """Whether there may be stored features of training images, if there is room for them."""
        return bool(self.cache_path and self.repeats_views)

    @property
    def _keeps_features(self) -> bool:
        return bool(self.stores_features and self.head_epochs)
