"""A version of a model for serving: each format written, asked, and kept if it answers right."""

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.data.pipeline import evaluation_dataset
from kerastl.data.splits import Splits, spread
from kerastl.errors import KerastlError
from kerastl.model.build import LOGITS
from kerastl.outputs.card import model_card
from kerastl.outputs.converters import write_keras, write_litert, write_litert_int8, write_onnx
from kerastl.outputs.formats import FORMATS, RESULTS
from kerastl.outputs.judging import Unfit, check, result, table
from kerastl.outputs.parity import Unusable, ask, write_questions
from kerastl.outputs.savedmodel import write_card, write_savedmodel
from kerastl.progress import Progress, count_of
from kerastl.training.evaluate import Evaluation
from kerastl.writing import explained, remove_leftovers, scratch_directory

# Training images that the ranges of 8-bit numbers are taken from.
_REPRESENTATIVE = 200
_FIELD = "export_dir"


@dataclasses.dataclass(frozen=True, eq=False)
class Exported:
    """A version of a model.

    Attributes:
        path: Its directory.
        formats: How each format answered, as in `export.json`.
    """

    path: pathlib.Path
    formats: dict[str, dict[str, Any]]

    def record(self) -> dict[str, Any]:
        """Gives what `receipt.json` says of it."""
        return {"path": str(self.path), "formats": self.formats}


def parity_sample(splits: Splits, config: Config) -> np.ndarray:
    """Chooses the positions in the test split that an export is asked about."""
    count = len(splits.test)
    return spread(count, config.parity_images or count)


def export_checked(
    classifier: keras.Model,
    splits: Splits,
    config: Config,
    *,
    metrics: Mapping[str, Any],
    answers: Evaluation,
    progress: Progress,
) -> Exported:
    """Writes `EXPORT_DIR/<next integer>/` with every format that answers as the trainer did.

    All is written beside its place, each format is opened in a fresh process by the runtime that
    will serve it and asked about test images, and the version is moved into place whole, so a
    server that watches the directory never sees a part of it.

    Args:
        classifier: Model from images to logits.
        splits: The images.
        config: What the run was asked to do.
        metrics: The content of `metrics.json`.
        answers: The trainer's own for the test images of `parity_sample`.
        progress: Says what was exported and how it answers.

    Raises:
        KerastlError: If a format cannot be written or answers otherwise. The others are kept.
    """
    export_dir = pathlib.Path(config.export_dir)
    source = splits.source
    asked = splits.test[parity_sample(splits, config)]
    card = model_card(source, config, metrics)
    head = classifier.get_layer(LOGITS)
    results: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    place = None
    remove_leftovers(export_dir)
    with scratch_directory(export_dir, field=_FIELD) as scratch:
        questions = scratch / "questions"
        files = (source.read(index) for index in asked)
        write_questions(questions, files, field=_FIELD)
        for name in config.formats:
            progress.status(f"Export: {name}, asked about {count_of(len(asked), 'test image')}")
            try:
                artefact = _write(name, scratch / name, classifier, splits, config, card)
                said = ask(
                    artefact,
                    questions,
                    answers.probabilities,
                    source.class_names,
                    head=lambda features: tf.nn.softmax(head(features)).numpy(),
                )
                check(name, said, answers, [source.examples[i] for i in asked], config)
            except (Unusable, Unfit) as error:
                failures[name] = str(error)
            else:
                results[name] = result(name, said, answers, scratch / name)
        if "savedmodel" in failures:
            # What the others are worth is a question then, and a server could not load them.
            results.clear()
        if results:
            written = _join(scratch, card | {"exports": results})
            place = _move_into_place(written, export_dir)
            for line in table(place, results, answers):
                progress.line(line)
    if failures or place is None:
        reasons = "; ".join(f"{name} {reason}" for name, reason in failures.items())
        kept = f"The other formats are in {place}" if place else "No export is left"
        raise KerastlError(
            f"export_dir={config.export_dir!r}: {reasons}. {kept}; leave out of --format what "
            "cannot be written, and report anything else with flags.txt."
        )
    return Exported(place, results)


def _write(
    name: str,
    directory: pathlib.Path,
    classifier: keras.Model,
    splits: Splits,
    config: Config,
    card: Mapping[str, Any],
) -> pathlib.Path:
    """Writes one format with its card to a directory of its own; returns what to open."""
    with explained(pathlib.Path(config.export_dir), field=_FIELD):
        directory.mkdir()
        path = directory / FORMATS[name].file
        try:
            if name == "savedmodel":
                write_savedmodel(classifier, path, card=card)
            elif name == "litert_int8":
                images = _representative(splits, config)
                write_litert_int8(classifier, path, images)
            else:
                _WRITERS[name](classifier, path)
        # Converters raise errors of all kinds; those of the disk are not about the format.
        except (OSError, tf.errors.OpError):
            raise
        except Exception as error:
            first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise Unfit(f"cannot be written ({first_line[:200]})") from error
        write_card(directory, card)
    return path


_WRITERS = {"keras": write_keras, "litert": write_litert, "onnx": write_onnx}


def _representative(splits: Splits, config: Config) -> np.ndarray:
    """Draws training images of all classes alike, float32 (images, size, size, 3)."""
    # Sorted, since the order of training is known to the run alone.
    train = np.sort(splits.train)
    labels = splits.source.labels[train]
    # How many of its class come before each image.
    turns = np.zeros(len(labels), np.int64)
    for label in range(len(splits.source.class_names)):
        turns[labels == label] = np.arange((labels == label).sum())
    chosen = train[np.lexsort([labels, turns])[:_REPRESENTATIVE]]
    return np.concatenate(
        [
            images.numpy()
            for images, _ in evaluation_dataset(
                splits.source, chosen, config, batch_size=config.batch_size
            )
        ]
    )


def _join(scratch: pathlib.Path, card: dict[str, Any]) -> pathlib.Path:
    """Puts the formats that passed into one directory, with what is known of them now."""
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
    version = 1 + max((int(name) for name in os.listdir(export_dir) if name.isdecimal()), default=0)
    while True:
        place = export_dir / str(version)
        try:
            # Refuses a directory that another run has filled meanwhile.
            os.rename(written, place)
        except OSError:
            if not place.exists():
                raise
            version += 1
        else:
            return place
