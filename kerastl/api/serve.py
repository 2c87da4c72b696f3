"""`kerastl.serve`."""

import os
import sys

from kerastl import environment, native_messages
from kerastl.api import values
from kerastl.progress import Progress
from kerastl.serving.export_path import find_export
from kerastl.serving.listener import (
    OPEN_WARNING,
    accept_other_machines,
    check_packages,
    open_listeners,
)
from kerastl.serving.options import Limits, ServeOptions
from kerastl.serving.platforms import read_platform


def serve(
    export: str | os.PathLike[str] = "",
    *,
    host: str = ServeOptions.host,
    port: int | None = None,
    name: str = ServeOptions.name,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> "values.Served":
    """Serves an export over HTTP until SIGTERM or SIGINT; call it from the main thread.

    Args:
        export: Directory of versions, or one version; by default the platform's folder.
        host: Address to listen on; 0.0.0.0 lets other machines connect.
        port: Port to listen on; 0 chooses a free one, None takes the platform's or 8501.
        name: Name of the model in URLs; by default that of its directory.
        limits: What is accepted, and how much at a time.
        progress: Where to report; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong.
        KerastlError: If a package is missing, the port is taken or no version can be served.

    Example:
        >>> import kerastl
        >>> served = kerastl.serve("exports/digits", port=8501, progress=kerastl.Progress())
        >>> served.num_images  # It was stopped before anyone sent an image.
        0
    """
    progress = Progress.of(progress, default=sys.stdout)
    platform = read_platform(port=port, export=str(export))
    options = ServeOptions(host=host, port=platform.port, name=name)
    found = find_export(platform.export, options.name)
    check_packages()
    with open_listeners(options.host, options.port) as listeners, native_messages.sieving():
        if str(platform):
            progress.line(str(platform))
        if accept_other_machines(listeners):
            progress.line(OPEN_WARNING)
        environment.prepare_tensorflow(progress)
        from kerastl.serving import server  # noqa: PLC0415

        return server.serve(
            found, listeners, limits=limits or Limits(), platform=platform, progress=progress
        )
