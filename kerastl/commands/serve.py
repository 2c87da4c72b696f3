"""`kerastl serve`: serves an export over HTTP."""

import kerastl
from kerastl.commands.command import Command, Given
from kerastl.progress import Progress, count_of, format_duration
from kerastl.serving.export_path import EXAMPLE
from kerastl.serving.options import Limits, ServeOptions
from kerastl.settings import describe


def _serve(given: Given, output: Progress) -> None:
    # Without one it may be the platform's.
    export = given.only_argument("export", EXAMPLE) if given.arguments else ""
    values = dict(given.values)
    limits = Limits(**{name: values.pop(name) for name in describe(Limits) if name in values})
    served = kerastl.serve(export, limits=limits, progress=output, **values)
    output.line(
        f"Stopped after {count_of(served.num_images, 'image')} in "
        f"{format_duration(served.seconds)}."
    )


COMMAND = Command(
    name="serve",
    about="Serves EXPORT, a directory of versions or a single version, over HTTP. It has "
    "TensorFlow Serving's REST interface, POST /v1/models/NAME:predict, and the Open Inference "
    "Protocol, POST /v2/models/NAME/infer. There are also POST /predict for image files as they "
    "are, /healthz, /metrics, SageMaker's /ping and /invocations, and a page at / on which to drop "
    "images. The highest version is served, and a new one as soon as it exists. On a cloud "
    "platform EXPORT may be left out: the folder where it puts the model is served.",
    call=_serve,
    flags=describe(ServeOptions) | describe(Limits),
    arguments="EXPORT",
)
