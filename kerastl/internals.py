"""Names inside other libraries that kerastl relies on although nothing documents them.

tests/test_internals.py fails the day that one is gone.
"""

# Groups of the weights files of Keras 3, read in Keras 3.15.1. `load_weights` goes by a file's
# ending alone, so that a file under another ending has to be recognized by its content; and it
# skips, with a warning, what a checkpoint of a classifier calls otherwise.
KERAS_LAYERS = "layers"
KERAS_NESTED_MODEL = "functional"
KERAS_DENSE = "dense"
# In older files of Keras 3 instead of `KERAS_LAYERS`; no test can write one.
KERAS_LAYERS_BEFORE = "_layer_checkpoint_dependencies"
