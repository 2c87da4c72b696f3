"""What cleanlab and cleanvision find in the images of a benchmark, which calls this with them.

    python benchmarks/findings_peers.py IMAGES.npz

runs in an environment that has both, and prints JSON: what each finds, by numbers of images. If the
file has no paths, cleanvision looks at nothing.
"""

import contextlib
import importlib.metadata
import json
import sys
import time

import numpy as np
from cleanlab import Datalab
from cleanlab.filter import find_label_issues
from cleanvision import Imagelab
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    """Prints what is found."""
    given = np.load(sys.argv[1])
    with contextlib.redirect_stdout(sys.stderr):
        started = time.monotonic()
        labels, outliers, num_outliers = _look_at_features(given["features"], given["labels"])
        middle = time.monotonic()
        pairs = _look_at_files(given["paths"].tolist()) if "paths" in given else []
        seconds = {"cleanlab": middle - started, "cleanvision": time.monotonic() - middle}
    versions = {name: importlib.metadata.version(name) for name in seconds}
    found = {"labels": labels, "outliers": outliers, "num_outliers": num_outliers, "pairs": pairs}
    print(json.dumps({"versions": versions, "seconds": seconds, **found}))


def _look_at_features(features: np.ndarray, labels: np.ndarray) -> tuple[list[int], list[int], int]:
    """Finds wrong labels, the worst first, as cleanlab's tutorials do.

    Returns:
        Them; all images, the worst outliers first; and how many are reported as outliers.
    """
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    shares = cross_val_predict(probe, features, labels, cv=5, method="predict_proba")
    issues = find_label_issues(labels, shares, return_indices_ranked_by="self_confidence")
    lab = Datalab({"label": labels.tolist()}, label_name="label")
    lab.find_issues(features=features, issue_types={"outlier": {}})
    outliers = lab.get_issues("outlier")
    ranked = np.argsort(outliers["outlier_score"].to_numpy(), kind="stable")
    return issues.tolist(), ranked.tolist(), int(outliers["is_outlier_issue"].sum())


def _look_at_files(paths: list[str]) -> list[list[int]]:
    """Finds sets of equal and nearly equal images."""
    lab = Imagelab(filepaths=paths)
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=1)
    number = {path: place for place, path in enumerate(paths)}
    sets = [one for kind in lab.info.values() for one in kind.get("sets", ())]
    return [[number[path] for path in one] for one in sets]


if __name__ == "__main__":
    main()
