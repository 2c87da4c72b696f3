"""The serving command: `kerastl serve EXPORT` answers over HTTP with an export's model."""

import importlib.util
import ipaddress
import sys
from collections.abc import Sequence

from absl import flags

from kerastl import environment
from kerastl.commands.flags import wants_help
from kerastl.commands.guard import guard
from kerastl.commands.legacy import parse
from kerastl.errors import KerastlError, bad_value
from kerastl.progress import Progress
from kerastl.serving.place import bind, find_place

_HELP = """usage: kerastl serve EXPORT [--host=127.0.0.1] [--port=8501] [--name=NAME]
           [--max_batch_size=32] [--batch_wait_ms=5] [--queue_size=256] [--max_body_mb=32]

Serves EXPORT, a directory of versions or one of them, with TensorFlow Serving's REST interface:
POST /v1/models/NAME:predict. There are also POST /predict for image files as they are, /healthz,
/metrics, and a page at / to drop images on. The highest version is served, a new one as soon as
it is there.

  --host            Address to listen on; 0.0.0.0 lets other machines in.
  --port            Its port; 0 takes a free one.
  --name            Name of the model to clients; that of the directory by default.
  --max_batch_size  Most images that are computed at once.
  --batch_wait_ms   Most that a batch waits for clients that have just been answered.
  --queue_size      Most images that wait; above it clients get 503 and Retry-After.
  --max_body_mb     Most that one request may send; above it clients get 413."""

# The packages of the extra, as they are imported.
_PACKAGES = ("starlette", "uvicorn", "python_multipart", "prometheus_client")
# Flag -> default and the lowest and highest that make sense.
_NUMBERS: dict[str, tuple[int, int, int]] = {
    "port": (8501, 0, 65535),
    "max_batch_size": (32, 1, 4096),
    "batch_wait_ms": (5, 0, 1000),
    "queue_size": (256, 1, 100_000),
    "max_body_mb": (32, 1, 1024),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until it is told to stop; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: _serve(given, output))


def _serve(arguments: Sequence[str], output: Progress) -> None:
    if wants_help(arguments):
        output.line(_HELP)
        return
    values = flags.FlagValues()
    flags.DEFINE_string("host", "127.0.0.1", "", flag_values=values)
    flags.DEFINE_string("name", "", "", flag_values=values)
    for name, (default, _, _) in _NUMBERS.items():
        flags.DEFINE_string(name, str(default), "", flag_values=values)
    exports = parse(values, arguments, takes="one export")
    if len(exports) != 1:
        raise bad_value(
            "export", " ".join(exports), "is not one export", "Give one, as in saved_models/first"
        )
    numbers = {name: _number(name, getattr(values, name)) for name in _NUMBERS}
    place = find_place(exports[0], values.name)
    _check_packages()
    with bind(values.host, numbers.pop("port")) as listener:
        if not _is_loopback(listener.getsockname()[0]):
            output.line("Other machines may reach this server, and it asks nobody who they are.")
        environment.prepare_tensorflow(output)
        # Only now, since it imports TensorFlow.
        from kerastl.serving.http import Limits, serve  # noqa: PLC0415

        serve(place, listener, Limits(**numbers), output)


def _number(name: str, text: str) -> int:
    _, lowest, highest = _NUMBERS[name]
    if not (text.isascii() and text.isdecimal() and lowest <= int(text) <= highest):
        raise bad_value(name, text, f"is not a whole number from {lowest} to {highest}", "Give one")
    return int(text)


def _check_packages() -> None:
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise KerastlError(
                f"serve: needs the package {package}, which is not installed. Install all that it "
                "needs with pip install 'kerastl[serve]', or in a checkout pip install '.[serve]'."
            )


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


if __name__ == "__main__":
    sys.exit(main())
