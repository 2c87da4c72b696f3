"""`kerastl learning_curve`: estimates the accuracy with more images."""

import time

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress, format_duration


def _learning_curve(given: Given, output: Progress) -> None:
    started = time.monotonic()
    curve = kerastl.learning_curve(given.config, progress=output)
    seconds = format_duration(time.monotonic() - started)
    output.line(f"Done in {seconds}; all files in {given.config.run_dir}.")
    output.line(curve.sentence())


COMMAND = Command(
    name="learning_curve",
    about="Estimates the accuracy with twice and four times the training images, overall and for "
    "each class. A linear probe on the features of the pretrained network is fitted to 5, 10, 25, "
    "50 and 100 % of the training images and tested on others of them, and a power law "
    "extrapolates its errors. A run with the same flags reads the same features. Writes "
    "learning_curve.csv and learning_curve.svg to run_dir.\n\n"
    "All flags of kerastl train are accepted. Those of the data, the images and the model decide "
    "the curve.",
    call=_learning_curve,
    has_config=True,
)
