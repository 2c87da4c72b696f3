"""Directories of finished runs, written without training."""

import csv
import json
import math

from kerastl.config import Config


def write_csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def write_run(
    folder,
    answers,
    *,
    classes=("cat", "dog"),
    training=(),
    receipt=None,
    hash_of=lambda name: f"hash of {name}",
    **settings,
):
    """Writes a run whose test images are `answers`: name -> (class, {class: probability}).

    `hash_of` None stands for an earlier version.
    """
    folder.mkdir(parents=True)
    config = Config(**{"dataset": "digits", "recipe": "manual"} | settings, run_dir=str(folder))
    lines = "".join(f"{line}\n" for line in config.to_flags())
    (folder / "flags.txt").write_text(lines, "utf-8")
    rows = [
        (name, label, max(shares, key=shares.get), *(shares[one] for one in classes))
        for name, (label, shares) in answers.items()
    ]
    write_csv(folder / "predictions.csv", [("example", "class_name", "predicted", *classes), *rows])
    splits = [(name, label, "test") for name, (label, _) in answers.items()]
    splits += [(name, classes[0], "train") for name in training]
    header = ("example", "class_name", "split")
    if hash_of:
        header = (*header, "sha256")
        splits = [(*row, hash_of(row[0])) for row in splits]
    write_csv(folder / "splits.csv", [header, *splits])
    (folder / "receipt.json").write_text(json.dumps(receipt or {}))
    (folder / "metrics.json").write_text(json.dumps({"test": {"num_images": len(answers)}}))
    return folder


def sure(label, said, probability=0.75):
    """An answer of two classes."""
    other = {"cat": "dog", "dog": "cat"}[said]
    return label, {said: probability, other: 1 - probability}


def loss_of(probability):
    return -math.log(probability)
