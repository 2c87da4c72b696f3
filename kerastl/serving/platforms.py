"""What cloud platforms tell a server through environment variables: port, routes, model.

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
# Where SageMaker and KServe put the files of a model.
MODEL_FOLDERS = ("/opt/ml/model", "/mnt/models")


@dataclasses.dataclass(frozen=True)
class Platform:
    """Where a server is looked for.

    Attributes:
        port: The port to listen on.
        port_variable: The variable that it is from; empty if it is from none.
        health_route: Another path of the health check, None for none.
        predict_route: Another path for predictions, None for none.
    """

    port: int = ServeOptions.port
    port_variable: str = ""
    health_route: str | None = None
    predict_route: str | None = None

    def __str__(self) -> str:
        """Says what is from variables; empty if nothing is."""
        parts = [
            f"{what} {value} ({variable})"
            for what, value, variable in (
                ("port", self.port if self.port_variable else None, self.port_variable),
                ("health checks at", self.health_route, _HEALTH),
                ("predictions at", self.predict_route, _PREDICT),
            )
            if value is not None
        ]
        return f"From the environment: {', '.join(parts)}." if parts else ""


ANYWHERE = Platform()


def read_platform(port: int | None, environ: Mapping[str, str] = os.environ) -> Platform:
    """Reads the variables of the platforms; `port` is the one that a user gave.

    Raises:
        UsageError: If one is not a port, or not a path.
    """
    named = [name for name in PORT_VARIABLES if environ.get(name)] if port is None else []
    if named:
        port = _read_port(named[0], environ[named[0]])
    return Platform(
        port=ServeOptions.port if port is None else port,
        port_variable=named[0] if named else "",
        health_route=_read_route(_HEALTH, environ),
        predict_route=_read_route(_PREDICT, environ),
    )


def find_model_folder(environ: Mapping[str, str] = os.environ) -> str:
    """Finds the folder that the platform keeps the model in; empty if there is none.

    Raises:
        UsageError: If it is an address.
    """
    storage = environ.get(_STORAGE, "")
    if re.match(r"[a-z][a-z0-9+.-]+://", storage):
        raise bad_value(
            _STORAGE,
            storage,
            "is an address, which is not fetched",
            "Copy the export into the image or to a disk, and give its folder to kerastl serve",
        )
    return storage or next((one for one in MODEL_FOLDERS if pathlib.Path(one).is_dir()), "")


def _read_port(name: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 0 < int(text) < 1 << 16:
        raise bad_value(name, text, "is not a port", "Set one in 1..65535, or give --port")
    return int(text)


def _read_route(name: str, environ: Mapping[str, str]) -> str | None:
    route = environ.get(name) or None
    if route is not None and not re.fullmatch(r"/[^{}?#\s]*", route):
        raise bad_value(name, route, "is not the path of an address", "Set one such as /predict")
    return route
