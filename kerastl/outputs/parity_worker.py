"""A fresh process that opens an export: `python -m kerastl.outputs.parity_worker MODEL FOLDER`.

Keras is imported only for its own format, as it is when models are served.
"""

import pathlib
import sys

from kerastl.outputs.model_path import prepare_for
from kerastl.progress import Progress

if __name__ == "__main__":
    model, folder = map(pathlib.Path, sys.argv[1:])
    prepare_for(model, Progress())

    # Only now, since it imports TensorFlow.
    from kerastl.outputs.samples import predict_samples

    predict_samples(model, folder)
