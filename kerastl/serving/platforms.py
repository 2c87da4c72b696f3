"""What cloud platforms set by environment variables: port, routes, model.

https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
https://cloud.google.com/run/docs/container-contract
"""

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping

from kerastl.errors import bad_value
from kerastl.serving.options import ServeOptions

# A platform's own variable comes before the general one.
PORT_VARIABLES = ("AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT", "PORT")
_HEALTH, _PREDICT, _STORAGE = "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE", "AIP_STORAGE_URI"
# Where platforms put the files of a model.
MODEL_FOLDERS = {"/opt/ml/model": "SageMaker's folder", "/mnt/models": "KServe's folder"}


@dataclasses.dataclass(frozen=True)
class Platform:
    """Where a server is looked for, and what it is to serve.

    Attributes:
        port: The port to listen on.
        port_from: The variable that it is from; empty if it is from none.
        export: The export to serve.
        export_from: The variable or the platform's folder that it is from; empty likewise.
        health_route: Another path of the health check, None for none.
        predict_route: Another path for predictions, None for none.
    """

    port: int = ServeOptions.port
    port_from: str = ""
    export: str = ""
    export_from: str = ""
    health_route: str | None = None
    predict_route: str | None = None

    def __str__(self) -> str:
        """Names the settings that a platform made; empty if there are none."""
        parts = [
            f"{what} {value} ({origin})"
            for what, value, origin in (
                ("port", self.port, self.port_from),
                ("health checks at", self.health_route, self.health_route and _HEALTH),
                ("predictions at", self.predict_route, self.predict_route and _PREDICT),
                ("the export in", self.export, self.export_from),
            )
            if origin
        ]
        return f"From the environment: {', '.join(parts)}." if parts else ""


ANYWHERE = Platform()


def read_platform(
    *, port: int | None = None, export: str = "", environ: Mapping[str, str] = os.environ
) -> Platform:
    """Reads the variables of the platforms; a port and an export that a user gave come first.

    Raises:
        UsageError: If one is not a port, not a path, or an address of the export.
    """
    port, port_from = find_port(environ) if port is None else (port, "")
    export, export_from = (export, "") if export else _find_export(environ)
    return Platform(
        port=port,
        port_from=port_from,
        export=export,
        export_from=export_from,
        health_route=_read_route(_HEALTH, environ),
        predict_route=_read_route(_PREDICT, environ),
    )


def plain_path(path: str) -> str:
    """Returns the path of an address without doubled slashes, and without one at its end.

    Clients join the address of a server and a path with a slash too many.
    """
    return re.sub("/+", "/", path).rstrip("/") or "/"


def find_port(environ: Mapping[str, str] = os.environ) -> tuple[int, str]:
    """Returns the port for a server that is given none, and the variable that it is from.

    Raises:
        UsageError: If the variable does not hold a port.
    """
    for name in PORT_VARIABLES:
        if text := environ.get(name):
            return _read_port(name, text), name
    return ServeOptions.port, ""


def _find_export(environ: Mapping[str, str]) -> tuple[str, str]:
    """Returns the folder that a platform keeps the model in and why; both empty if none does."""
    storage = environ.get(_STORAGE, "")
    if re.match(r"[a-z][a-z0-9+.-]+://", storage):
        raise bad_value(
            _STORAGE,
            storage,
            "is an address, which is not fetched",
            "Copy the export into the image or to a disk, and give its folder to kerastl serve",
        )
    if storage:
        return storage, _STORAGE
    folders = ((path, name) for path, name in MODEL_FOLDERS.items() if pathlib.Path(path).is_dir())
    return next(folders, ("", ""))


def _read_port(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 0 < int(text) < 1 << 16:
        raise bad_value(name, text, "is not a port", "Set one in 1..65535, or give --port")
    return int(text)


def _read_route(name: str, environ: Mapping[str, str]) -> str | None:
    route = environ.get(name) or None
    if route is not None and not re.fullmatch(r"/[^{}?#\s]*", route):
        raise bad_value(name, route, "is not the path of an address", "Set one such as /predict")
    return route and plain_path(route)
