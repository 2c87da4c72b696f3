"""Trains configs on stored features and scores them on the validation images."""

import dataclasses
import pathlib
import time
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.opening import open_data
from kerastl.data.splits import Splits
from kerastl.errors import KerastlError, first_line
from kerastl.model.build import DROPOUT
from kerastl.model.building.finding import NETWORK, own_resize
from kerastl.model.network import Network, build_key, forget_networks, open_network
from kerastl.outputs.made_of import describe_data, find_changed
from kerastl.progress import Progress
from kerastl.settings import Decides, FitSettings, ModelSettings, ReadSettings
from kerastl.training.course import Recorder
from kerastl.training.frozen import FrozenPart
from kerastl.training.train import check_phases, open_frozen, train
from kerastl.training.trained import Trained
from kerastl.tuning.search_options import OBJECTIVES
from kerastl.tuning.training_process import Status, TrialFailed
from kerastl.tuning.trials import Scored

_SECONDS_BETWEEN_STATUS = 0.2


class Trainer:
    """Trains one config after another on the same images, as a run would.

    Building a network, reading its weights and opening the store take longer than a head on stored
    features, so the last network and its frozen part are kept. The network starts each training
    from the values that it had when it was built.
    """

    def __init__(self, splits: Splits) -> None:
        """Keeps the images; the caller decides whether they include a test split."""
        self.splits = splits
        self._key: tuple[Any, ...] = ()
        self._network: Network | None = None
        self._values: list[tf.Tensor] = []
        self._frozen_key: tuple[Any, ...] = ()
        self._frozen: FrozenPart | None = None

    def train(
        self, config: Config, progress: Progress, *, record: Recorder | None = None
    ) -> Trained:
        """Trains a config; raises KerastlError if it does not fit the network or fails.

        One that `record` has kept goes on. At a loss that is not finite it fails: at another rate
        it would be another config.
        """
        config = dataclasses.replace(config, on_nan="stop")
        config = config.changed(NETWORK, **own_resize(config, progress))
        network = self.open(config)
        check_phases(network, config)
        key = _frozen_key(config)
        if self._frozen is None or key != self._frozen_key:
            # As with networks: free the old one first.
            self._close_frozen()
            self._frozen_key = key
            self._frozen = open_frozen(network, self.splits, config, progress)
        record = record or Recorder()
        return train(network, self.splits, config, self._frozen, record=record, progress=progress)

    def _close_frozen(self) -> None:
        if self._frozen is not None:
            self._frozen.close()
        self._frozen = None

    def score(self, config: Config, progress: Progress) -> Scored:
        """Trains a config as `train` does, and scores it on the validation images."""
        evaluated = self.train(config, progress).best.validation
        scores = evaluated.scores()
        return Scored(
            {name: scores[name.removeprefix("val_")] for name in OBJECTIVES},
            evaluated.predicted,
            evaluated.losses,
        )

    def open(self, config: ModelSettings) -> Network:
        """Returns a config's network as it was built; builds it unless it is the last one.

        Raises:
            KerastlError: If its weights cannot be opened, or its images are too small.
        """
        key = build_key(config)
        if self._network is None or key != self._key:
            # Free the old one before building the next: two may not fit.
            self._network, self._values, self._key = None, [], ()
            self._close_frozen()
            forget_networks(config.seed)
            network = open_network(config, num_classes=len(self.splits.source.class_names))
            self._values = [tf.identity(variable.value) for variable in network.model.variables]
            self._network, self._key = network, key
        for variable, value in zip(self._network.model.variables, self._values, strict=True):
            # Keras's own assign checks each value first, which takes several times as long.
            variable.value.assign(value)
        if config.dropout:
            self._network.model.get_layer(DROPOUT).rate = config.dropout
        return self._network


def _frozen_key(config: FitSettings) -> tuple[Any, ...]:
    """Returns the key of a frozen part of one network."""
    starts = tuple(phase.unfreeze_from for phase in config.phases)
    return (starts, *config.deciding(Decides.IMAGES, Decides.FEATURES).values())


def without_test(splits: Splits) -> Splits:
    """Returns the splits as a trial sees them, without a test split."""
    return dataclasses.replace(splits, test=np.empty(0, np.int64))


def open_trainer(settings: ReadSettings, made_of: Mapping[str, str]) -> Trainer:
    """Opens the data of a search for training.

    Args:
        settings: The data.
        made_of: What the search found there, see `describe_data`.

    Raises:
        KerastlError: If they are unusable, or no longer those of the search.
    """
    splits = open_data(settings, None, Progress())
    flags = settings.deciding(Decides.IMAGES)
    if error := find_changed(made_of, describe_data(splits), flags, what="the search"):
        raise error
    return Trainer(without_test(splits))


class InProcess:
    """A `Runner` that trains in this process, as it must where the images are in its memory."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def train(self, config: Config, log_path: pathlib.Path, status: Status) -> Scored:
        """Trains a config, see `Runner`."""
        with log_path.open("a", encoding="utf-8") as log:
            progress = _TrialProgress(log, status)
            try:
                return self._trainer.score(config, progress)
            except KerastlError as error:
                progress.line(f"error: {error}")
                raise TrialFailed(str(error)) from error
            # Any error concerns only this trial, and the log has its traceback.
            except Exception as error:
                progress.line(traceback.format_exc())
                raise TrialFailed(_reason(error)) from error

    def close(self) -> None:
        """Holds nothing."""


class _TrialProgress(Progress):
    """Writes lines to a trial's log, and passes the status on a few times a second."""

    def __init__(self, stream: TextIO, status: Status) -> None:
        super().__init__(stream)
        self._pass_on = status
        self._last = 0.0

    def status(self, text: str) -> None:
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_STATUS:
            self._last = time.monotonic()
            self._pass_on(text)


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "memory ran out; use a smaller batch_size or image_size"
    return f"{type(error).__name__}: {first_line(error)}"
