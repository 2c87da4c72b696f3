"""`kerastl predict`: classifies image files."""

import sys

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.export_formats import ENDINGS
from kerastl.progress import Progress
from kerastl.serving.options import PredictOptions
from kerastl.settings import describe

*_OTHERS, _LAST = ENDINGS


def _predict(given: Given, output: Progress) -> None:
    options = PredictOptions(**given.values)
    model, paths = given.first_and_paths("model", "kerastl predict runs/first photos")
    predictions = kerastl.predict(
        model, paths, batch_size=options.batch_size, image_column=options.image_column
    )
    written = predictions.write(
        options.output, top_k=options.top_k, labels_from=options.labels_from, progress=output
    )
    # Not among the rows, which another program may read.
    report = output if output.on_terminal or options.output else Progress(sys.stderr)
    if options.output:
        report.line(f"{written.describe()}. Rows in {options.output}.")
    for line in filter(None, (predictions.left_out, *written.score)):
        report.line(line)
    written.check()


COMMAND = Command(
    name="predict",
    about="Classifies image files with MODEL: the directory of a run, an export, or a "
    f"{', '.join(_OTHERS)} or {_LAST} file beside its model_card.json. PATHS are files, folders, "
    "globs, CSV files with a column of paths, or - for paths on standard input. Each image gets a "
    "row, in order. The row of a file that cannot be used has the reason, and the exit code is "
    "then 1.",
    call=_predict,
    flags=describe(PredictOptions),
    arguments="MODEL PATHS...",
)
