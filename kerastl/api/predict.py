"""`kerastl.predict`."""

import os
from typing import Any

from kerastl.api import values
from kerastl.outputs.model_path import find_model, prepare_for
from kerastl.progress import Progress
from kerastl.serving.options import PredictOptions


def predict(
    model: str | os.PathLike[str],
    images: Any,
    *,
    batch_size: int = PredictOptions.batch_size,
    image_column: str = PredictOptions.image_column,
) -> "values.Predictions":
    """Classifies images, in order, while the result is iterated over.

    Args:
        model: Directory of a run, an export, or a model file beside its `model_card.json`.
        images: One, or several in a list. Each is a path (a file, a folder, a glob, a CSV file
            with a column of paths, or "-" for paths on standard input); an array of uint8 pixels
            in 0..255, (height, width) or (height, width, 3); an image of Pillow; or the bytes of
            an image file. An array (images, height, width, 3) is several.
        batch_size: Largest number of images in a batch.
        image_column: Column of paths in CSV files; by default one of the usual names is found.

    Raises:
        UsageError: If the model does not exist, or `images` are none.
        KerastlError: If the model cannot be opened.

    Example:
        >>> import kerastl
        >>> from PIL import Image
        >>> Image.new("RGB", (8, 8)).save("black.png")
        >>> predictions = kerastl.predict("exports/digits", "black.png")
        >>> predictions.class_names[:3]
        ('0', '1', '2')
        >>> [prediction] = predictions
        >>> str(prediction.path), prediction.probabilities.shape
        ('black.png', (10,))
        >>> [in_memory] = kerastl.predict("exports/digits", Image.new("RGB", (8, 8)))
        >>> in_memory.confidence == prediction.confidence
        True
    """
    options = PredictOptions(batch_size=batch_size, image_column=image_column)
    found = find_model(model)
    prepare_for(found, Progress())
    from kerastl.serving import in_memory, predictor  # noqa: PLC0415

    given = in_memory.read_images(images)
    return predictor.predict(
        found, given, batch_size=options.batch_size, image_column=options.image_column
    )
