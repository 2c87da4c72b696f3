"""`mistakes.csv`: the test and validation images that the model names wrongly, the surest first.

Each row has the hash of the image, so that a person can correct its label by it, see `fixes_file`.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from kerastl.data.splits import Splits
from kerastl.split_names import TEST, VALIDATION
from kerastl.training.evaluation import Evaluation

HEADER = ("split", "example", "class_name", "predicted", "confidence", "probability", "sha256")


def list_rows(
    splits: Splits, scored: Iterable[tuple[str, Evaluation]]
) -> Iterator[tuple[str, str, str, str, float, float, str]]:
    """Lists the row of each mistake: those of the test images, then those of validation images.

    `confidence` is the probability of the predicted class, `probability` that of the image's own.
    """
    source, names = splits.source, splits.source.class_names
    evaluations = dict(scored)
    for split, indices in ((TEST, splits.test), (VALIDATION, splits.validation)):
        evaluation = evaluations[split]
        confidence = evaluation.probabilities.max(axis=1)
        for place in evaluation.surest(~evaluation.right).tolist():
            index = indices[place]
            yield (
                split,
                source.examples[index],
                names[evaluation.labels[place]],
                names[evaluation.predicted[place]],
                float(confidence[place]),
                float(np.exp(-evaluation.losses[place])),
                source.hashes[index].tobytes().hex(),
            )
