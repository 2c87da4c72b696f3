"""What a run ends in: the only rule by which a run that was cut off equals one that was not."""

import json
import os
import pathlib

from kerastl.comparison.files import compare_files
from kerastl.outputs.directories import read_config

# Beside them, files of TensorFlow's whose names hold times.
_CURVES = "tensorboard"


def differences(whole, other):
    """Lists how the ending of a run differs from that of another one, by their directories.

    These are the differences that `kerastl reproduce` finds (weights, what of the model is
    trainable, history without its seconds, metrics, predictions, splits and so on), and those of
    the checks, of the list of files, and of what is beside the exports. Starts no TensorFlow.
    """
    whole, other = pathlib.Path(whole), pathlib.Path(other)
    found = [f"{one.name}: {one.difference}" for one in compare_files(whole, other)]
    found = [words for words in found if not words.endswith(": ")]
    for name, read in (("checks", _checks), ("files", _files), ("exports", _exports)):
        before, now = read(whole), read(other)
        if now != before:
            found.append(f"{name}: {now}, was {before}")
    return found


def _checks(run_dir):
    return json.loads((run_dir / "receipt.json").read_text())["checks"]


def _files(run_dir):
    return sorted(path.name for path in run_dir.rglob("*") if path.parent.name != _CURVES)


def _exports(run_dir):
    export_dir = read_config(run_dir).export_dir
    return sorted(os.listdir(export_dir)) if export_dir else []
