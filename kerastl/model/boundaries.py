"""Finds where in a network one tensor alone carries everything above it.

There a network can be cut in two: the part below gives one tensor, and the part above
needs nothing else.
"""

import dataclasses
from typing import Any

import keras


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """One call of a layer in the order of computation.

    Attributes:
        layer: The layer, or the Keras operation, shared with the model that was flattened.
        inputs: Tensors that it takes.
        outputs: Tensors that it gives.
        path: Names of the models that hold it, outermost first.
    """

    layer: Any
    inputs: tuple[keras.KerasTensor, ...]
    outputs: tuple[keras.KerasTensor, ...]
    path: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class FlatModel:
    """A functional model without models inside, sharing its layers with the one it came from.

    Attributes:
        model: The model that it came from.
        inputs: Its one input.
        outputs: Its one output.
        steps: Its layers' calls from input to output.
    """

    model: keras.Model
    inputs: keras.KerasTensor
    outputs: keras.KerasTensor
    steps: tuple[Step, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Boundary:
    """A place where one tensor alone carries everything above.

    Attributes:
        tensor: That tensor.
        position: How many steps of the flat model lie below it.
    """

    tensor: keras.KerasTensor
    position: int


def flatten(model: keras.Model) -> FlatModel:
    """Calls each layer of `model` once more, on new tensors, with nested models opened."""
    steps: list[Step] = []
    inputs = keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype, name="images")
    outputs = _call_layers(model, inputs, steps, path=())
    return FlatModel(model, inputs, outputs, tuple(steps))


def find_boundaries(flat: FlatModel) -> list[Boundary]:
    """Finds every boundary, from the input itself to the output itself."""
    uses: dict[int, int] = {id(flat.outputs): 1}
    for step in flat.steps:
        for tensor in step.inputs:
            uses[id(tensor)] = uses.get(id(tensor), 0) + 1
    live = {id(flat.inputs): flat.inputs}
    boundaries = [Boundary(flat.inputs, 0)]
    for position, step in enumerate(flat.steps, start=1):
        for tensor in step.inputs:
            uses[id(tensor)] -= 1
            if not uses[id(tensor)]:
                del live[id(tensor)]
        live.update({id(tensor): tensor for tensor in step.outputs if uses.get(id(tensor))})
        if len(live) == 1:
            boundaries.append(Boundary(next(iter(live.values())), position))
    return boundaries


def _call_layers(
    model: keras.Model, inputs: keras.KerasTensor, steps: list[Step], *, path: tuple[str, ...]
) -> keras.KerasTensor:
    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.Model):
            return _call_layers(layer, args[0], steps, path=(*path, layer.name))
        outputs = layer(*args, **kwargs)
        steps.append(Step(layer, _tensors((args, kwargs)), _tensors(outputs), path))
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
    # last call of a model with one output is the one that gives it.
    return steps[-1].outputs[0]


def _tensors(structure: Any) -> tuple[keras.KerasTensor, ...]:
    leaves = keras.tree.flatten(structure)
    return tuple(leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor))
