"""Exports the model of a finished run, from what its directory holds."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerastl.config import Config
from kerastl.data.opening import open_source
from kerastl.data.pipeline import evaluation_dataset
from kerastl.data.source import Source
from kerastl.errors import KerastlError
from kerastl.outputs.directories import RunFile, naming, read_json
from kerastl.outputs.exporting import Exported, ToExport, export_checked, parity_sample
from kerastl.outputs.receipt import device_names
from kerastl.outputs.run_directory import RunDirectory
from kerastl.progress import Progress
from kerastl.settings import ImageSettings
from kerastl.split_names import TEST
from kerastl.training.evaluate import evaluate
from kerastl.training.evaluation import MOST_CLASSES, Evaluation
from kerastl.training.known_images import KnownImages


def export_run(run_dir: pathlib.Path, config: Config, progress: Progress) -> Exported:
    """Exports a finished run's model, as the run itself would have done.

    `config` comes from `finished_config`.

    Raises:
        KerastlError: If the data have changed, a file of the run is missing or damaged, or a
            format does not pass.
    """
    record = RunDirectory(run_dir)
    source = open_source(config, progress)
    with naming(run_dir, RunFile.RECEIPT):
        receipt = read_json(run_dir, RunFile.RECEIPT)
        fingerprint, devices = receipt["data"]["fingerprint"], receipt["device"]
    if source.fingerprint() != fingerprint:
        raise KerastlError(
            f"dataset={config.dataset!r}: is not what it was when {run_dir} was made, so its "
            "predictions cannot be compared. Restore the data, or run again."
        )
    with naming(run_dir, RunFile.METRICS):
        metrics = read_json(run_dir, RunFile.METRICS)
        num_tested = metrics[TEST]["num_images"]
    with naming(run_dir, RunFile.SPLITS):
        splits = record.read_splits(source)
        if len(splits.test) != num_tested:
            raise ValueError(f"{len(splits.test)} test images, {num_tested} in {RunFile.METRICS}")
    with naming(run_dir, RunFile.MODEL):
        classifier = record.load_model()
    sample = parity_sample(splits, config.parity_images)
    # Those of the run, unless they are rounded, incomplete or another kind of processor's.
    are_whole = len(source.class_names) <= MOST_CLASSES
    if config.is_exact and are_whole and devices == device_names():
        with naming(run_dir, RunFile.PREDICTIONS):
            predictions = record.read_predictions(splits).of(sample)
    else:
        chosen = splits.test[sample]
        predictions = _predict(classifier, source, chosen, config, batch_size=config.batch_size)
    with naming(run_dir, RunFile.KNOWN):
        model = ToExport(classifier, predictions, _read_known(run_dir, metrics))
    return export_checked(model, splits, config, metrics=metrics, progress=progress)


def _read_known(run_dir: pathlib.Path, metrics: Mapping[str, Any]) -> KnownImages | None:
    return KnownImages.read(run_dir / RunFile.KNOWN) if "known" in metrics else None


def _predict(
    classifier: Callable[[Any], Any],
    source: Source,
    indices: np.ndarray,
    images: ImageSettings,
    *,
    batch_size: int,
) -> Evaluation:
    dataset = evaluation_dataset(source, indices, images, batch_size=batch_size)
    num_classes = len(source.class_names)
    return evaluate(classifier, dataset, source.labels[indices], most_classes=num_classes)
