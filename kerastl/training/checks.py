"""Checks of a run, made with the user's versions of packages: a failure is a bug."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import scipy.special
import tensorflow as tf

from kerastl.errors import KerastlError
from kerastl.internals import own_weights
from kerastl.model.network import Network
from kerastl.model.phases import parts
from kerastl.progress import Progress
from kerastl.settings import Phase

# Softmax and mean in float32, over thousands of classes at most.
_LOSS_TOLERANCE = 1e-3
# Folding batch norm rounds otherwise, by 1e-5 of probability on a MobileNetV2; features of
# another image or network differ by far more.
_FEATURES_TOLERANCE = 1e-4
_COARSE_TOLERANCE = 0.1
# In so few steps above a head at zero, gradients may have been far smaller than at the end.
_FEW_STEPS = 10


@dataclasses.dataclass(frozen=True)
class Check:
    """A description of what was checked, and whether it was right."""

    text: str
    passed: bool


class CheckRecorder(Protocol):
    """Where checks are kept."""

    def add_check(self, check: Check) -> None:
        """Keeps a check, passed or not."""


def require(check: Check, *, record: CheckRecorder, progress: Progress) -> None:
    """Records a check and reports that it passed, or stops the run.

    Raises:
        KerastlError: If it failed; with the versions that the report of the bug needs.
    """
    record.add_check(check)
    if not check.passed:
        raise KerastlError(
            f"A check of this run failed: {check.text} (Keras {keras.version()}). This is a bug "
            "of kerastl or Keras, and the run's results would be wrong. Report it with the run's "
            "flags.txt and receipt.json."
        )
    progress.line(f"Check passed: {check.text}.")


class Snapshot:
    """Remembers the values of weights as hashes, which take no memory to speak of.

    Attributes:
        weights: The weights.
        hashes: The hash of each.
    """

    def __init__(self, weights: Sequence[Any], hashes: Sequence[str] = ()) -> None:
        """Takes the hashes of the weights as they are now, unless earlier ones are given."""
        self.weights = list(weights)
        self.hashes = list(hashes) or [_hash(weight) for weight in self.weights]

    def moved(self) -> list[Any]:
        """Lists the weights that differ by any bit from when the snapshot was taken."""
        return [
            weight
            for weight, before in zip(self.weights, self.hashes, strict=True)
            if _hash(weight) != before
        ]

    def unmoved(self) -> list[Any]:
        """Lists the weights that have kept every bit."""
        return _without(self.weights, self.moved())

    def __len__(self) -> int:
        """Counts the weights."""
        return len(self.weights)


def check_first_loss(logits: np.ndarray, labels: np.ndarray, num_classes: int) -> Check:
    """Compares the loss before any training with ln(classes), the loss of a head at zero.

    Args:
        logits: The untrained head's output for some images, (images, classes).
        labels: Their labels, (images,).
        num_classes: Classes that the head distinguishes.
    """
    log_probabilities = scipy.special.log_softmax(logits.astype(np.float64), axis=1)
    loss = -float(np.mean(log_probabilities[np.arange(len(labels)), labels]))
    expected = math.log(num_classes)
    return Check(
        f"first loss {loss:.4f}, ln({num_classes}) is {expected:.4f}",
        abs(loss - expected) <= _LOSS_TOLERANCE,
    )


class ExpectedMoves:
    """The weights that a phase has to change and those that it must not, derived from the network.

    It takes nothing from the plan that the phase is trained by, so that a fault in the plan
    is seen: a layer counts as a normalization by the name of its class.
    """

    def __init__(
        self, network: Network, phase: Phase, first: int, *, known: Mapping[str, Any] | None = None
    ) -> None:
        """Takes a snapshot before a phase; `first` is the lowest layer call that trains.

        In the middle of a phase that goes on, `known` is the `state` of its start.
        """
        known = known or {}
        self.phase = phase
        self._head = network.calls[-1].layer
        is_zero = not np.any(keras.ops.convert_to_numpy(self._head.kernel))
        self._head_is_zero: bool = known.get("head_is_zero", is_zero)
        layers = [call.layer for call in network.calls[first:] if _learns(call.layer, phase)]
        learned = {id(layer): _learned_weights(layer, phase) for layer in layers}
        moving = [weight for weights in learned.values() for weight in weights]
        self._layer_of = {id(one): layer for layer, weights in learned.items() for one in weights}
        self.moving = Snapshot(moving, known.get("moving", ()))
        still = _without(network.model.weights, moving)
        self.frozen = Snapshot(still, known.get("frozen", ()))

    def state(self) -> dict[str, Any]:
        """Describes the weights at the start of the phase."""
        return {
            "moving": self.moving.hashes,
            "frozen": self.frozen.hashes,
            "head_is_zero": self._head_is_zero,
        }

    def check(
        self,
        upper: keras.Model,
        *,
        steps: int,
        batch: Callable[[], tuple[tf.Tensor, tf.Tensor]],
    ) -> Check:
        """Compares all weights with what they were before the phase.

        A weight that trains may keep every bit where its gradient is too small to change a
        float32, as in a network whose random weights let no signal through. So it counts as
        wrong only if its gradient at the phase's rate would change it, or, of a statistic, if
        a batch would. A head that starts at zero gives the layers below it no gradient at first,
        and little in the next steps, whatever theirs is at the end, and its own bias none in a
        batch with as many images of each class: a phase of a few steps then need not move them.

        Args:
            upper: The part of the network above the phase's boundary.
            steps: Steps that the phase has taken.
            batch: Function that returns inputs at the boundary and their labels, int64 (batch,).
        """
        wrongly_moved, still = self.frozen.moved(), self.moving.unmoved()
        movable, loose = _movable(still, upper, self.phase, *batch()) if still else ([], [])
        movable += self._missed(loose)
        if steps < _FEW_STEPS and self._head_is_zero:
            kernel = id(self._head.kernel)
            movable = [one for one in movable if id(one) == kernel or not one.trainable]
        excused = _without(still, movable)
        wrong = wrongly_moved + _without(still, excused)
        parts = [f"{len(self.moving) - len(still)} of {len(self.moving)} trained weights moved"]
        if len(self.frozen):
            same = len(self.frozen) - len(wrongly_moved)
            parts.insert(0, f"{same} of {len(self.frozen)} frozen weights bit-identical")
        if excused:
            parts.append(f"{len(excused)} unchanged, gradient too small")
        text = f"{self.phase.name} phase: {', '.join(parts)}"
        if wrong:
            text += f"; wrong: {', '.join(weight.path for weight in wrong[:3])}"
        return Check(text, not wrong)

    def _missed(self, loose: Sequence[Any]) -> list[Any]:
        """Lists which of the weights without a gradient should have one.

        A layer that learns by its other weights just does not use them, as that of a transformer
        that can hide patches. A layer without any gradient is not part of what is trained.
        """
        used = {id(self._layer_of[id(one)]) for one in _without(self.moving.weights, loose)}
        return [one for one in loose if id(self._layer_of[id(one)]) not in used]


def _learns(layer: Any, phase: Phase) -> bool:
    kind = type(layer).__name__
    if not getattr(layer, "weights", ()) or kind == "Normalization":
        return False  # The latter holds the constants of an input scaling.
    return phase.name == "scratch" or "Normalization" not in kind


def _learned_weights(layer: Any, phase: Phase) -> list[Any]:
    """Lists the weights of a layer, and of those that it holds, that a phase has to change."""
    learned = [part for part in parts(layer) if _learns(part, phase)]
    only_learned = phase.name != "scratch"
    return [one for part in learned for one in own_weights(part, only_learned=only_learned)]


def _movable(
    still: Sequence[Any], upper: keras.Model, phase: Phase, inputs: tf.Tensor, labels: tf.Tensor
) -> tuple[list[Any], list[Any]]:
    """Finds which of the weights a step would change; the step is not kept.

    Returns:
        These, and those that the loss does not depend on.
    """
    before = upper.get_weights()
    snapshot = Snapshot(still)
    norms = [part for layer in upper.layers for part in parts(layer) if hasattr(part, "momentum")]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        # Whatever a phase has made of it: a statistic that differs from the batch's moves.
        layer.momentum = 0.5
    with tf.GradientTape() as tape:
        logits = upper(inputs, training=phase.name == "scratch")
        loss = tf.reduce_mean(
            keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        )
    movable = snapshot.moved()  # Statistics.
    upper.set_weights(before)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
    loose: list[Any] = []
    for weight, gradient in zip(
        still, tape.gradient(loss, [weight.value for weight in still]), strict=True
    ):
        if gradient is None:
            # Not connected to the loss, or not trained: a statistic that does not change.
            if weight.trainable or phase.name != "scratch":
                loose.append(weight)
            continue
        change = phase.learning_rate * np.abs(tf.convert_to_tensor(gradient).numpy())
        if (change > np.spacing(np.abs(np.array(weight)))).any():
            movable.append(weight)
    return movable, loose


def check_restored(accuracy: float, best: float, num_images: int) -> Check:
    """Compares the final evaluation with that of the best epoch.

    Args:
        accuracy: Accuracy of the final classifier on the validation images.
        best: That of the best epoch, as it was when the epoch ended.
        num_images: How many they are; other kernels may round one of them to the other side.
    """
    return Check(
        f"validation accuracy of the model {accuracy:.4f}, and {best:.4f} at the end of its epoch",
        abs(accuracy - best) <= 1 / num_images + 1e-6,
    )


def check_agreement(stored: np.ndarray, whole: np.ndarray, *, exact: bool) -> Check:
    """Compares probabilities from stored features with those of the whole network.

    Args:
        stored: From the features at the lowest boundary, (images, classes).
        whole: From the images themselves, (images, classes).
        exact: Whether all of it is in 32 bits; 16 bits round by hundredths.
    """
    difference = float(np.abs(stored - whole).max())
    return Check(
        f"stored features and the whole network differ by {difference:.1e} of probability at "
        f"most, on {len(whole)} test images",
        difference <= (_FEATURES_TOLERANCE if exact else _COARSE_TOLERANCE),
    )


def _without(weights: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    # By identity: `==` of variables compares their values.
    ids = {id(weight) for weight in others}
    return [weight for weight in weights if id(weight) not in ids]


def _hash(weight: Any) -> str:
    # TensorFlow's variable is read in half the time of Keras's.
    return hashlib.blake2b(weight.value.numpy().tobytes(), digest_size=16).hexdigest()
