"""A version of a model for serving: each format is written, compared, and kept if it agrees."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.pipeline import evaluation_dataset
from kerastl.data.reading import reading_errors
from kerastl.data.splits import Splits, spread
from kerastl.disk_errors import explained
from kerastl.errors import KerastlError, first_line
from kerastl.export_formats import FORMATS, list_versions
from kerastl.model.build import LOGITS
from kerastl.model.constants import without_weights
from kerastl.model.mirrored import outputs_of, probabilities_of
from kerastl.outputs.card import model_card
from kerastl.outputs.directories import RunFile
from kerastl.outputs.formats.finding import format_module
from kerastl.outputs.formats.interface import Exportable
from kerastl.outputs.formats.savedmodel import write_card
from kerastl.outputs.known_layer import KnownLayer
from kerastl.outputs.parity import Distances, ExportError, FreshProcess, Reference, compare
from kerastl.outputs.parity_rules import check_parity, format_rows, format_table, summarize
from kerastl.outputs.room import Room
from kerastl.outputs.samples import write_samples
from kerastl.outputs.unfinished import Opened
from kerastl.progress import Progress, count_of
from kerastl.settings import ImageSettings, OutputSettings
from kerastl.short_form import ShortForm
from kerastl.training.class_sets import ClassSets
from kerastl.training.evaluate import compute_parts
from kerastl.training.evaluation import Evaluation
from kerastl.training.final import Delivered
from kerastl.training.known_distances import measure_distances
from kerastl.training.known_images import KnownImages, features_in
from kerastl.writing import remove_leftovers, scratch_directory

# Beside the models of a version: how each compares with the trained one.
RESULTS = "export.json"
# What a file takes at most beside its weights: the SavedModel has the decoder of images.
_BESIDE_WEIGHTS = 2_000_000
# Training images from which the ranges of 8-bit numbers are taken.
NUM_REPRESENTATIVE = 200
_FIELD = "export_dir"
# The sample of test images in the scratch directory.
_SAMPLES = "samples"
# Test images whose distances from the training images are compared.
_NUM_DISTANCES = 64
# Probabilities on which exports are compared, images times classes.
MOST_PROBABILITIES = 50_000_000


@dataclasses.dataclass(frozen=True, eq=False)
class Exported(ShortForm):
    """A version of a model.

    Attributes:
        path: Its directory.
        formats: How each format compares with the trained model, as in `export.json`.
    """

    path: pathlib.Path
    formats: dict[str, dict[str, Any]]

    def lines(self) -> Iterator[str]:
        """Yields the path and the table that `kerastl export` prints."""
        yield f"Exported {self.path}."
        yield from format_rows(self.formats)


@dataclasses.dataclass(frozen=True, eq=False)
class ToExport:
    """What is exported, and what it predicts.

    Attributes:
        classifier: Model from images to logits.
        predictions: Its own for the test images of `parity_sample`.
        known: Which images are known; None if nothing is to decide that.
    """

    classifier: keras.Model
    predictions: Evaluation
    known: KnownImages | None = None


def parity_sample(splits: Splits, parity_images: int) -> np.ndarray:
    """Chooses the positions in the test split on which an export is compared; all for 0.

    However many are wanted, their probabilities fit in memory several times.
    """
    count = len(splits.test)
    most = max(1, MOST_PROBABILITIES // len(splits.source.class_names))
    return spread(count, min(parity_images or count, most))


def export_trained(
    delivered: Delivered,
    opened: Opened,
    metrics: Mapping[str, Any],
    test: Evaluation,
    progress: Progress,
) -> Exported | None:
    """Exports what a run delivers, if the config has an `export_dir`; see `export_checked`.

    If the run was cut off after its export, that is returned.
    """
    config, trained = opened.config, delivered.trained
    splits = trained.splits
    if not config.export_dir:
        return None
    # Also if nothing is left to export.
    remove_leftovers(pathlib.Path(config.export_dir))
    if opened.goes_on and (
        known := _find_exported(config, model_card(splits.source, config, metrics))
    ):
        progress.line(f"Exported {known.path} before the run was cut off.")
        return known
    sample = parity_sample(splits, config.parity_images)
    predictions = test.of(sample)
    if not config.is_exact or test.classes is not None:
        # Neither rounded features nor some of the classes can serve as the reference.
        predictions = trained.evaluate_whole(splits.test[sample])
    model = ToExport(trained.classifier, predictions, delivered.known)
    return export_checked(model, splits, config, metrics=metrics, progress=progress)


def export_room(output: OutputSettings, *, num_weights: int) -> tuple[Room, ...]:
    """Returns the room that the weights need in every format; empty without exports."""
    if not output.export_dir:
        return ()
    formats = [FORMATS[name] for name in output.formats]
    needed = sum(_BESIDE_WEIGHTS + num_weights * each.weight_bytes for each in formats)
    return (Room(_FIELD, pathlib.Path(output.export_dir), needed),)


def export_checked(
    given: ToExport,
    splits: Splits,
    config: Config,
    *,
    metrics: Mapping[str, Any],
    progress: Progress,
) -> Exported:
    """Writes `EXPORT_DIR/<next integer>/` with every format that predicts what the model does.

    All is written to a hidden directory beside the version, each format is opened in a fresh
    process by the runtime that will serve it, and the version is moved into place whole, so that
    a server that watches the directory never sees a part of it.

    Args:
        given: The model.
        splits: The images.
        config: The settings of the run.
        metrics: The content of `metrics.json`.
        progress: Gets a table of the formats.

    Raises:
        KerastlError: If a format cannot be written or predicts something else. The others are
            kept.
    """
    export_dir, source = pathlib.Path(config.export_dir), splits.source
    chosen = splits.test[parity_sample(splits, config.parity_images)]
    head = given.classifier.get_layer(LOGITS)
    card = model_card(source, config, metrics)
    reference = Reference(
        given.predictions,
        source.class_names,
        [source.examples[index] for index in chosen],
        head=lambda features: tf.nn.softmax(head(features)).numpy(),
        sets=ClassSets.read(card),
        distances=_measure_some(given, splits, chosen, config, batch_size=config.batch_size),
    )
    model = make_exportable(
        given.classifier,
        card,
        draw_images=lambda: draw_images(splits, config, batch_size=config.batch_size),
        known=given.known,
    )
    version = None
    with (
        scratch_directory(export_dir, field=_FIELD) as scratch,
        FreshProcess(scratch / _SAMPLES) as gate,
    ):
        write_samples(gate.samples, map(source.read, chosen), field=_FIELD)
        results, failures = _try_formats(model, reference, config, gate, progress)
        if results:
            written = _join(scratch, dict(model.card) | {"exports": results})
            version = _move_into_place(written, export_dir)
            for line in format_table(version, results, reference):
                progress.line(line)
    if failures or version is None:
        raise _failed(config.export_dir, failures, version)
    return Exported(version, results)


def _measure_some(
    given: ToExport, splits: Splits, chosen: np.ndarray, images: ImageSettings, *, batch_size: int
) -> Distances | None:
    """Measures the distances of some of the `chosen` images with the trained model itself."""
    if given.known is None:
        return None
    positions = spread(len(chosen), _NUM_DISTANCES)
    network = outputs_of(given.classifier)

    def compute(pixels: tf.Tensor) -> tf.Tensor:
        return features_in(network(pixels, training=False))

    dataset = evaluation_dataset(splits.source, chosen[positions], images, batch_size=batch_size)
    features = compute_parts(compute, dataset, len(positions))
    return Distances(given.known, positions, measure_distances(given.known, features))


def _find_exported(output: OutputSettings, card: Mapping[str, Any]) -> Exported | None:
    """Finds the version that has the card of a run, and all its formats."""
    for path in list_versions(pathlib.Path(output.export_dir)).values():
        # A version of someone else may lack the file, or hold another of its name.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            known = json.loads((path / RunFile.CARD).read_text("utf-8"))
            is_ours = known["fingerprint"] == card["fingerprint"]
            if is_ours and known["exports"].keys() >= {*output.formats}:
                return Exported(path, known["exports"])
    return None


def _try_formats(
    model: Exportable,
    reference: Reference,
    output: OutputSettings,
    gate: FreshProcess,
    progress: Progress,
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Returns the entries of the formats that passed, and why others did not."""
    results: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    # Keras's own comes last: the others have to be opened where it is not imported.
    for name in sorted(output.formats, key=lambda name: FORMATS[name].runtime == "keras"):
        images = count_of(len(reference.examples), "test image")
        progress.line(f"Exporting {name}, and comparing it with the trained model on {images}.")
        try:
            path = _write(name, gate.samples.with_name(name), model)
            found = compare(path, gate, reference, FORMATS[name].distance_tolerance)
            check_parity(name, found, reference, max_accuracy_drop=output.max_accuracy_drop)
            results[name] = summarize(name, found, reference, path)
        except ExportError as error:
            failures[name] = str(error)
    if "savedmodel" in failures:
        # A fault in savedmodel may affect the others, and a server could not load them.
        results.clear()
    return {name: results[name] for name in output.formats if name in results}, failures


