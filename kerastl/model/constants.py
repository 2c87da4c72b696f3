"""A model without weights, for what converts one."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


def without_weights(model: keras.Model) -> keras.Model:
    """Builds the model that computes the same, with constants in the place of weights.

    A converter would write and read each weight by itself, which took nine tenths of its time. The
    files of those formats hold 2 GiB at most, as a graph with constants does.
    """
    model = keras.models.clone_model(
        model,
        clone_function=lambda layer: layer,  # The same layers, so the same weights.
        call_function=_with_constants,
        recursive=True,
    )
    values = [
        [keras.ops.convert_to_numpy(variable) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    # Traced once for all formats.
    @tf.function(input_signature=[tf.TensorSpec(model.input.shape)], autograph=False)
    def compute(images: tf.Tensor) -> Any:
        constants = ([tf.constant(value) for value in part] for part in values)
        return model.stateless_call(*constants, images, training=False)[0]

    class Constant(keras.layers.Layer):
        def call(self, images: tf.Tensor) -> Any:
            return compute(images)

        def compute_output_spec(self, _: keras.KerasTensor) -> Any:
            return model.output

    images = keras.Input(model.input.shape[1:], name="images", dtype="float32")
    return keras.Model(images, Constant(dtype="float32")(images))


def _with_constants(layer: Any, *inputs: Any, **named: Any) -> Any:
    """Divides by NumPy arrays: a layer's tensors would become inputs of an ONNX file."""
    if not isinstance(layer, keras.layers.Normalization):
        return layer(*inputs, **named)
    deviation = np.maximum(np.sqrt(np.asarray(layer.variance)), keras.backend.epsilon())
    return (inputs[0] - np.asarray(layer.mean)) / deviation
