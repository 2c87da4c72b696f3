"""Finds where in a network a single tensor carries everything above it.

There a network can be cut in two: the part below computes one tensor, and the part above
needs nothing else.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras


@dataclasses.dataclass(frozen=True, eq=False)
class LayerCall:
    """One call of a layer, in the order of computation.

    Attributes:
        layer: The layer, or the Keras operation, shared with the traced model.
        inputs: Tensors that it takes.
        outputs: Tensors that it returns.
        path: Names of the models that contain it, outermost first.
    """

    layer: Any
    inputs: tuple[keras.KerasTensor, ...]
    outputs: tuple[keras.KerasTensor, ...]
    path: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Boundary:
    """A place where a single tensor carries everything above.

    Attributes:
        tensor: That tensor.
        position: Number of layer calls below it.
    """

    tensor: keras.KerasTensor
    position: int


def trace_calls(
    model: keras.Model,
) -> tuple[keras.KerasTensor, keras.KerasTensor, tuple[LayerCall, ...]]:
    """Calls each layer of a functional model once more, with nested models opened.

    Returns:
        A new input and output, and the calls between them; the layers are the model's own.
    """
    calls: list[LayerCall] = []
    inputs = keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype, name="images")
    outputs = _call_layers(model, inputs, calls, path=())
    return inputs, outputs, tuple(calls)


def find_boundaries(
    inputs: keras.KerasTensor, outputs: keras.KerasTensor, calls: Sequence[LayerCall]
) -> tuple[Boundary, ...]:
    """Finds every boundary, from the input itself to the output itself."""
    uses: dict[int, int] = {id(outputs): 1}
    for call in calls:
        for tensor in call.inputs:
            uses[id(tensor)] = uses.get(id(tensor), 0) + 1
    live = {id(inputs): inputs}
    boundaries = [Boundary(inputs, 0)]
    for position, call in enumerate(calls, start=1):
        for tensor in call.inputs:
            uses[id(tensor)] -= 1
            if not uses[id(tensor)]:
                del live[id(tensor)]
        live.update({id(tensor): tensor for tensor in call.outputs if uses.get(id(tensor))})
        if len(live) == 1:
            boundaries.append(Boundary(next(iter(live.values())), position))
    return tuple(boundaries)


def models_in(model: keras.Model) -> Iterator[keras.Model]:
    """Yields a model and the models nested in it, outermost first."""
    yield model
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from models_in(layer)


def _call_layers(
    model: keras.Model, inputs: keras.KerasTensor, calls: list[LayerCall], *, path: tuple[str, ...]
) -> keras.KerasTensor:
    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Model):
            return _call_layers(layer, args[0], calls, path=(*path, layer.name))
        outputs = layer(*args, **kwargs)
        calls.append(LayerCall(layer, _tensors((args, kwargs)), _tensors(outputs), path))
        return outputs

    if isinstance(model, keras.Sequential):
        # Keras's cloning takes no `call_function` for these.
        for layer in model.layers:
            inputs = call(layer, inputs)
        return inputs
    keras.models.clone_model(
        model, input_tensors=inputs, clone_function=lambda layer: layer, call_function=call
    )
    # Not the clone's own output: from tensors inside a graph Keras makes copies first. The
    # last call of a model with one output computes that output.
    return calls[-1].outputs[0]


def _tensors(structure: Any) -> tuple[keras.KerasTensor, ...]:
    leaves = keras.tree.flatten(structure)
    return tuple(leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor))
