"""How many epochs of fine-tuning there is time for, decided anew when their speed is known."""

import dataclasses
import time
from collections.abc import Callable

from kerastl.progress import count_of, format_duration


@dataclasses.dataclass(frozen=True)
class Pace:
    """The time for fine-tuning.

    Until the warm-up ends, the rate of a step does not depend on how many epochs there are, so a
    run that is given the number from the start repeats one that changes it there.

    Attributes:
        end: When the phase is to be over, in seconds of `now`.
        most: Most epochs that are worth their time.
        now: The clock.
    """

    end: float
    most: int
    now: Callable[[], float] = time.monotonic

    def fit(self, *, done: float, epoch_seconds: float) -> int:
        """Fits epochs into the time that is left.

        Args:
            done: Epochs that are over, with the part of one that has begun.
            epoch_seconds: Time of an epoch, its validation included.

        Returns:
            The epochs in all, at least one that is whole.
        """
        begun = max(1, -int(-done // 1))
        fitting = int(done + max(0.0, self.end - self.now()) / epoch_seconds)
        return max(begun, min(fitting, self.most))


def describe_change(epochs: int, planned: int, epoch_seconds: float) -> str:
    """Says why there are more or fewer epochs than were planned."""
    return (
        f"{count_of(epochs, 'epoch')} and not {planned}: each takes "
        f"{format_duration(epoch_seconds)}, as the warm-up shows"
    )
