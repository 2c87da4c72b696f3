"""`kerastl.predict`."""

import os
from collections.abc import Sequence

from kerastl.api import values
from kerastl.outputs.model_path import find_model, prepare_for
from kerastl.progress import Progress
from kerastl.serving.options import PredictOptions


def predict(
    model: str | os.PathLike[str],
    paths: Sequence[str],
    *,
    batch_size: int = PredictOptions.batch_size,
    image_column: str = PredictOptions.image_column,
) -> "values.Predictions":
    """Classifies image files, in order, while the result is iterated over.

    Args:
        model: Directory of a run, an export, or a model file beside its `model_card.json`.
        paths: Files, folders, globs, CSV files with a column of paths, or "-" for standard input.
        batch_size: Largest number of images in a batch.
        image_column: Column of paths in CSV files; by default one of the usual names is found.

    Raises:
        UsageError: If the model does not exist, or `paths` contain no images.
        KerastlError: If the model cannot be opened.

    Example:
        >>> import kerastl
        >>> from PIL import Image
        >>> Image.new("RGB", (8, 8)).save("black.png")
        >>> predictions = kerastl.predict("exports/digits", ["black.png"])
        >>> predictions.class_names[:3]
        ('0', '1', '2')
        >>> [prediction] = predictions
        >>> str(prediction.path), prediction.probabilities.shape
        ('black.png', (10,))
    """
    options = PredictOptions(batch_size=batch_size, image_column=image_column)
    found = find_model(os.fspath(model))
    prepare_for(found, Progress())
    from kerastl.serving import predictor  # noqa: PLC0415

    return predictor.predict(
        found, paths, batch_size=options.batch_size, image_column=options.image_column
    )
