"""The export command: `kerastl export RUN` writes a finished run's model for serving."""

import pathlib
import sys
from collections.abc import Sequence

from absl import flags

from kerastl import environment
from kerastl.commands.flags import read_values, wants_help
from kerastl.commands.guard import guard
from kerastl.commands.legacy import define_flags, describe_flags, parse
from kerastl.errors import bad_value
from kerastl.export_formats import check_formats
from kerastl.outputs.directories import finished_config, writable_directory
from kerastl.progress import Progress
from kerastl.settings import SETTINGS, Decides

_HELP = """usage: kerastl export RUN [--flag=value ...]

Writes the model of the finished run in the directory RUN to EXPORT_DIR/<next integer>/. Each
format is opened in a fresh process and compared on the run's test images; one that does not predict
what the trained model does is not kept.
"""
# Flags of the run that this command may change.
_CHANGED = tuple(name for name, setting in SETTINGS.items() if setting.decides is Decides.OUTPUT)


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
    config = finished_config(run_dir, changes)
    export_dir = pathlib.Path(config.export_dir)
    check_formats(config.formats, precision=config.precision, export_dir=export_dir)
    with (
        writable_directory(export_dir, field="export_dir"),
        environment.ready(config.precision, config.seed, output),
    ):
        from kerastl.outputs.finished_run import export_run  # noqa: PLC0415  imports Keras

        export_run(run_dir, config, output)


if __name__ == "__main__":
    sys.exit(main())
