"""What a run checks of itself, on the user's own versions: a failure is a bug to be told of."""

import dataclasses
import hashlib
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastl.errors import KerastlError
from kerastl.model.phases import Plan

# Softmax and mean in float32, over thousands of classes at most.
_LOSS_TOLERANCE = 1e-3
# Folding batch norm rounds otherwise, by 1e-5 of probability on a MobileNetV2; features of
# another image or network differ by far more.
_FEATURES_TOLERANCE = 1e-4
_COARSE_TOLERANCE = 0.1
_MAX_SAMPLE = 256


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was looked at, in words, and whether it was right."""

    text: str
    passed: bool

    def require(self) -> None:
        """Stops the run if the check failed.

        Raises:
            KerastlError: With the versions that the report of the bug needs.
        """
        if not self.passed:
            raise KerastlError(
                f"A check of this run failed: {self.text} (Keras {keras.version()}). This is a "
                "bug of kerastl or Keras, and the run's results would be wrong. Report it with "
                "the run's flags.txt."
            )


class Snapshot:
    """Remembers the values of weights as hashes, which take no memory to speak of."""

    def __init__(self, weights: Sequence[Any]) -> None:
        self._weights = list(weights)
        self._hashes = [_hash(weight) for weight in self._weights]

    def moved(self) -> list[Any]:
        """Lists the weights that differ by any bit from when the snapshot was taken."""
        return [
            weight
            for weight, before in zip(self._weights, self._hashes, strict=True)
            if _hash(weight) != before
        ]

    def unmoved(self) -> list[Any]:
        """Lists the weights that have kept every bit."""
        moved = {id(weight) for weight in self.moved()}
        return [weight for weight in self._weights if id(weight) not in moved]

    def __len__(self) -> int:
        """Counts the weights."""
        return len(self._weights)


def check_first_loss(logits: np.ndarray, labels: np.ndarray, num_classes: int) -> Check:
    """Compares the loss before any training with ln(classes), which a zero head gives.

    Args:
        logits: The untrained head's output for some images, (images, classes).
        labels: Their labels, (images,).
        num_classes: Classes that the head tells apart.
    """
    wide = logits.astype(np.float64)
    log_sums = np.log(np.exp(wide - wide.max(1, keepdims=True)).sum(1)) + wide.max(1)
    loss = float(np.mean(log_sums - wide[np.arange(len(labels)), labels]))
    expected = math.log(num_classes)
    return Check(
        f"first loss {loss:.4f}, ln({num_classes}) is {expected:.4f}",
        abs(loss - expected) <= _LOSS_TOLERANCE,
    )


def check_moves(
    plan: Plan,
    frozen: Snapshot,
    moving: Snapshot,
    *,
    steps: int,
    batch: tuple[tf.Tensor, tf.Tensor],
) -> Check:
    """Compares all weights with what they were before the phase.

    A weight that trains may keep every bit where its gradient is too small to change a
    float32, as in a network whose random weights let no signal through. So it counts as
    wrong only if its gradient at the phase's rate would change it. The head starts at zero,
    so the first step of all gives the layers below it a gradient of zero, whatever theirs is
    afterwards: a phase of a single step is not asked to move them.

    Args:
        plan: The phase that has ended.
        frozen: Of the weights that had to stay.
        moving: Of the weights that had to move.
        steps: Steps that the phase has taken.
        batch: Inputs at the phase's boundary and their labels, int64 (batch,).
    """
    wrongly_moved, still = frozen.moved(), moving.unmoved()
    wrong = wrongly_moved + [
        weight for weight in still if steps > 1 and _would_move(weight, plan, *batch)
    ]
    parts = [f"{len(moving) - len(still)} of {len(moving)} trained weights moved"]
    if len(frozen):
        same = len(frozen) - len(wrongly_moved)
        parts.insert(0, f"{same} of {len(frozen)} frozen weights bit-identical")
    if len(still) + len(wrongly_moved) > len(wrong):
        parts.append(f"{len(still) + len(wrongly_moved) - len(wrong)} have too small a gradient to")
    text = f"{plan.phase.name} phase: {', '.join(parts)}"
    if wrong:
        text += f"; wrong: {', '.join(weight.path for weight in wrong[:3])}"
    return Check(text, not wrong)


def _would_move(weight: Any, plan: Plan, inputs: tf.Tensor, labels: tf.Tensor) -> bool:
    if not weight.trainable:
        return True  # A moving statistic, which no gradient reaches and any batch moves.
    with tf.GradientTape() as tape:
        logits = plan.upper(inputs, training=False)
        loss = tf.reduce_mean(
            keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        )
    gradient = tape.gradient(loss, weight.value)
    if gradient is None:
        return True
    change = plan.phase.learning_rate * np.abs(tf.convert_to_tensor(gradient).numpy())
    return bool((change > np.spacing(np.abs(np.array(weight)))).any())


def spread(count: int) -> np.ndarray:
    """Chooses up to 256 of `count` positions, evenly; more images would say the same again."""
    return np.unique(np.linspace(0, count - 1, _MAX_SAMPLE).astype(np.int64))


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


def _hash(weight: Any) -> bytes:
    values = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
    return hashlib.blake2b(values.tobytes(), digest_size=16).digest()
