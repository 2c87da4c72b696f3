"""The result of a run; imports nothing slow."""

import dataclasses
import pathlib
from typing import Any


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """Result of a run.

    Attributes:
        metrics: The content of `metrics.json`.
        model: The best Keras model over all phases, from pixels in 0..255 to logits.
        run_dir: Directory with everything else.
        export_path: The exported version, None without `export_dir`.
    """

    metrics: dict[str, Any]
    model: Any
    run_dir: pathlib.Path
    export_path: pathlib.Path | None
