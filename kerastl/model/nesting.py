"""Models in models, as some of `keras.applications` are built."""

from collections.abc import Iterator

import keras


def models_in(model: keras.Model) -> Iterator[keras.Model]:
    """Yields a model and the models in it, outermost first."""
    yield model
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from models_in(layer)
