"""A fresh process that opens exports: `python -m kerastl.outputs.parity_worker FOLDER`.

It reads the paths of models, each as a line of JSON, and answers each with a line when its
predictions are in the folder. Keras is imported only for its own format, as it is when models are
served.
"""

import json
import pathlib
import sys

from kerastl import environment
from kerastl.outputs.model_path import prepare_for
from kerastl.progress import Progress

DONE = "predicted"

if __name__ == "__main__":
    environment.own_process()
    environment.prepare_tensorflow(Progress())

    # Only now, since it imports TensorFlow.
    from kerastl.outputs.samples import predict_samples

    folder = pathlib.Path(sys.argv[1])
    for line in sys.stdin:
        model = pathlib.Path(json.loads(line))
        prepare_for(model, Progress())
        predict_samples(model, folder)
        Progress(sys.stdout).line(DONE)
