"""`kerastl.suggest`."""

import os
from typing import Any

from kerastl.api import values
from kerastl.errors import bad_value
from kerastl.export_formats import find_format
from kerastl.lazy import LazyModule
from kerastl.outputs.model_path import find_model, prepare_for
from kerastl.progress import Progress
from kerastl.serving.options import SuggestOptions

_in_memory = LazyModule("kerastl.serving.in_memory")
_suggesting = LazyModule("kerastl.serving.suggesting")


def suggest(
    run: str | os.PathLike[str],
    images: Any,
    *,
    count: int = SuggestOptions.count,
    batch_size: int = SuggestOptions.batch_size,
    image_column: str = SuggestOptions.image_column,
    progress: Progress | None = None,
) -> "values.Suggestions":
    """Suggests which images to label next: uncertain ones that differ from each other.

    The same images give the same suggestions. Of those that look the same, one is suggested.

    Args:
        run: Directory of a run, or a `.keras` file beside its `model_card.json`.
        images: Images without labels, one or several, as for `kerastl.predict`.
        count: Number of images to suggest.
        batch_size: Number of images in a batch.
        image_column: Column of paths in CSV files; by default one of the usual names is found.
        progress: Gets the number of images on a terminal; silent by default.

    Raises:
        UsageError: If the model does not exist or gives no features, or `images` are none.
        KerastlError: If the model cannot be opened.

    Example:
        >>> import kerastl
        >>> from PIL import Image
        >>> for shade in (0, 255):
        ...     Image.new("L", (8, 8), shade).save(f"shade{shade}.png")
        >>> suggestions = kerastl.suggest("runs/digits", ["shade0.png", "shade255.png"], count=1)
        >>> len(suggestions), suggestions.num_files
        (1, 2)
        >>> suggestions.write("label.csv", progress=kerastl.Progress())
    """
    options = SuggestOptions(count=count, batch_size=batch_size, image_column=image_column)
    found = find_model(run)
    if find_format(found) != "keras":
        raise bad_value(
            "run",
            os.fspath(run),
            "is an export that does not give the features of images",
            "Give the directory of the run, or its model.keras",
        )
    prepare_for(found, Progress())
    suggestions: values.Suggestions
    given = _in_memory.read_images(images)
    suggestions = _suggesting.suggest(found, given, options, Progress.of(progress))
    return suggestions
