"""Puts the classifier together: input scaling, backbone, pooling, a new head."""

import keras

from kerastl.model.backbones import Scaling

POOLED = "pooled"
DROPOUT = "dropout"
LOGITS = "logits"


def build_classifier(
    backbone: keras.Model,
    *,
    scaling: Scaling | None,
    num_classes: int,
    dropout: float,
) -> keras.Model:
    """Builds a functional model with layers "images", "backbone", "pooled" and "logits".

    The backbone is frozen. The head starts at zero, so the first loss is ln(classes)
    exactly and training starts without a preference.

    Args:
        backbone: Network from scaled images to a map, to tokens or to features; what is not
            pooled yet is averaged.
        scaling: What the backbone expects of pixels, None if it scales them itself.
        num_classes: Outputs of the head.
        dropout: Share of the pooled features dropped in training, 0 for none.

    Returns:
        Model from RGB pixels in 0..255, float32 (batch, size, size, 3); other types are
        cast. It gives float32 logits (batch, num_classes).
    """
    backbone.trainable = False
    images = keras.Input(backbone.input.shape[1:], name="images", dtype="float32")
    features = backbone(scale_pixels(images, scaling))
    features = _pooling_of(len(features.shape))(features)
    if dropout:
        features = keras.layers.Dropout(dropout, name=DROPOUT)(features)
    # float32 whatever the policy: a softmax of 16-bit logits does not sum to one.
    logits = keras.layers.Dense(
        num_classes, kernel_initializer="zeros", dtype="float32", name=LOGITS
    )(features)
    return keras.Model(images, logits, name="classifier")


def _pooling_of(rank: int) -> keras.layers.Layer:
    """Returns the layer from a map, from tokens, or from what is pooled already, to features."""
    kinds = {
        2: keras.layers.Identity,
        3: keras.layers.GlobalAveragePooling1D,
        4: keras.layers.GlobalAveragePooling2D,
    }
    return kinds[rank](name=POOLED)


def scale_pixels(images: keras.KerasTensor, scaling: Scaling | None) -> keras.KerasTensor:
    """Adds a backbone's input scaling as layers, in float32 whatever the policy."""
    if scaling is None:
        return images
    if scaling.to_bgr:
        images = keras.ops.flip(images, axis=-1)
    return keras.layers.Rescaling(
        list(scaling.scale), list(scaling.offset), dtype="float32", name="input_scaling"
    )(images)
