"""`kerastl train`: a run from its flags to the test accuracy."""

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress
from kerastl.result import test_lines


def _train(given: Given, output: Progress) -> None:
    result = kerastl.run(given.config, progress=output)
    for line in test_lines(result.metrics) if result else ():
        output.line(line)


COMMAND = Command(
    name="train",
    about="Trains an image classifier on top of a pretrained network, evaluates it and exports it.",
    call=_train,
    has_config=True,
)
