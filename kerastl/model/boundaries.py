"""Finds where in a network a single tensor carries everything above it.

There a network can be cut in two: the part below computes one tensor, and the part above
needs nothing else.
"""

import dataclasses
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from kerastl.internals import output_index, sublayers


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

    A layer that holds a stack of blocks, as the encoder of a transformer does, is opened too.

    Returns:
        A new input and output, and the calls between them; the layers are the model's own.
    """
    paths: dict[int, tuple[str, ...]] = {}
    while True:
        tracer = _Tracer(paths)
        inputs = keras.Input(batch_shape=model.input.shape, dtype=model.input.dtype, name="images")
        outputs = tracer.follow(model, inputs, path=())
        if not tracer.has_opened:
            return inputs, outputs, tuple(tracer.calls)
        # What is inside of an opened layer is called for itself in the next round.
        model = keras.Model(inputs, outputs)


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


def holds_blocks(layer: Any) -> bool:
    """Returns whether a layer holds several of one kind that consist of layers themselves."""
    if isinstance(layer, keras.Model) or not isinstance(layer, keras.Layer):
        return False
    kinds = [type(inner) for inner in sublayers(layer) if sublayers(inner)]
    return len(kinds) > len(set(kinds))


class _Tracer:
    """Calls the layers of a model one by one."""

    def __init__(self, paths: dict[int, tuple[str, ...]]) -> None:
        """Takes the path of each layer, by its identity, as far as earlier rounds have found it."""
        self.calls: list[LayerCall] = []
        self.has_opened = False
        self._paths = paths

    def follow(self, model: keras.Model, inputs: Any, *, path: tuple[str, ...]) -> Any:
        """Calls the layers of a model on tensors; returns its output."""
        outputs: Any = None

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal outputs
            outputs = self._call(layer, path, args, kwargs)
            return outputs

        if isinstance(model, keras.Sequential):
            # Keras's cloning takes no `call_function` for these.
            for layer in model.layers:
                inputs = call(layer, inputs)
            return inputs
        with warnings.catch_warnings():
            # Of names of inputs, which a clone's need not have.
            warnings.simplefilter("ignore", UserWarning)
            keras.models.clone_model(
                # A subclass may have another constructor, which cloning would call.
                keras.Model(model.input, model.output),
                # Older versions of Keras read a single input of a file as a list.
                input_tensors=keras.tree.pack_sequence_as(model.input, keras.tree.flatten(inputs)),
                clone_function=lambda layer: layer,
                call_function=call,
            )
        # Not the clone's own output: from tensors inside a graph Keras makes copies first. The
        # last call of a model with one output computes that output.
        (only,) = model.outputs
        output = keras.tree.flatten(outputs)[output_index(only)]
        return keras.tree.pack_sequence_as(model.output, [output])

    def _call(
        self, layer: Any, path: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if isinstance(layer, keras.Model):
            return self.follow(layer, args[0], path=(*path, layer.name))
        path = self._paths.setdefault(id(layer), path)
        if holds_blocks(layer) and (opened := _open(layer, args, kwargs)):
            self.has_opened = True
            for inner in sublayers(layer, deep=True):
                self._paths.setdefault(id(inner), (*path, layer.name))
            return opened[0]
        outputs = layer(*args, **kwargs)
        self.calls.append(LayerCall(layer, _tensors((args, kwargs)), _tensors(outputs), path))
        return outputs


def _open(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any] | None:
    """Returns a layer's output with each inner layer in the graph; None where that cannot be."""
    for inner in sublayers(layer):
        # In one graph names must differ, and stages of one kind name their blocks alike. Files do
        # not hold the names of what is inside a layer.
        if not inner.name.startswith(f"{layer.name}_"):
            inner.name = f"{layer.name}_{inner.name}"
    try:
        # On symbolic tensors this is the same computation.
        return (layer.call(*args, **kwargs),)
    except (TypeError, ValueError):
        # Keras raises these where an inner layer takes or returns what no graph holds, as None.
        return None


def _tensors(structure: Any) -> tuple[keras.KerasTensor, ...]:
    leaves = keras.tree.flatten(structure)
    return tuple(leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor))
