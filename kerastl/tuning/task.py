"""The task of a process in a search, which it does alone, as its owner, or for that.

The variables are keras-tuner's, https://keras.io/keras_tuner/guides/distributed_tuning/. All
processes share run_dir, and coordinate through its files instead of over the network.
"""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping

from kerastl.config import Config
from kerastl.errors import UsageError
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space import Space

_IP, _PORT, _ID = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"
_VARIABLES = (_IP, _PORT, _ID)
ALONE = "alone"
_CHIEF = "chief"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A search, as one process sees it.

    Attributes:
        config: The baseline flags: those of the first trial.
        space: Ranges to search; None for the default space.
        options: How the search proceeds.
        role: The part of this process, see `find_role`.
        began: When it would have begun without the time between its processes, by
            `time.monotonic`.
        deadline: When everything is to be over, by the same clock.
    """

    config: Config
    space: Space | None
    options: SearchOptions
    role: str
    began: float
    deadline: float

    def counting(self, seconds: float) -> "Task":
        """Returns the task with what earlier processes of its search have taken."""
        began, deadline = self.began - seconds, self.deadline - seconds
        return dataclasses.replace(self, began=began, deadline=deadline)


def find_role(environment: Mapping[str, str] = os.environ) -> str:
    """Returns "chief", the name of a worker, or `ALONE`.

    Raises:
        UsageError: If some of the variables are set and others missing.
    """
    present = [name for name in _VARIABLES if environment.get(name)]
    if _IP not in present and _PORT not in present:
        return ALONE
    missing = [name for name in _VARIABLES if name not in present]
    if missing:
        raise UsageError(
            f"{missing[0]}='': is not set, as {present[0]} is. Set {_IP}, {_PORT} and {_ID} for a "
            "search on several machines, or none of them."
        )
    # As in keras-tuner, which only requires that the ID contain the word.
    return _CHIEF if _CHIEF in environment[_ID] else environment[_ID]


def is_chief(role: str) -> bool:
    """Returns whether a process owns a search whose trials others run."""
    return role == _CHIEF


def is_worker(role: str) -> bool:
    """Returns whether a process runs trials of a search that another one owns."""
    return role not in (ALONE, _CHIEF)


@contextlib.contextmanager
def without_variables() -> Iterator[None]:
    """Hides the variables, with which keras-tuner would search for a chief on the network."""
    hidden = {name: os.environ.pop(name) for name in _VARIABLES if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)
