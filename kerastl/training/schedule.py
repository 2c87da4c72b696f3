"""The learning rate as a function of the step."""

import math

import keras


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Rises to its peak over the warm-up, then falls along half a cosine, or stays.

    Step `s` of the warm-up's `w` steps has `peak * (s + 1) / w`, so that no step is lost at
    a rate of zero. Then the cosine is `peak * (1 + cos(pi * t)) / 2` where `t` goes from 0
    at its first step towards 1, https://arxiv.org/abs/1608.03983 (equation 5, one cycle).

    Attributes:
        peak: Highest rate.
        warmup_steps: Steps that lead up to it.
        total_steps: Steps of the phase; may be set until the warm-up ends.
        falls: Whether the cosine follows; otherwise the rate stays at its peak.
    """

    def __init__(self, *, peak: float, warmup_steps: int, total_steps: int, falls: bool) -> None:
        self.peak = peak
        self.warmup_steps = min(warmup_steps, total_steps)
        self.falls = falls
        # No constant of the graph, which is not built anew where it changes.
        self._total = keras.Variable(total_steps, trainable=False, dtype="float32")
        self.total_steps = total_steps

    @property
    def total_steps(self) -> int:
        """See the class."""
        return self._total_steps

    @total_steps.setter
    def total_steps(self, count: int) -> None:
        self._total_steps = count
        self._total.assign(count)

    def __call__(self, step: keras.KerasTensor) -> keras.KerasTensor:
        """Computes the rate of a step that is counted from 0, inside the training graph."""
        step = keras.ops.cast(step, "float32")
        warmup = (step + 1.0) / max(1, self.warmup_steps)
        left = keras.ops.maximum(1.0, self._total - self.warmup_steps)
        progress = (step - self.warmup_steps) / left
        progress = keras.ops.clip(progress, 0.0, 1.0)
        after = 0.5 * (1.0 + keras.ops.cos(math.pi * progress)) if self.falls else 1.0
        return self.peak * keras.ops.where(step < self.warmup_steps, warmup, after)

    def at(self, step: int) -> float:
        """Computes the rate of a step as a plain number, for records and messages."""
        return float(self(step))
