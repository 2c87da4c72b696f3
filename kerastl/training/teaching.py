"""The answers of a teacher for the training images: one more stored feature of each view.

The network that learns sees the very view that the teacher answered for, which matters more than
the loss: https://arxiv.org/abs/2106.05237.
"""

import dataclasses

import keras

from kerastl.data.splits import Splits
from kerastl.model.backbones import Backbone
from kerastl.model.network import Network
from kerastl.progress import Progress
from kerastl.settings import ImageSettings, ModelSettings, StoreSettings
from kerastl.training.frozen import FrozenPart

# Instead of the name of a network, whose weights its own fingerprint names.
_LABEL = "a finished run"


def open_teacher(
    splits: Splits, *, images: ImageSettings, store: StoreSettings, progress: Progress
) -> FrozenPart | None:
    """Opens the store of the answers to training images, in the views of `images`.

    The teacher takes them at its own size. It sees no validation or test image.

    Returns:
        The teacher's network as frozen up to its logits; None if the images have none.
    """
    teacher = splits.teacher
    if teacher is None:
        return None
    progress.line(f"Teacher: {teacher.model.parent}, on images of {teacher.image_size} px.")
    row = Backbone(name=_LABEL, source=_LABEL, label=_LABEL)
    network = Network.of(keras.saving.load_model(teacher.model), row)
    seen = ModelSettings(
        image_size=teacher.image_size,
        resize=teacher.resize,
        augment=images.augment,
        augment_views=images.augment_views,
        seed=images.seed,
    )
    nothing = splits.test[:0]
    return FrozenPart.open(
        network,
        [network.boundaries[-1]],
        dataclasses.replace(splits, validation=nothing, test=nothing),
        model=seen,
        store=store,
        progress=progress,
    )
