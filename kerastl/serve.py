"""The serve command: `kerastl serve EXPORT` serves an export over HTTP."""

import sys
from collections.abc import Sequence

from kerastl import environment
from kerastl.commands.command import Command, Given
from kerastl.commands.guard import guard
from kerastl.errors import bad_value
from kerastl.progress import Progress, count_of, format_duration
from kerastl.serving.export_path import find_export
from kerastl.serving.listener import accepts_other_machines, check_packages, open_listener
from kerastl.serving.options import Limits, ServeOptions
from kerastl.settings import describe


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until it is stopped; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    return guard(lambda output: COMMAND.run(given, output))


def _serve(given: Given, output: Progress) -> None:
    if len(given.arguments) != 1:
        raise bad_value(
            "export",
            " ".join(given.arguments),
            "is not one export",
            "Give one, as in saved_models/first",
        )
    values = dict(given.values)
    limits = Limits(**{name: values.pop(name) for name in describe(Limits) if name in values})
    options = ServeOptions(**values)
    found = find_export(given.arguments[0], options.name)
    check_packages()
    with open_listener(options.host, options.port) as listener:
        if accepts_other_machines(listener):
            output.line(
                "Other machines can connect to this server. It has no authentication; put a "
                "reverse proxy in front of it."
            )
        environment.prepare_tensorflow(output)
        from kerastl.serving.server import serve  # noqa: PLC0415  TensorFlow

        served = serve(found, listener, limits=limits, progress=output)
    output.line(
        f"Stopped after {count_of(served.num_images, 'image')} in "
        f"{format_duration(served.seconds)}."
    )


COMMAND = Command(
    name="serve",
    about="Serves EXPORT, a directory of versions or a single version, with TensorFlow Serving's "
    "REST interface: POST /v1/models/NAME:predict. There are also POST /predict for image files "
    "as they are, /healthz, /metrics, and a page at / on which to drop images. The highest version "
    "is served, and a new one as soon as it exists.",
    call=_serve,
    flags=describe(ServeOptions) | describe(Limits),
    arguments="EXPORT",
)

if __name__ == "__main__":
    sys.exit(main())
