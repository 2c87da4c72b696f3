"""Times what is done again and again, for a recipe to choose by."""

import statistics
import time

from kerastl.model.network import Network
from kerastl.model.phases import Plan
from kerastl.settings import TrainingSettings
from kerastl.training.largest_batch import make_step

# The first one builds what the others use, and is not timed.
_STEPS = 4


class Stopwatch:
    """Takes the time of batches; the first one, which prepares the others, does not count."""

    def __init__(self) -> None:
        """Starts it."""
        self._times: list[float] = []
        self.start()

    def start(self) -> None:
        """Starts a batch, if that is not where the last one ended."""
        self._began = time.perf_counter()

    def stop(self, num_images: int) -> None:
        """Ends a batch of so many images, and starts the next."""
        self._times.append((time.perf_counter() - self._began) / num_images)
        self.start()

    @property
    def has_timed(self) -> bool:
        """Whether there is a batch that counts."""
        return len(self._times) > 1

    @property
    def seconds(self) -> float:
        """The median of the seconds of an image."""
        return statistics.median(self._times[1:])


def time_step(network: Network, plan: Plan, training: TrainingSettings) -> float:
    """Measures the seconds of an image in a step of a plan; this changes the weights a little."""
    network.set_trainable(plan)
    take_step = make_step(plan, training)
    watch = Stopwatch()
    for _ in range(_STEPS):
        take_step()
        watch.stop(training.batch_size)
    return watch.seconds
