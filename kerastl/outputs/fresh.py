"""The fresh process that is asked: `python -m kerastl.outputs.fresh ARTEFACT FOLDER`.

Keras is there for its own format alone, as it would be where the others are served.
"""

import sys

from kerastl import environment
from kerastl.progress import Progress

if __name__ == "__main__":
    path, folder = sys.argv[1:]
    is_keras = path.endswith(".keras")
    (environment.prepare if is_keras else environment.prepare_tensorflow)(Progress())

    # Only now, since it imports TensorFlow.
    from kerastl.outputs.parity import answer

    answer(path, folder)
