"""What every source of networks builds."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence

import keras
import numpy as np

from kerastl.model.backbones import Scaling
from kerastl.model.boundaries import models_in
from kerastl.model.build import DROPOUT, LOGITS, POOLED

# What the network is called in a classifier.
BACKBONE = "backbone"
# Function from texts and the pooled features of some images, float32 (images, channels), to the
# kernel of a head, float32 (channels, texts). Its logits order the texts as the network does, which
# compares directions: they are the network's own for an image whose embedding is as long as the
# mean of those of the images.
TextReader = Callable[[Sequence[str], np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Built:
    """A network with its weights.

    Attributes:
        network: Model named "backbone" from float32 (batch, image_size, image_size, 3) to a map
            (batch, height, width, channels), to tokens (batch, tokens, channels), or to features
            (batch, channels).
        scaling: What it expects of pixels, None if it scales them itself.
        notes: Remarks for the user, each a part of a sentence.
        read_texts: Makes a head of texts; None where none are to be read.
    """

    network: keras.Model
    scaling: Scaling | None
    notes: tuple[str, ...] = ()
    read_texts: TextReader | None = None


def named(network: keras.Model) -> keras.Model:
    """Gives a model the name of the backbone; it shares its layers."""
    # Some builders take their own `name` for the size of the network or its weights.
    return keras.Model(network.input, network.output, name=BACKBONE)


def call_alone(model: keras.Model, images: keras.KerasTensor) -> keras.KerasTensor:
    """Calls a model of one input and one output, whether these have names or not."""
    if not isinstance(model, keras.Sequential):
        images = keras.tree.map_structure(lambda _: images, model.input)
    outputs = model(images)
    (output,) = keras.tree.flatten(outputs)
    return output


def name_apart(model: keras.Model) -> None:
    """Renames layers whose names occur twice in a model of models, or are those of a classifier.

    In one graph names must differ.
    """
    taken = {"images", "input_scaling", POOLED, DROPOUT, LOGITS, BACKBONE}
    for part in models_in(model):
        for call in part.layers if isinstance(part, keras.Sequential) else part.operations:
            name = call.name
            number = 1
            while call.name in taken:
                number += 1
                call.name = f"{name}_{number}"
            taken.add(call.name)


def fingerprint(model: keras.Model) -> str:
    """Hashes the values of all weights, in order; equal for equal weights, whatever the file."""
    digest = hashlib.sha256()
    for weight in model.weights:
        digest.update(keras.ops.convert_to_numpy(weight).tobytes())
    return digest.hexdigest()
