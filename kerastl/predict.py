"""The predict command: `kerastl predict MODEL PATHS...` classifies image files."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from kerastl.commands.flags import wants_help
from kerastl.commands.guard import guard
from kerastl.commands.legacy import parse
from kerastl.errors import KerastlError, bad_value
from kerastl.outputs.finding import find_artefact, prepare_for
from kerastl.progress import Progress, count_of
from kerastl.serving.rows import Columns, check_output, open_rows

if TYPE_CHECKING:
    from kerastl.outputs.runtimes import Artefact

_HELP = """usage: kerastl predict MODEL PATHS... [--flag=value ...]

Classifies image files with MODEL: a run's directory, an export, or a .keras, .tflite or .onnx
file beside its model_card.json. PATHS are files, folders, globs, CSV files with a column of paths,
or - for paths on standard input. Each image has one row, in their order: on a terminal as a table,
or else as CSV. A file that cannot be used has a row that says why, and the exit code is 1.

  --output (default: empty)
      File for the rows: .csv, .jsonl or .parquet.
  --top_k (default: 1)
      Likeliest classes of each image to show.
  --labels_from (default: empty)
      folder: take the name of the folder that an image lies in as its class, and say how many
      are right and which classes are taken for which.
  --image_column (default: empty)
      The column of paths in CSV files; empty to find it by its usual names.
  --batch_size (default: 32)
      Most images that the model gets at once."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Classifies files; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: _predict(given, output))


def _predict(arguments: Sequence[str], output: Progress) -> None:
    if wants_help(arguments):
        output.line(_HELP)
        return
    values = flags.FlagValues()
    for name in ("output", "labels_from", "image_column"):
        flags.DEFINE_string(name, "", "", flag_values=values)
    for name, default in (("top_k", 1), ("batch_size", 32)):
        flags.DEFINE_integer(name, default, "", flag_values=values)
    given = parse(values, arguments, takes="a model and paths of images")
    _check(given, values)
    check_output(values.output)
    model = find_artefact(given[0])
    prepare_for(model, Progress())
    # Only now, since these import TensorFlow, which is to be quiet.
    from kerastl.outputs.opening import open_artefact  # noqa: PLC0415

    artefact = open_artefact(model)
    count = len(artefact.class_names)
    if values.top_k > count:
        raise bad_value(
            "top_k", values.top_k, f"is more than the model's {count} classes", f"Use {count}"
        )
    _classify(artefact, given[1:], values, output)


def _classify(
    artefact: "Artefact", names: Sequence[str], values: flags.FlagValues, output: Progress
) -> None:
    from kerastl.serving.listing import check_names, find_images  # noqa: PLC0415  as in _predict
    from kerastl.serving.predictor import predict  # noqa: PLC0415
    from kerastl.serving.scoring import Score  # noqa: PLC0415

    score = Score(artefact.class_names)
    done = failed = 0
    check_names(names, image_column=values.image_column)
    with open_rows(values.output, Columns(artefact.class_names, values.top_k), output) as write:
        paths = find_images(names, image_column=values.image_column)
        for predictions in predict(artefact, paths, batch_size=values.batch_size):
            write(predictions)
            score.add(predictions)
            done += len(predictions)
            failed += sum(prediction.probabilities is None for prediction in predictions)
            if output.failure is not None:
                raise KerastlError(
                    f"stdout: was closed ({output.failure.strerror}) after "
                    f"{count_of(done, 'file')}; the rest is not done."
                )
            if values.output:
                output.status(f"{count_of(done, 'file')} done")
    if values.labels_from:
        # Apart from the rows, which another program may read.
        report = output if output.on_terminal or values.output else Progress(sys.stderr)
        for line in score.lines():
            report.line(line)
    if failed:
        raise KerastlError(
            f"paths: {failed} of {count_of(done, 'file')} could not be used; the rows say why. The "
            "others are done."
        )


def _check(given: Sequence[str], values: flags.FlagValues) -> None:
    if len(given) < 2:  # noqa: PLR2004  a model and a path
        problem = "are required after the model" if given else "are required, and a model first"
        raise bad_value("paths", "", problem, "Give both, as in kerastl predict runs/first photos")
    for name in ("top_k", "batch_size"):
        if values[name].value < 1:
            raise bad_value(name, values[name].value, "must be at least 1", "Give a whole number")
    if values.labels_from not in ("", "folder"):
        raise bad_value(
            "labels_from", values.labels_from, "is not one of its choices", "Use folder"
        )


if __name__ == "__main__":
    sys.exit(main())
