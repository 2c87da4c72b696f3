"""`kerastl.doctor`."""

import functools
import os
import sys
from typing import cast

from kerastl.api.export import export
from kerastl.api.run import train_on
from kerastl.checkup.diagnosis import Diagnosis, reported
from kerastl.checkup.doctor import examine
from kerastl.cluster import ALONE
from kerastl.outputs.unfinished import Opened
from kerastl.paths import local_path
from kerastl.progress import Progress
from kerastl.result import Result
from kerastl.settings.store import AUTO, find_cache


def doctor(
    *, cache_dir: str | os.PathLike[str] = AUTO, progress: Progress | None = None
) -> Diagnosis:
    """Checks what is installed and what there is room for, and tries the promises for a minute.

    It needs no network. All that it writes is in a hidden folder of the cache, which is removed.

    Args:
        cache_dir: Directory of the feature store, as runs take it.
        progress: Gets each line as it is found; standard output by default, `Progress()` for
            silence.

    Raises:
        UsageError: If `cache_dir` is not a path.

    Example:
        >>> import kerastl
        >>> diagnosis = kerastl.doctor(progress=kerastl.Progress())
        >>> diagnosis.broken
        ()
    """
    progress, quiet = Progress.of(progress, default=sys.stdout), Progress()
    findings = examine(
        local_path(find_cache(os.fspath(cache_dir)), field="cache_dir"),
        # Alone, whatever TF_CONFIG says.
        run=lambda config: cast(Result, train_on(ALONE, Opened(config), None, quiet)),
        export=functools.partial(export, progress=quiet),
    )
    return Diagnosis(tuple(reported(findings, progress.line)))
