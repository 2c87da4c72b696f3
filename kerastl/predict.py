"""The predict command: `kerastl predict MODEL PATHS...` classifies image files."""

import sys
from collections.abc import Sequence

from kerastl.commands.command import Command, Given
from kerastl.commands.guard import guard
from kerastl.errors import bad_value
from kerastl.outputs.model_path import find_model, prepare_for
from kerastl.progress import Progress
from kerastl.serving.options import PredictOptions
from kerastl.settings import describe


def main(arguments: Sequence[str] | None = None) -> int:
    """Classifies files; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: COMMAND.run(given, output))


def _predict(given: Given, output: Progress) -> None:
    options = PredictOptions(**given.values)
    model, *paths = given.arguments or ("",)
    if not paths:
        problem = "are required after the model" if model else "are required, and a model first"
        raise bad_value("paths", "", problem, "Give both, as in kerastl predict runs/first photos")
    found = find_model(model)
    prepare_for(found, Progress())
    from kerastl.serving.prediction_writer import write_predictions  # noqa: PLC0415  TensorFlow
    from kerastl.serving.predictor import predict  # noqa: PLC0415

    predictions = predict(
        found, paths, batch_size=options.batch_size, image_column=options.image_column
    )
    written = write_predictions(
        predictions,
        options.output,
        top_k=options.top_k,
        labels_from=options.labels_from,
        progress=output,
    )
    # Not among the rows, which another program may read.
    report = output if output.on_terminal or options.output else Progress(sys.stderr)
    for line in written.score:
        report.line(line)
    written.check()


COMMAND = Command(
    name="predict",
    about="Classifies image files with MODEL: the directory of a run, an export, or a .keras, "
    ".tflite or .onnx file beside its model_card.json. PATHS are files, folders, globs, CSV files "
    "with a column of paths, or - for paths on standard input. Each image gets a row, in order. "
    "The row of a file that cannot be used has the reason, and the exit code is then 1.",
    call=_predict,
    flags=describe(PredictOptions),
    arguments="MODEL PATHS...",
)

if __name__ == "__main__":
    sys.exit(main())
