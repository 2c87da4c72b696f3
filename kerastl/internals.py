"""Names inside other libraries that kerastl relies on although they are undocumented.

tests/test_internals.py fails as soon as one disappears.
"""

# Groups of the weights files of Keras 3, read in Keras 3.15.1. `load_weights` goes only by a
# file's ending, so that a file under another ending has to be recognized by its content; and it
# skips, with a warning, what is named differently in a classifier checkpoint.
KERAS_LAYERS = "layers"
KERAS_NESTED_MODEL = "functional"
KERAS_DENSE = "dense"
# In older files of Keras 3 instead of `KERAS_LAYERS`; no test can write one.
KERAS_LAYERS_BEFORE = "_layer_checkpoint_dependencies"
