"""The export command: `kerastl export RUN` writes a finished run's model for serving."""

import dataclasses
import json
import pathlib
import sys
from collections.abc import Sequence

from absl import flags

from kerastl import environment
from kerastl.config import FROM_PYTHON, Config
from kerastl.errors import KerastlError, bad_value
from kerastl.flags import config_from_flags, parse, wants_help
from kerastl.main import guard
from kerastl.outputs.paths import FINISHED, writable_directory
from kerastl.progress import Progress

_HELP = """usage: kerastl export RUN [--export_dir=DIR]

Writes the model of the finished run in the directory RUN as DIR/<next integer>/, a SavedModel
that answers as the trainer did on the run's test images, or else nothing. DIR is the run's own
export_dir by default."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exports a finished run; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: _export(given, output))


def _export(arguments: Sequence[str], output: Progress) -> None:
    if wants_help(arguments):
        output.line(_HELP)
        return
    values = flags.FlagValues()
    flags.DEFINE_string("export_dir", "", "", flag_values=values)
    directories = parse(values, arguments, takes="one run directory")
    if len(directories) != 1:
        raise bad_value(
            "run", " ".join(directories), "is not one run directory", "Give one, as in runs/first"
        )
    run_dir = pathlib.Path(directories[0])
    config = _config_of(run_dir, values.export_dir)
    export_dir = pathlib.Path(config.export_dir)
    with writable_directory(export_dir, field="export_dir"):
        environment.prepare(output)
        with environment.settings(config.precision, config.seed):
            _export_run(run_dir, config, output)


def _config_of(run_dir: pathlib.Path, export_dir: str) -> Config:
    """Reads what a finished run was asked to do, with another place for the export if given."""
    if not (run_dir / FINISHED).exists():
        problem = "holds no finished run" if run_dir.is_dir() else "does not exist"
        raise bad_value("run", str(run_dir), problem, "Give the run_dir of one that has ended well")
    config = config_from_flags([f"--flagfile={run_dir / 'flags.txt'}"])
    if config.dataset == FROM_PYTHON:
        raise bad_value(
            "run",
            str(run_dir),
            "was made from data in Python, which this command cannot read",
            "Give kerastl.run an export_dir",
        )
    if not (export_dir or config.export_dir):
        raise bad_value(
            "export_dir", "", "is required, as the run has none", "Give one, as saved_models/first"
        )
    return dataclasses.replace(config, export_dir=export_dir or config.export_dir)


def _export_run(run_dir: pathlib.Path, config: Config, progress: Progress) -> None:
    # Only now, since these import Keras, which takes its backend when it is imported.
    import keras  # noqa: PLC0415

    from kerastl.data.audit import read_source  # noqa: PLC0415
    from kerastl.data.sources import reading_errors  # noqa: PLC0415
    from kerastl.data.splits import restore  # noqa: PLC0415
    from kerastl.outputs.savedmodel import export_checked  # noqa: PLC0415

    source = read_source(config, progress)
    receipt = json.loads((run_dir / "receipt.json").read_text("utf-8"))
    if source.fingerprint() != receipt["data"]["fingerprint"]:
        raise KerastlError(
            f"dataset={config.dataset!r}: is not what it was when {run_dir} was made, so nothing "
            "tells how the model answered on it. Bring the data back, or run anew."
        )
    splits = restore(source, run_dir / "splits.csv")
    metrics = json.loads((run_dir / FINISHED).read_text("utf-8"))
    classifier = keras.saving.load_model(run_dir / "model.keras")
    with reading_errors():
        export_checked(classifier, splits, config, metrics=metrics, progress=progress)


if __name__ == "__main__":
    sys.exit(main())
