"""What images look like, whatever they show: the kind of picture."""

import keras

from kerastl.model.network import Network

# Of the calls below the head: above this part, features begin to tell what is shown. Between a
# fifth and half of MobileNetV2 the pictures of another kind that were planted were ranked alike.
_PART = 3
_LEAST_DIMENSIONS = 3


def build_style(network: Network) -> keras.Model | None:
    """Builds a model from images to the mean and deviation of each channel, float32.

    Those of a layer tell the style of a picture: https://arxiv.org/abs/1703.06868, section 5.

    Returns:
        The model, to (batch, twice the channels); None for a network that has no places there.
    """
    lowest = network.find(None) // _PART
    tensor = next(one for one in network.boundaries if one.position >= lowest).tensor
    if len(tensor.shape) < _LEAST_DIMENSIONS:
        return None
    places = tuple(range(1, len(tensor.shape) - 1))
    # Squares of 16 bits would be too large.
    features = keras.ops.cast(tensor, "float32")
    style = [measure(features, axis=places) for measure in (keras.ops.mean, keras.ops.std)]
    return keras.Model(network.inputs, keras.ops.concatenate(style, axis=-1))
