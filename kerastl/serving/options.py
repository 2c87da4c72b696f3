"""Options of `predict` and `serve`, with their defaults, limits and help."""

import dataclasses
import pathlib
import re

from kerastl.errors import bad_value
from kerastl.settings import SETTINGS, SettingGroup, describe, repeated, setting
from kerastl.settings.field import Within

# Endings of the files that predictions can be written to.
OUTPUT_ENDINGS = (".csv", ".jsonl", ".parquet")
_TABLE_ENDING = ".csv"
# So that the features of all that are suggested fit in memory.
MOST_SUGGESTIONS = 20_000
# As browsers send it: pages on a disk have the origin null, and no port is the usual one.
_ORIGIN = r"\*|null|(?!http:.*:80$|https:.*:443$)[a-z][a-z0-9+.-]*://[a-z0-9._~:\[\]-]+"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictOptions(SettingGroup):
    """How images are classified, and where the predictions are written."""

    output: str = setting(
        "",
        help=f"File for the predictions: {', '.join(OUTPUT_ENDINGS)}. Without one they are "
        "printed: as a table on a terminal, otherwise as CSV.",
        is_path=True,
    )
    top_k: int = setting(
        1, help="Number of most likely classes to show for each image.", within=Within(1)
    )
    labels_from: str = setting(
        "",
        help="folder: take the name of an image's folder as its true class, and print the accuracy "
        "and the confusion matrix.",
        choices=("", "folder"),
    )
    image_column: str = repeated(
        SETTINGS["image_column"],
        help="Column of paths in CSV files; by default one of the usual names is found.",
    )
    batch_size: int = setting(32, help="Largest number of images in a batch.", within=Within(1))

    def _check(self) -> None:
        if self.output and pathlib.PurePath(self.output).suffix.lower() not in OUTPUT_ENDINGS:
            advice = f"Use one of {', '.join(OUTPUT_ENDINGS)}"
            raise bad_value("output", self.output, "has an unknown ending", advice)
        super()._check()


@dataclasses.dataclass(frozen=True, kw_only=True)
class SuggestOptions(SettingGroup):
    """Which images are suggested for labeling, and where they are listed."""

    count: int = setting(
        200, help="Number of images to suggest.", within=Within(1, MOST_SUGGESTIONS)
    )
    output: str = setting(
        "",
        help="CSV file for all suggestions, with a column for labels. Without one they are "
        "printed: the first of them on a terminal, otherwise all as CSV.",
        is_path=True,
    )
    image_column: str = repeated(describe(PredictOptions)["image_column"])
    batch_size: int = repeated(describe(PredictOptions)["batch_size"])

    def _check(self) -> None:
        if self.output and pathlib.PurePath(self.output).suffix.lower() != _TABLE_ENDING:
            raise bad_value(
                "output", self.output, "is not a CSV file", f"Give a name in {_TABLE_ENDING}"
            )
        super()._check()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServeOptions(SettingGroup):
    """Where a server listens, and the name of its model."""

    host: str = setting(
        "localhost",
        help="Address to listen on, by default this machine's own two, 127.0.0.1 and ::1; 0.0.0.0 "
        "lets other machines connect, as a container has to, and :: does so with IPv6 too.",
    )
    port: int = setting(
        8501,
        help="Port to listen on; 0 chooses a free one. Without this flag the variables of cloud "
        "platforms count: AIP_HTTP_PORT, SAGEMAKER_BIND_TO_PORT and PORT.",
        within=Within(0, 65535),
    )
    name: str = setting("", help="Name of the model in URLs; by default that of its directory.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits(SettingGroup):
    """What a server accepts: how much at a time, how long it waits, and from which pages."""

    max_batch_size: int = setting(
        32, help="Largest number of images in a batch.", within=Within(1, 4096)
    )
    batch_wait_ms: float = setting(
        5,
        help="Longest time that a batch waits for clients that have just been answered, in "
        "milliseconds.",
        within=Within(0, 1000),
    )
    queue_size: int = setting(
        256,
        help="Largest number of images that wait; beyond it clients get 503 and Retry-After.",
        within=Within(1, 100_000),
    )
    max_body_mb: float = setting(
        32,
        help="Largest body of a request, in megabytes; clients that send more get 413.",
        within=Within(0, 1024, open_low=True),
    )
    # Google's load balancers keep connections for 600 s, which nobody can change; those of
    # Amazon do for 60 s, nginx for 60 s or 75 s. The side that sends requests has to close first,
    # or it sends one to a connection that the other has just closed.
    # https://cloud.google.com/load-balancing/docs/https#timeouts_and_retries
    idle_seconds: float = setting(
        620,
        help="Time after which a connection without a request is closed; longer than the load "
        "balancer before the server keeps it.",
        within=Within(0, 86_400, open_low=True),
    )
    allowed_origins: str = setting(
        "",
        help="Addresses of the pages whose scripts may call the server, separated by commas, as in "
        "https://app.example, or * for all; by default only the server's own.",
    )

    def _check(self) -> None:
        for origin in self.origins:
            if not re.fullmatch(_ORIGIN, origin):
                raise bad_value(
                    "allowed_origins",
                    origin,
                    "is not the address of a site",
                    "Give its scheme, host and port without a path, as in https://app.example or "
                    "http://localhost:3000, or * for all; browsers write hosts in small letters of "
                    "ASCII (xn--) and leave out the ports 80 and 443",
                )
        super()._check()

    @property
    def origins(self) -> list[str]:
        """The allowed origins, each alone."""
        return self.allowed_origins.replace(",", " ").split()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds that a server waits.

    Attributes:
        head: For the rest of the head of a request.
        chunk: For the next part of a body.
        body: For a whole body.
        drain: For the rest of a body that was refused.
        grace: For requests that are on their way when the server stops.
        shutdown: For clients to receive their responses when the server stops.
        new_version: Between two searches for a new version of the export.
    """

    head: float = 10
    chunk: float = 10
    body: float = 120
    drain: float = 10
    grace: float = 0.25
    shutdown: int = 30
    new_version: float = 1


TIMEOUTS = Timeouts()
