"""A run as keras-tuner's hypermodel: hyperparameters -> classifier -> training."""

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import keras
import keras_tuner

from kerastl import environment
from kerastl.config import Config
from kerastl.data.opening import open_data
from kerastl.data.source import Source
from kerastl.data.splits import Splits
from kerastl.errors import UsageError
from kerastl.model.building.finding import NETWORK, own_resize
from kerastl.model.network import Network, open_network
from kerastl.model.sources.table import find_backbone
from kerastl.progress import Progress
from kerastl.recipes.following import follow
from kerastl.training.best import EpochRow
from kerastl.training.course import Recorder
from kerastl.training.train import open_frozen, train
from kerastl.tuning.default_space import open_space
from kerastl.tuning.hyperparameters import declare
from kerastl.tuning.search_options import OBJECTIVES
from kerastl.tuning.space import Space
from kerastl.tuning.space_parser import read_space
from kerastl.tuning.trainer import without_test


class _InstallmentsError(UsageError, keras_tuner.errors.FatalError):
    """Ends a tuner's search at once, where keras-tuner would continue with the next trial."""


class TransferHyperModel(keras_tuner.HyperModel):
    """The runs of a search space, for any tuner of keras-tuner.

    `build` returns the classifier, from pixels to logits, with its head at zero. `fit` trains all
    phases on stored features and leaves the best weights in it; it needs no data from
    `Tuner.search`, and never sees the test split. Objectives are val_accuracy,
    val_loss, val_balanced_accuracy and val_macro_f1.
    """

    def __init__(self, space: Space, splits: Splits) -> None:
        """Keeps the images without their test split."""
        super().__init__(name="kerastl")
        self._space = space
        self._splits = without_test(splits)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Declares the space and builds the classifier of `hp`'s values."""
        declare(hp, self._space)
        config = self._space.config_for(hp.values)
        with environment.ready(config.precision, config.seed, Progress()):
            names = self._splits.source.class_names
            model = open_network(config, num_classes=len(names)).model
            model.compile(
                loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                metrics=["accuracy"],
            )
            return model

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        **unused: Any,
    ) -> dict[str, float]:
        """Trains what `build` returned for the same `hp`; returns the objectives at the best epoch.

        Args:
            hp: The values that it was built with.
            model: The classifier.
            callbacks: Called at the beginning, after every epoch of all phases, and at the end.
            unused: Other arguments of the tuner, such as `verbose`.

        Raises:
            UsageError: If the tuner trains in installments, as keras-tuner's own Hyperband does.
            KerastlError: If the loss is not finite.
        """
        if "initial_epoch" in unused:
            raise _InstallmentsError(
                "tuner='Hyperband': trains in installments, which a run of several phases does "
                "not. Use kerastl.tune with tuner='hyperband', or another tuner."
            )
        silent = Progress()
        config = dataclasses.replace(self._space.config_for(hp.values), on_nan="stop")
        config = config.changed(NETWORK, **own_resize(config, silent))
        record = _CallbackRecorder(keras.callbacks.CallbackList(callbacks, model=model), model)
        record.callbacks.on_train_begin()
        network = Network.of(model, find_backbone(config))
        with (
            environment.ready(config.precision, config.seed, silent),
            contextlib.suppress(_Stopped),
            open_frozen(network, self._splits, config, silent) as frozen,
        ):
            train(network, self._splits, config, frozen, record=record, progress=silent)
        record.callbacks.on_train_end()
        best = max(record.rows, key=lambda row: (row.score(config.best_by), -row.val_loss))
        return {name: getattr(best, name) for name in OBJECTIVES}


def open_hypermodel(
    config: Config, space: Space | None, source: Source | None, progress: Progress
) -> TransferHyperModel:
    """Opens the data of a search and returns its runs; `kerastl.hypermodel` prepares for it."""
    splits = open_data(config, source, progress)
    deadline = time.monotonic() + config.run_seconds
    config = follow(config, splits, deadline=deadline, progress=progress).config
    space = space and read_space(space.to_text(), config)
    return TransferHyperModel(open_space(config, space), splits)


class _Stopped(Exception):  # noqa: N818  no error: a callback has ended the training
    pass


class _CallbackRecorder(Recorder):
    """Reports epochs to callbacks."""

    def __init__(self, callbacks: keras.callbacks.CallbackList, model: keras.Model) -> None:
        self.callbacks = callbacks
        self.rows: list[EpochRow] = []
        self._model = model
        model.stop_training = False

    def add_epoch(self, row: EpochRow) -> None:
        """Reports an epoch; raises `_Stopped` if a callback ends the training."""
        self.callbacks.on_epoch_begin(len(self.rows))
        logs = {
            name: value
            for name, value in dataclasses.asdict(row).items()
            if isinstance(value, float) and name != "seconds"
        }
        self.rows.append(row)
        self.callbacks.on_epoch_end(len(self.rows) - 1, logs)
        if self._model.stop_training:
            raise _Stopped