def make_exportable(
    classifier: keras.Model,
    card: Mapping[str, Any],
    *,
    draw_images: Callable[[], np.ndarray],
    known: KnownImages | None = None,
) -> Exportable:
    """Prepares a classifier for the formats; see `Exportable`."""

    def build(describe: KnownLayer | None = None) -> keras.Model:
        return without_weights(probabilities_of(classifier, describe=describe))

    # Several formats convert the same.
    probabilities = functools.cache(build)
    return Exportable(
        classifier=classifier,
        outputs=lambda: outputs_of(classifier),
        probabilities=probabilities,
        served=functools.cache(lambda: build(KnownLayer(known))) if known else probabilities,
        card=card,
        draw_images=draw_images,
        known=known,
    )


def draw_images(splits: Splits, images: ImageSettings, *, batch_size: int) -> np.ndarray:
    """Draws training images of all classes alike, float32 (images, size, size, 3)."""
    # Sorted, since only the run knows the order of training.
    train = np.sort(splits.train)
    labels = splits.source.labels[train]
    # How many of its class come before each image.
    by_class = np.argsort(labels, kind="stable")
    firsts = np.searchsorted(labels[by_class], labels[by_class])
    turns = np.empty(len(labels), np.int64)
    turns[by_class] = np.arange(len(labels)) - firsts
    chosen = train[np.lexsort([labels, turns])[:NUM_REPRESENTATIVE]]
    dataset = evaluation_dataset(splits.source, chosen, images, batch_size=batch_size)
    with reading_errors():
        return np.concatenate([pixels.numpy() for pixels, _ in dataset])


