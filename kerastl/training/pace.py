"""How many epochs of fine-tuning there is time for, decided anew when their speed is known."""

import dataclasses
import re
import time
from collections.abc import Iterable

from kerastl.progress import Progress, count_of, format_duration

# Begins a comment of flags.txt, as long as the number is open.
UNDECIDED = "undecided: "
_NOTE = re.compile(rf"{UNDECIDED}finetune_epochs, up to (\d+) in (\S+) s from the start")


@dataclasses.dataclass(frozen=True)
class Pace:
    """The time for fine-tuning.

    Until the warm-up ends, the rate of a step does not depend on how many epochs there are, so a
    run that is given the number from the start repeats one that changes it there.

    Attributes:
        end: When the phase is to be over, by `time.monotonic`.
        most: Most epochs that are worth their time.
    """

    end: float
    most: int

    def fit(self, *, done: float, epoch_seconds: float) -> int:
        """Fits epochs into the time that is left.

        Args:
            done: Epochs that are over, with the part of one that has begun.
            epoch_seconds: Time of an epoch, its validation included.

        Returns:
            The epochs in all, at least one that is whole.
        """
        begun = max(1, -int(-done // 1))
        fitting = int(done + max(0.0, self.end - time.monotonic()) / epoch_seconds)
        return max(begun, min(fitting, self.most))

    def describe(self, *, began: float) -> str:
        """Describes it for `resume_pace`; the run began at `began`, by that clock."""
        seconds = f"{self.end - began:.1f} s from the start"
        return f"{UNDECIDED}finetune_epochs, up to {self.most} in {seconds}"


def resume_pace(notes: Iterable[str], progress: Progress, *, began: float) -> Pace | None:
    """Reads back what `describe` has written of a run that was cut off, and reports it.

    Args:
        notes: The comments in its flags.
        progress: Gets a line with the time that is left.
        began: When it would have begun without the time between its processes, by
            `time.monotonic`.

    Returns:
        The pace; None where the number of epochs is decided, or is not to be.
    """
    for found in filter(None, map(_NOTE.fullmatch, notes)):
        pace = Pace(began + float(found[2]), int(found[1]))
        left = format_duration(max(0.0, pace.end - time.monotonic()))
        progress.line(
            f"{left} of the budget are left until fine-tuning is to be over; the end of its "
            "warm-up decides the epochs."
        )
        return pace
    return None


def describe_change(epochs: int, planned: int, epoch_seconds: float) -> str:
    """Says why there are more or fewer epochs than were planned."""
    return (
        f"{count_of(epochs, 'epoch')} and not {planned}: as many of "
        f"{format_duration(epoch_seconds)} each as fit into the time that is left"
    )
