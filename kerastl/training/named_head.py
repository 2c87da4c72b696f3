"""A head that is made of the names of the classes, before any training (zero-shot)."""

import time
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from kerastl.model.build import LOGITS
from kerastl.model.phases import Plan
from kerastl.progress import Progress
from kerastl.settings import ModelSettings
from kerastl.settings.model import CLASS_NAME
from kerastl.training.best import EpochRow
from kerastl.training.course import Course
from kerastl.training.evaluation import Evaluation
from kerastl.training.fit import PhaseData, PhaseResult
from kerastl.training.steps import cross_entropy


def name_phase(
    plan: Plan,
    data: PhaseData,
    settings: ModelSettings,
    *,
    progress: Progress,
    on_epoch: Callable[[EpochRow, Evaluation], None],
    places: Course,
) -> PhaseResult:
    """Does what `train_phase` does, for a head of texts that the network reads.

    The later phases start from it. The loss and the accuracy of its one row are those of a batch of
    training images, by which it has the size of its logits.
    """
    started = time.monotonic()
    network = places.network
    assert network.read_texts is not None, "opened with other settings"
    texts = [settings.class_prompts.replace(CLASS_NAME, name) for name in data.class_names]
    inputs, labels = data.first_batch()
    network.model.get_layer(LOGITS).kernel.assign(network.read_texts(texts, inputs.numpy()))
    logits, evaluation = plan.upper(inputs, training=False), data.validate()
    row = EpochRow.of(
        evaluation,
        phase=plan.phase.name,
        epoch=1,
        learning_rate=0.0,
        seconds=time.monotonic() - started,
        loss=float(tf.reduce_mean(cross_entropy(labels, logits))),
        accuracy=float(np.mean(logits.numpy().argmax(axis=1) == labels.numpy())),
    )
    on_epoch(row, evaluation)
    progress.line(
        f"prompts, as in {texts[0]!r}: val_loss {row.val_loss:.4f}  val_accuracy "
        f"{row.val_accuracy:.4f}"
    )
    return PhaseResult(0)
