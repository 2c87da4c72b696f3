"""A run as keras-tuner's hypermodel: hyperparameters -> classifier -> training."""

import contextlib
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import keras_tuner

from kerastl.config import Config
from kerastl.data.splits import Splits
from kerastl.errors import UsageError
from kerastl.model.backbones import find_backbone
from kerastl.model.network import Network, open_network
from kerastl.progress import Progress
from kerastl.training.best import EpochRow
from kerastl.training.train import open_frozen, train
from kerastl.tuning.options import OBJECTIVES
from kerastl.tuning.space import CONDITIONS, Choice, Space
from kerastl.tuning.trial_run import Forgetful, without_test

# What hyperband adds to a trial's values: how many epochs it has, of the most there are.
EPOCHS = "tuner/epochs"


class _InstalmentsError(UsageError, keras_tuner.errors.FatalError):
    """Ends a tuner's search at once, where keras-tuner would go on with the next trial."""


def declare(hyperparameters: keras_tuner.HyperParameters, space: Space) -> None:
    """Registers the ranges of a space, each under the condition with which it matters.

    The flags as given are the defaults where the ranges have them.
    """
    given = space.values_of(space.config)
    for name, dimension in space.dimensions.items():
        with contextlib.ExitStack() as stack:
            active = space.active_values(name)
            if active is not None:
                parent = CONDITIONS[name].parent
                values = [_drawn(space, parent, value) for value in active]
                stack.enter_context(hyperparameters.conditional_scope(parent, values))
            if isinstance(dimension, Choice):
                texts = [str(value) for value in dimension.values]
                default = str(given.get(name))
                hyperparameters.Choice(
                    name, texts, default=default if default in texts else texts[0], ordered=False
                )
                continue
            start = given.get(name, dimension.low)
            if not dimension.low <= start <= dimension.high:
                start = dimension.low
            if dimension.is_whole:
                hyperparameters.Int(name, dimension.low, dimension.high, default=start)
            else:
                hyperparameters.Float(
                    name,
                    dimension.low,
                    dimension.high,
                    sampling="log" if dimension.is_log else "linear",
                    default=start,
                )


def as_drawn(space: Space, given: Config | Mapping[str, Any]) -> dict[str, Any]:
    """Gives a config's or a trial's values as keras-tuner would have drawn them."""
    values = space.values_of(given) if isinstance(given, Config) else given
    return {name: _drawn(space, name, value) for name, value in values.items()}


def _drawn(space: Space, name: str, value: Any) -> Any:
    # Texts, since keras-tuner sends numbers in 32 bits to other machines.
    return str(value) if isinstance(space.dimensions[name], Choice) else value


def config_of(values: Mapping[str, Any], space: Space, *, max_epochs: int) -> Config:
    """Gives the config of a trial from what keras-tuner has drawn.

    Args:
        values: What it has drawn, with what hyperband has added.
        space: Where it is from.
        max_epochs: Epochs of the longest trial, of which hyperband gives a share.

    Raises:
        UsageError: If the values do not go together.
    """
    config = _whole_config(values, space)
    share = min(1.0, values.get(EPOCHS, max_epochs) / max_epochs)
    return dataclasses.replace(
        config,
        head_epochs=math.ceil(config.head_epochs * share),
        finetune_epochs=math.ceil(config.finetune_epochs * share),
    )


def _whole_config(values: Mapping[str, Any], space: Space) -> Config:
    """Gives the config of values, among which a tuner may have some of its own."""
    return space.config_for(
        {name: value for name, value in values.items() if name in space.dimensions}
    )


class TransferHyperModel(keras_tuner.HyperModel):
    """The runs of a search space, for any tuner of keras-tuner.

    `build` gives the classifier, from pixels to logits, with its head at zero. `fit` trains all
    phases on stored features and leaves the best weights in it; it needs no data from
    `Tuner.search`, and the test split stays out of its sight. Objectives are val_accuracy,
    val_loss, val_balanced_accuracy and val_macro_f1.
    """

    def __init__(self, space: Space, splits: Splits) -> None:
        """Takes what is searched and the images to search with."""
        super().__init__(name="kerastl")
        self._space = space
        self._splits = without_test(splits)

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Declares the space and builds the classifier of `hp`'s values."""
        declare(hp, self._space)
        config = _whole_config(hp.values, self._space)
        keras.utils.set_random_seed(config.seed)
        names = self._splits.source.class_names
        model = open_network(config, num_classes=len(names)).model
        model.compile(
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
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
        """Trains the classifier.

        Args:
            hp: The values that it was built with.
            model: What `build` gave.
            callbacks: Are told of the beginning, of every epoch of all phases, and of the end.
            unused: What the tuner has of its own, as `verbose`.

        Returns:
            The objectives at the best epoch.

        Raises:
            UsageError: If the tuner trains in instalments, as keras-tuner's own Hyperband does.
            KerastlError: If the loss is not finite.
        """
        if "initial_epoch" in unused:
            raise _InstalmentsError(
                "tuner='Hyperband': trains in instalments, which a run of several phases does not. "
                "Use kerastl.tune with tuner='hyperband', or another tuner."
            )
        config = _whole_config(hp.values, self._space)
        record = _Told(keras.callbacks.CallbackList(callbacks, model=model), model)
        record.callbacks.on_train_begin()
        row = find_backbone(config.backbone, image_size=config.image_size)
        network, silent = Network.of(model, row), Progress()
        with (
            contextlib.suppress(_Enough),
            open_frozen(network, self._splits, config, silent) as frozen,
        ):
            train(network, self._splits, config, frozen, record=record, progress=silent)
        record.callbacks.on_train_end()
        best = max(record.rows, key=lambda row: (row.score(config.best_by), -row.val_loss))
        return {name: getattr(best, name) for name in OBJECTIVES}


class _Enough(Exception):  # noqa: N818  no error: a callback has ended the training
    pass


class _Told(Forgetful):
    """Tells callbacks of epochs."""

    def __init__(self, callbacks: keras.callbacks.CallbackList, model: keras.Model) -> None:
        self.callbacks = callbacks
        self.rows: list[EpochRow] = []
        self._model = model
        model.stop_training = False

    def add_epoch(self, row: EpochRow) -> None:
        """Tells of an epoch.

        Raises:
            _Enough: If a callback wants no more.
        """
        self.callbacks.on_epoch_begin(len(self.rows))
        logs = {
            name: value
            for name, value in dataclasses.asdict(row).items()
            if isinstance(value, float) and name != "seconds"
        }
        self.rows.append(row)
        self.callbacks.on_epoch_end(len(self.rows) - 1, logs)
        if self._model.stop_training:
            raise _Enough
