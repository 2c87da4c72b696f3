"""Runs of a thousand classes, written without training."""

import csv
import json

import numpy as np
from PIL import Image

from finished_runs import write_csv
from kerastl.config import Config

CLASSES = 1000
NAMES = [f"a class with a rather long name, {number:04}" for number in range(CLASSES)]


def write_large_run(folder, *, num_images, seed=0):
    """Writes a run of many classes, with the files that its page is made of."""
    rng = np.random.default_rng(seed)
    photos, run = folder / "photos", folder / "run"
    photos.mkdir()
    run.mkdir()
    # Files to show; all others would be read the same.
    examples = [f"{number:06}.jpg" for number in range(num_images)]
    noise = rng.integers(0, 255, (300, 400, 3), np.uint8)
    Image.fromarray(noise).save(photos / "noise.jpg", quality=95)
    for example in examples:
        (photos / example).symlink_to("noise.jpg")
    config = Config(dataset=f"folder:{photos}", run_dir=str(run), recipe="manual")
    (run / "flags.txt").write_text(config.to_flagfile(), "utf-8")
    labels = rng.integers(0, CLASSES, num_images)
    predicted = np.where(rng.random(num_images) < 0.3, labels, rng.integers(0, CLASSES, num_images))
    # Rows of probabilities that are used again and again: the highest goes to the class named.
    rows = rng.dirichlet(np.full(CLASSES, 0.05), 50).astype(np.float32)
    texts = [[f"{value:.4e}" for value in row] for row in rows]
    highest = rows.argmax(axis=1)
    with (run / "predictions.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("example", "class_name", "predicted", *NAMES))
        for number, (label, guess) in enumerate(zip(labels, predicted, strict=True)):
            row, place = list(texts[number % 50]), highest[number % 50]
            row[guess], row[place] = row[place], row[guess]
            writer.writerow((examples[number], NAMES[label], NAMES[guess], *row))
    train = [(f"t{number}", name, "train") for number, name in enumerate(NAMES)]
    test = [(one, NAMES[label], "test") for one, label in zip(examples, labels, strict=True)]
    write_csv(run / "splits.csv", [("example", "class_name", "split"), *train, *test])
    suspects = [(one, NAMES[0], 0.1, NAMES[1], 0.9) for one in examples]
    columns = ("example", "class_name", "probability", "likelier", "its_probability")
    write_csv(run / "label_issues.csv", [columns, *suspects])
    findings = [(one, "near duplicate", "", examples[0]) for one in examples]
    write_csv(run / "audit.csv", [("file", "kind", "detail", "other"), *findings])
    right = float(np.mean(labels == predicted))
    test = {
        **{"accuracy": right, "accuracy_low": right, "accuracy_high": right, "loss": 1.0},
        **{"num_images": num_images, "balanced_accuracy": right, "macro_f1": right},
    }
    (run / "metrics.json").write_text(json.dumps({"test": test}), "utf-8")
    return run
