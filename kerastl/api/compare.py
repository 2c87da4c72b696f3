"""`kerastl.compare`."""

import os

from kerastl.api import values
from kerastl.errors import bad_value


def compare(*runs: str | os.PathLike[str]) -> "values.Comparison":
    """Compares finished runs with the first of them, on the test images that both have.

    Args:
        *runs: Their directories, two or more.

    Raises:
        UsageError: If there are not two runs, or two that share no test image of the same class.
        KerastlError: If a file of a run is missing or damaged.

    Example:
        >>> import kerastl
        >>> [other] = kerastl.compare("runs/digits", "runs/digits-again").others
        >>> other.lost, other.won  # Images that only one of the two has right.
        ((), ())
    """
    if not runs[1:]:
        given = " ".join(map(str, runs))
        raise bad_value("run", given, "is not two runs", "Give two or more, as in runs/a runs/b")
    from kerastl.comparison.compare import compare_runs  # noqa: PLC0415

    return compare_runs(runs)
