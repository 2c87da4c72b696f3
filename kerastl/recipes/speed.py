"""Measures how long a step of training takes for an image."""

from kerastl.model.network import Network
from kerastl.model.phases import Plan
from kerastl.recipes.stopwatch import Stopwatch
from kerastl.settings import TrainingSettings
from kerastl.training.largest_batch import make_step

# The first one builds what the others use, and is not timed.
_STEPS = 4


def time_step(network: Network, plan: Plan, training: TrainingSettings) -> float:
    """Measures the seconds of an image in a step of a plan; this changes the weights a little."""
    network.set_trainable(plan)
    take_step = make_step(plan, training)
    watch = Stopwatch()
    for _ in range(_STEPS):
        take_step()
        watch.stop(training.batch_size)
    return watch.seconds
