"""Draws images again and again and looks how often the curve's interval holds what comes.

    python benchmarks/curves.py --images=500 --draws=20

prints a Markdown table: of how many draws the 95 % interval for so many times the images held the
accuracy of a probe that learned from them, on 4,000 images that neither had seen.
"""

import argparse
import dataclasses
import sys
import tempfile

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine  # isort: skip
import numpy as np
from pages import publish
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import kerastl
from kerastl.data.opening import open_data
from kerastl.data.splits import Splits
from kerastl.model.network import open_network
from kerastl.selection.curve import fit_learning_curve
from kerastl.selection.measurements import compute_features

_TIMES = (1, 2, 4)
_JUDGED = 4000
# The variance of the logits that the curves themselves choose here.
_STRENGTH = 10


def main() -> None:
    """Runs every draw and prints how many intervals held."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_flags(parser)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--draws", type=int, default=20)
    arguments = parser.parse_args()
    progress = kerastl.Progress(sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        config = kerastl.Config(
            run_dir=folder,
            dataset="tfds:cifar10",
            tfds_dir=arguments.tfds_dir,
            backbone="MobileNetV2",
            weights=arguments.weights,
            image_size=96,
        )
        splits = open_data(config, None, progress)
        everything = np.concatenate([splits.train, splits.validation, splits.test])
        splits = dataclasses.replace(
            splits, train=everything, validation=everything[:0], test=everything[:0]
        )
        features = compute_features(open_network(config, num_classes=10), splits, config, progress)
    held = np.zeros(len(_TIMES), int)
    for draw in range(arguments.draws):
        order = np.random.default_rng(100 + draw).permutation(len(everything))
        drawn = order[: arguments.images]
        part = dataclasses.replace(splits, train=everything[drawn])
        curve = fit_learning_curve(features[drawn], part, seed=0, progress=kerastl.Progress())
        for place, expected in enumerate((curve.whole.now, *curve.whole.expected)):
            known = order[: _TIMES[place] * arguments.images]
            came = _accuracy(features, splits, known, order[-_JUDGED:])
            held[place] += expected.low <= came <= expected.high
        progress.line(f"draw {draw + 1}: {held} held")
    print(f"{machine()}.\n")
    print("| images | draws | as many | twice | four times |\n| --: | --: | --: | --: | --: |")
    print(f"| {arguments.images} | {arguments.draws} | {' | '.join(map(str, held))} |")


def _accuracy(features: np.ndarray, splits: Splits, known: np.ndarray, judged: np.ndarray) -> float:
    labels = splits.source.labels[splits.train]
    probe = make_pipeline(
        StandardScaler(),
        LogisticRegression(C=_STRENGTH / features.shape[1], tol=1e-3, max_iter=500),
    )
    with threadpool_limits(1):
        probe.fit(features[known], labels[known])
        return float(probe.score(features[judged], labels[judged]))


if __name__ == "__main__":
    publish(main, __file__)