def _write(name: str, directory: pathlib.Path, model: Exportable) -> pathlib.Path:
    """Writes one format with its card to its own directory; returns the path to open."""
    with explained(directory.parents[1], field=_FIELD):
        directory.mkdir()
        path = directory / FORMATS[name].file
        try:
            format_module(name).write(model, path)
        # Converters raise errors of all kinds; those of the disk and the data are not theirs.
        except (OSError, tf.errors.OpError, KerastlError):
            raise
        except Exception as error:
            raise ExportError(f"cannot be written ({first_line(error)})") from error
        write_card(directory, model.card)
    return path


def _join(scratch: pathlib.Path, card: dict[str, Any]) -> pathlib.Path:
    """Moves the formats that passed into one directory, with their results in card and file."""
    joined = scratch / "version"
    with explained(scratch.parent, field=_FIELD):
        joined.mkdir()
        for name in card["exports"]:
            for path in (scratch / name).iterdir():
                os.replace(path, joined / path.name)
        write_card(joined, card)
        text = json.dumps(card["exports"], indent=2) + "\n"
        (joined / RESULTS).write_text(text, encoding="utf-8")
    return joined


def _move_into_place(written: pathlib.Path, export_dir: pathlib.Path) -> pathlib.Path:
    version = 1 + max(list_versions(export_dir), default=0)
    while True:
        place = export_dir / str(version)
        try:
            # Refuses a directory that another run has filled in the meantime.
            os.rename(written, place)
        except OSError:
            if not place.exists():
                raise
            version += 1
        else:
            return place


def _failed(
    export_dir: str, failures: Mapping[str, str], version: pathlib.Path | None
) -> KerastlError:
    reasons = "; ".join(f"{name} {reason}" for name, reason in failures.items())
    kept = f"The other formats are in {version}" if version else "No export is left"
    return KerastlError(
        f"export_dir={export_dir!r}: {reasons}. {kept}. Remove failing formats from "
        "--format, and report other errors with flags.txt."
    )
