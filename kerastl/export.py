"""The export command: `kerastl export RUN` writes a finished run's model for serving."""

import contextlib
import csv
import dataclasses
import json
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from kerastl import environment
from kerastl.commands.flags import read_values, wants_help
from kerastl.commands.guard import guard
from kerastl.commands.legacy import config_from_flags, define_flags, describe_flags, parse
from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError, bad_value
from kerastl.outputs.formats import check_formats
from kerastl.outputs.paths import FINISHED, writable_directory
from kerastl.progress import Progress
from kerastl.settings import SETTINGS
from kerastl.settings.data import FROM_PYTHON

if TYPE_CHECKING:
    import keras

    from kerastl.data.splits import Splits
    from kerastl.training.evaluate import Evaluation

_HELP = """usage: kerastl export RUN [--flag=value ...]

Writes the model of the finished run in the directory RUN to EXPORT_DIR/<next integer>/. Each
format is opened in a fresh process and asked about the run's test images; one that does not answer
as the trainer did is not kept.
"""
# Flags of the run that this command may change.
_CHANGED = ("export_dir", "format", "parity_images", "max_accuracy_drop")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exports a finished run; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: _export(given, output))


def _export(arguments: Sequence[str], output: Progress) -> None:
    if wants_help(arguments):
        output.line("\n".join([_HELP, *describe_flags(_CHANGED, default="the run's")]))
        return
    values = flags.FlagValues()
    define_flags(_CHANGED, values)
    directories = parse(values, arguments, takes="one run directory")
    if len(directories) != 1:
        raise bad_value(
            "run", " ".join(directories), "is not one run directory", "Give one, as in runs/first"
        )
    run_dir = pathlib.Path(directories[0])
    changes = read_values([SETTINGS[name] for name in _CHANGED], values)
    config = _config_of(run_dir, changes)
    export_dir = pathlib.Path(config.export_dir)
    check_formats(config, export_dir)
    with (
        writable_directory(export_dir, field="export_dir"),
        environment.ready(config.precision, config.seed, output),
    ):
        _export_run(run_dir, config, output)


def _config_of(run_dir: pathlib.Path, changes: dict[str, Any]) -> Config:
    """Reads what a finished run was asked to do, with some of it changed."""
    if not (run_dir / FINISHED).exists():
        problem = "holds no finished run" if run_dir.exists() else "does not exist"
        raise bad_value("run", str(run_dir), problem, "Give the run_dir of one that has ended well")
    try:
        config = config_from_flags([f"--flagfile={run_dir / 'flags.txt'}"])
    except UsageError as error:
        raise UsageError(f"run={str(run_dir)!r}: flags.txt: {error}") from error
    if config.dataset == FROM_PYTHON:
        raise bad_value(
            "run",
            str(run_dir),
            "was made from data in Python, which this command cannot read",
            "Give kerastl.run an export_dir",
        )
    config = dataclasses.replace(config, **changes)
    if not config.export_dir:
        raise bad_value(
            "export_dir", "", "is required, as the run has none", "Give one, as saved_models/first"
        )
    return config


def _export_run(run_dir: pathlib.Path, config: Config, progress: Progress) -> None:
    # Only now, since these import Keras, which takes its backend when it is imported.
    import keras  # noqa: PLC0415

    from kerastl.data.opening import open_source  # noqa: PLC0415
    from kerastl.data.reading import reading_errors  # noqa: PLC0415
    from kerastl.data.splits import restore  # noqa: PLC0415
    from kerastl.outputs.exports import export_checked  # noqa: PLC0415

    source = open_source(config, progress)
    with _named(run_dir, "receipt.json"):
        receipt = json.loads((run_dir / "receipt.json").read_text("utf-8"))
        fingerprint, devices = receipt["data"]["fingerprint"], receipt["device"]
    if source.fingerprint() != fingerprint:
        raise KerastlError(
            f"dataset={config.dataset!r}: is not what it was when {run_dir} was made, so nothing "
            "tells how the model answered on it. Bring the data back, or run anew."
        )
    with _named(run_dir, FINISHED):
        metrics = json.loads((run_dir / FINISHED).read_text("utf-8"))
        num_tested = metrics["test"]["num_images"]
    with _named(run_dir, "splits.csv"):
        splits = restore(source, run_dir / "splits.csv")
        if len(splits.test) != num_tested:
            raise ValueError(f"{len(splits.test)} test images, {num_tested} in {FINISHED}")
    with _named(run_dir, "model.keras"):
        classifier = keras.saving.load_model(run_dir / "model.keras")
    with reading_errors():
        answers = _answers(classifier, splits, config, run_dir, devices)
        export_checked(
            classifier, splits, config, metrics=metrics, answers=answers, progress=progress
        )


@contextlib.contextmanager
def _named(run_dir: pathlib.Path, name: str) -> Iterator[None]:
    """Turns what goes wrong with a file of a run into one line that names it."""
    try:
        yield
    except (OSError, ValueError, KeyError, IndexError, TypeError, csv.Error) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise KerastlError(
            f"run={str(run_dir)!r}: {name} is missing or damaged ({first_line}). Bring it back, or "
            "run anew."
        ) from error


def _answers(
    classifier: "keras.Model",
    splits: "Splits",
    config: Config,
    run_dir: pathlib.Path,
    devices: list[str],
) -> "Evaluation":
    """Gives the trainer's answers on the test images that an export is asked about.

    They are those of the run, or its model's where the run's were rounded or another kind of
    processor gave them.
    """
    from kerastl.data.pipeline import evaluation_dataset  # noqa: PLC0415  as in _export_run
    from kerastl.outputs.exports import parity_sample  # noqa: PLC0415
    from kerastl.outputs.record import (  # noqa: PLC0415
        PREDICTIONS,
        device_names,
        read_predictions,
    )
    from kerastl.training.evaluate import evaluate  # noqa: PLC0415

    sample = parity_sample(splits, config)
    if config.is_exact and devices == device_names():
        with _named(run_dir, PREDICTIONS):
            return read_predictions(run_dir / PREDICTIONS, splits).of(sample)
    asked = splits.test[sample]
    dataset = evaluation_dataset(splits.source, asked, config, batch_size=config.batch_size)
    return evaluate(classifier, dataset, splits.source.labels[asked])


if __name__ == "__main__":
    sys.exit(main())
