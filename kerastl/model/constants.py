"""A model without weights, for what converts one."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def without_weights(model: keras.Model) -> keras.Model:
    """Builds the model that computes the same, with constants in the place of weights.

    A converter would write and read each weight by itself, which took nine tenths of its time. The
    files of those formats hold 2 GiB at most, as a graph with constants does.
    """
    # Once for all formats.
    compute = _alone(_trace(model))

    class Constant(keras.layers.Layer):
        def call(self, images: tf.Tensor) -> Any:
            return compute(images)

        def compute_output_spec(self, _: keras.KerasTensor) -> Any:
            return model.output

    images = keras.Input(model.input.shape[1:], name="images", dtype="float32")
    return keras.Model(images, Constant(dtype="float32")(images))


def _trace(model: keras.Model) -> Any:
    """Traces the function of a model, whose weights become constants."""
    values = [
        [keras.ops.convert_to_numpy(variable) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    @tf.function(input_signature=[tf.TensorSpec(model.input.shape)], autograph=False)
    def compute(images: tf.Tensor) -> Any:
        constants = ([tf.constant(value) for value in part] for part in values)
        return model.stateless_call(*constants, images, training=False)[0]

    with _functions_in_place():
        return compute.get_concrete_function()


def _alone(traced: Any) -> Callable[[tf.Tensor], Any]:
    """Makes a traced function one of its first input alone.

    What else it takes are tensors that layers hold beside their weights, and would become inputs of
    an ONNX file.
    """
    graph, (images_name, *others) = (
        _without_rolls(traced.graph),
        [one.name for one in traced.inputs],
    )
    held = {name: one.numpy() for name, one in zip(others, traced.captured_inputs, strict=True)}
    names = [tensor.name for tensor in tf.nest.flatten(traced.structured_outputs)]

    @tf.function(input_signature=[tf.TensorSpec(traced.inputs[0].shape)], autograph=False)
    def compute(images: tf.Tensor) -> Any:
        known = {name: tf.constant(value) for name, value in held.items()} | {images_name: images}
        outputs = tf.graph_util.import_graph_def(
            graph, input_map=known, return_elements=names, name="network"
        )
        return tf.nest.pack_sequence_as(traced.structured_outputs, outputs)

    return compute  # type: ignore[no-any-return]


def _without_rolls(graph: tf.Graph) -> tf.compat.v1.GraphDef:
    """Describes a graph whose shifts along axes, which LiteRT lacks, are gathered row by row."""
    described = graph.as_graph_def()
    for node in [node for node in described.node if node.op == "Roll"]:
        pixels, *numbers = graph.get_operation_by_name(node.name).inputs
        shifts, axes = (np.ravel(tf.get_static_value(one)) for one in numbers)
        source, last = node.input[0], len(axes) - 1
        for place, (shift, axis) in enumerate(zip(shifts, axes, strict=True)):
            # What follows finds the last one under the name of the whole.
            name = node.name if place == last else f"{node.name}/{place}"
            order = (np.arange(pixels.shape[axis]) - shift) % pixels.shape[axis]
            values = (
                _constant(f"{node.name}/order_{place}", order),
                _constant(f"{node.name}/axis_{place}", axis),
            )
            kinds = {"Tparams": node.attr["T"], "Tindices": _INTEGER, "Taxis": _INTEGER}
            gather = tf.compat.v1.NodeDef(
                name=name,
                op="GatherV2",
                input=[source, *(value.name for value in values)],
                attr=kinds | {"batch_dims": tf.compat.v1.AttrValue(i=0)},
            )
            if place == last:
                node.CopyFrom(gather)
            described.node.extend(values if place == last else (*values, gather))
            source = name
    return described


_INTEGER = tf.compat.v1.AttrValue(type=tf.int32.as_datatype_enum)


def _constant(name: str, value: Any) -> Any:
    tensor = tf.make_tensor_proto(value, tf.int32)
    kinds = {"dtype": _INTEGER, "value": tf.compat.v1.AttrValue(tensor=tensor)}
    return tf.compat.v1.NodeDef(name=name, op="Const", attr=kinds)


@contextlib.contextmanager
def _functions_in_place() -> Iterator[None]:
    """Traces a function that another one calls as a part of that.

    Keras compiles convolutions of groups as functions of their own, which ONNX does not have.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
