"""The prediction for an image: a classifier's own, or the mean with that for the mirror image.

Every prediction, in evaluation and in exports, takes the mean from here.
"""

import keras

from kerastl.model.build import LOGITS, POOLED

# Layer that marks a model whose output is the mean.
_BOTH = "image_and_mirror_image"
# A probability of 0 counts as this, whose logarithm is finite.
_LEAST = 1e-37
_WIDTH = 2


def with_mirrored(images: keras.KerasTensor) -> keras.KerasTensor:
    """Puts the mirror images of a batch behind it, (2 * batch, height, width, channels)."""
    both = keras.layers.Concatenate(axis=0, dtype="float32", name=_BOTH)
    return both([images, keras.ops.flip(images, axis=_WIDTH)])


def mean_logits(logits: keras.KerasTensor) -> keras.KerasTensor:
    """Computes the logarithm of the mean probabilities from the logits of `with_mirrored`.

    It is the logits of the mean, (batch, classes): their softmax are its probabilities.
    """
    return keras.ops.log(keras.ops.maximum(_mean_probabilities(logits), _LEAST))


def average_mirrored(classifier: keras.Model) -> keras.Model:
    """Builds the model whose output is the mean; it shares all layers with the classifier."""
    images = keras.Input(classifier.input.shape[1:], name="images", dtype="float32")
    logits = _follow(classifier, with_mirrored(images))[LOGITS]
    return keras.Model(images, mean_logits(logits), name=classifier.name)


def averages_mirrored(classifier: keras.Model) -> bool:
    """Returns whether a model is one of `average_mirrored`, perhaps read from a file."""
    return any(layer.name == _BOTH for layer in classifier.layers)


def probabilities_of(
    classifier: keras.Model, *, describe: keras.layers.Layer | None = None
) -> keras.Model:
    """Builds the model to `{"probabilities": (batch, classes)}`.

    `describe` makes further outputs, by name, of the head's inputs, (batch, channels): the mean of
    those for both images where the prediction is the mean.
    """
    images = keras.Input(classifier.input.shape[1:], name="images", dtype="float32")
    if averages_mirrored(classifier):
        found = _follow(classifier, with_mirrored(images))
        # Not by way of logarithms, of which 8 bits would leave little.
        probabilities, features = _mean_probabilities(found[LOGITS]), _mean_of_both(found[POOLED])
    else:
        found = _follow(classifier, images)
        softmax = keras.layers.Softmax(dtype="float32", name="probabilities")
        probabilities, features = softmax(found[LOGITS]), found[POOLED]
    others = describe(features) if describe else {}
    return keras.Model(images, {"probabilities": probabilities, **others})


def outputs_of(classifier: keras.Model) -> keras.Model:
    """Builds the model to `logits`, and to the head's inputs, `features` and `mirrored_features`.

    The latter only where the output is the mean.
    """
    images = keras.Input(classifier.input.shape[1:], name="images", dtype="float32")
    if not averages_mirrored(classifier):
        found = _follow(classifier, images)
        return keras.Model(images, {"logits": found[LOGITS], "features": found[POOLED]})
    found = _follow(classifier, with_mirrored(images))
    features, mirrored = keras.ops.split(found[POOLED], 2, axis=0)
    logits = mean_logits(found[LOGITS])
    return keras.Model(
        images, {"logits": logits, "features": features, "mirrored_features": mirrored}
    )


def _mean_probabilities(logits: keras.KerasTensor) -> keras.KerasTensor:
    return _mean_of_both(keras.ops.softmax(logits))


def _mean_of_both(values: keras.KerasTensor) -> keras.KerasTensor:
    # An operation with two outputs, as a split, would be in 8 bits even in a head of 32.
    halves = keras.ops.reshape(values, (2, -1, values.shape[-1]))
    return keras.ops.mean(halves, axis=0)


def _follow(classifier: keras.Model, inputs: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    """Calls the layers of `build_classifier` once more; returns the output of each by its name."""
    calls = classifier.operations
    names = [call.name for call in calls]
    first = 1 + names.index(_BOTH) if _BOTH in names else 1
    outputs = {}
    for call in calls[first : 1 + names.index(LOGITS)]:
        inputs = outputs[call.name] = call(inputs)
    return outputs
