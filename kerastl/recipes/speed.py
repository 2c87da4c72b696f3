"""Measures how long a step of training takes for an image."""

import tensorflow as tf

from kerastl.model.network import Network
from kerastl.model.phases import Plan
from kerastl.recipes.stopwatch import Stopwatch
from kerastl.settings import TrainingSettings
from kerastl.training.schedule import LearningRate
from kerastl.training.steps import TrainingSteps

# The first one builds what the others use, and is not timed.
_STEPS = 4
# Small enough to leave the weights what they are, as numbers that take long to multiply.
_RATE = 1e-6


def time_step(network: Network, plan: Plan, training: TrainingSettings) -> float:
    """Measures the seconds of an image in a step of a plan; this changes the weights a little."""
    network.set_trainable(plan)
    schedule = LearningRate(peak=_RATE, warmup_steps=0, total_steps=_STEPS, falls=False)
    steps = TrainingSteps(plan, None, training, schedule, at_once=1)
    inputs = tf.random.stateless_uniform(
        [training.batch_size, *plan.boundary.tensor.shape[1:]], [0, 0]
    )
    labels = tf.zeros([training.batch_size], tf.int64)
    batches = iter(tf.data.Dataset.from_tensors((inputs, labels)).repeat())
    watch = Stopwatch()
    for _ in range(_STEPS):
        float(steps.run(batches)[0])
        watch.stop(training.batch_size)
    return watch.seconds
