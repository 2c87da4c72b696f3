"""Names inside other libraries that kerastl relies on although they are undocumented.

tests/test_internals.py fails as soon as one disappears.
"""

from typing import Any

# Attribute of a `tf.function` that stays one node of the graph that calls it, read in TensorFlow
# 2.21: nothing public does it.
AS_ONE_NODE = {"_noinline": True}

# Groups of the weights files of Keras 3, read in Keras 3.15.1. `load_weights` goes only by a
# file's ending, so that a file under another ending has to be recognized by its content; and it
# skips, with a warning, what is named differently in a classifier checkpoint.
KERAS_LAYERS = "layers"
KERAS_NESTED_MODEL = "functional"
KERAS_DENSE = "dense"
# In older files of Keras 3 instead of `KERAS_LAYERS`; no test can write one.
KERAS_LAYERS_BEFORE = "_layer_checkpoint_dependencies"


def sublayers(layer: Any, *, deep: bool = False) -> list[Any]:
    """Lists the layers that a layer holds, and with `deep` those that they hold; not itself.

    Keras has a public list only for models, `layers`. Read in Keras 3.15.1.
    """
    found: list[Any] = layer._flatten_layers(include_self=False, recursive=deep)
    return found


def own_weights(layer: Any, *, only_learned: bool = False) -> list[Any]:
    """Lists a layer's own weights, not those of what it holds.

    With `only_learned` these are the ones that gradients may change, whatever trains now: the
    public list leaves out those of a frozen layer. Read in Keras 3.15.1.
    """
    learned: list[Any] = list(layer._trainable_variables)
    return learned if only_learned else learned + list(layer._non_trainable_variables)


def output_index(tensor: Any) -> int:
    """Returns which output of its layer a symbolic tensor is. Read in Keras 3.15.1."""
    index: int = tensor._keras_history.tensor_index
    return index
