"""The fresh process that is asked: `python -m kerastl.outputs.fresh ARTEFACT FOLDER`.

Keras is there for its own format alone, as it would be where the others are served.
"""

import pathlib
import sys

from kerastl.outputs.finding import prepare_for
from kerastl.progress import Progress

if __name__ == "__main__":
    path, folder = sys.argv[1:]
    prepare_for(pathlib.Path(path), Progress())

    # Only now, since it imports TensorFlow.
    from kerastl.outputs.parity import answer

    answer(path, folder)
