"""`kerastl suggest`: lists the images worth labeling next."""

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress
from kerastl.serving.options import SuggestOptions
from kerastl.settings import describe


def _suggest(given: Given, output: Progress) -> None:
    options = SuggestOptions(**given.values)
    run, paths = given.first_and_paths("run", "kerastl suggest runs/first photos")
    suggestions = kerastl.suggest(
        run,
        paths,
        count=options.count,
        batch_size=options.batch_size,
        image_column=options.image_column,
        progress=output,
    )
    suggestions.write(options.output, progress=output)
    suggestions.check()


COMMAND = Command(
    name="suggest",
    about="Lists the images of PATHS that are worth labeling next: those that the model of RUN is "
    "unsure of and that differ from each other, each with the model's guess. PATHS are as for "
    "kerastl predict. The CSV file has an empty column for labels; filled in, it is a table to "
    "train with. The exit code is 1 if a file could not be used; the others are looked at.",
    call=_suggest,
    flags=describe(SuggestOptions),
    arguments="RUN PATHS...",
)
