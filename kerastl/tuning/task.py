"""The task of a process in a search, as one frozen value; imports no Keras."""

import dataclasses

from kerastl.config import Config
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space import Space


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A search, as one process sees it.

    Attributes:
        config: The baseline flags: those of the first trial.
        space: Ranges to search; None for the default space.
        options: How the search proceeds.
        role: The part of this process, see `find_role`.
        deadline: When everything is to be over, by `time.monotonic`.
    """

    config: Config
    space: Space | None
    options: SearchOptions
    role: str
    deadline: float
