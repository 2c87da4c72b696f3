"""Which differences from the trained model a format may have, and how they are reported."""

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kerastl.export_formats import FORMATS
from kerastl.outputs.artifact import count_ties
from kerastl.outputs.directories import RunFile
from kerastl.outputs.formats.finding import format_module
from kerastl.outputs.parity import Comparison, ExportError, Reference
from kerastl.outputs.receipt import version_of
from kerastl.progress import count_of, format_bytes

# Images that a message names.
_MAX_NAMED = 3
# Share of images with equally probable first classes above which a line reports it, and of those
# that get the trained model's class below which one does.
_MOST_TIED, _LEAST_AGREEMENT = 0.01, 0.95
# Of formats that accuracy decides about, the difference of probability above which one does.
_MOST_SHIFTED = 0.05


def check_parity(
    name: str, comparison: Comparison, reference: Reference, *, max_accuracy_drop: float
) -> None:
    """Checks that an export of a format predicts what the trained model does.

    Raises:
        ExportError: If the two are further apart than the format allows: its tolerance, or for
            a format without one a loss of accuracy of `max_accuracy_drop`.
    """
    tolerance = FORMATS[name].tolerance
    difference = float(comparison.differences.max())
    accuracy, expected = _accuracy(comparison, reference), reference.predictions.accuracy
    # Written this way round, since a difference that is not a number fails too.
    if tolerance is not None and not difference < tolerance:
        problem = f"by up to {difference:.2g} in probability, where {tolerance:g} is allowed"
    elif tolerance is None and not (
        np.isfinite(difference) and expected - accuracy <= max_accuracy_drop
    ):
        problem = (
            f"with an accuracy of {accuracy:.4f} against {expected:.4f}, where "
            f"max_accuracy_drop={max_accuracy_drop:g} is allowed"
        )
    else:
        return

    def top(probabilities: np.ndarray) -> str:
        best = int(np.argmax(probabilities))
        return f"{reference.class_names[best]} {probabilities[best]:.3f}"

    distances = np.nan_to_num(comparison.differences, nan=np.inf)
    worst = ", ".join(
        f"{reference.examples[i]} ({top(comparison.probabilities[i])}, not "
        f"{top(reference.predictions.probabilities[i])})"
        for i in np.argsort(-distances, kind="stable")[:_MAX_NAMED]
    )
    raise ExportError(f"does not predict what the trained model does, {problem}; most on {worst}")


def _accuracy(comparison: Comparison, reference: Reference) -> float:
    predicted = comparison.probabilities.argmax(axis=1)
    return float(np.mean(predicted == reference.predictions.labels))


def summarize(
    name: str, comparison: Comparison, reference: Reference, path: pathlib.Path
) -> dict[str, Any]:
    """Returns a format's entry in `export.json`; `path` is its directory or file.

    `tied` is the share of images of which several classes share the highest probability.
    """
    row, expected = FORMATS[name], reference.predictions
    directory = path if path.is_dir() else path.parent
    files = [path for path in directory.rglob("*") if path.is_file() and path.name != RunFile.CARD]
    agrees = comparison.probabilities.argmax(axis=1) == expected.predicted
    return {
        "file": row.file,
        "input": row.input,
        "output": row.output,
        **format_module(name).read_needs(path),
        "opened_by": f"{row.runtime} {version_of(row.runtime)}",
        "bytes": sum(path.stat().st_size for path in files),
        "num_images": len(expected.labels),
        "accuracy": _accuracy(comparison, reference),
        "trainer_accuracy": expected.accuracy,
        "agreement": float(np.mean(agrees)),
        "largest_difference": float(comparison.differences.max()),
        "tied": count_ties(comparison.probabilities) / len(expected.labels),
        "milliseconds": {str(size): value for size, value in comparison.milliseconds.items()},
    }


def format_table(
    version: pathlib.Path, results: Mapping[str, Mapping[str, Any]], reference: Reference
) -> Iterator[str]:
    """Yields the lines of the table of all formats in a version's directory."""
    yield (
        f"Exported {version}. Each format was opened in a fresh process and compared on "
        f"{count_of(len(reference.examples), 'test image')}, on which the trained model's accuracy "
        f"is {reference.predictions.accuracy:.4f}."
    )
    yield from format_rows(results)


def format_rows(results: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yields a header and a line for each format, as `summarize` describes it, then warnings."""
    yield (
        f"  {'format':<15}{'size':>9}{'accuracy':>10}{'agreement':>11}{'largest difference':>20}"
        f"{'ms an image, alone':>20}{'of 32':>8}"
    )
    for name, result in results.items():
        alone, of_32 = (result["milliseconds"][size] for size in ("1", "32"))
        yield (
            f"  {name:<15}{format_bytes(result['bytes']):>9}{result['accuracy']:>10.4f}"
            f"{result['agreement']:>11.2%}{result['largest_difference']:>20.1e}{alone:>20.2f}"
            f"{of_32:>8.2f}"
        )
    for name, result in results.items():
        if result["agreement"] < _LEAST_AGREEMENT:
            yield (
                f"Warning: {name} names another class than the trained model for "
                f"{1 - result['agreement']:.1%} of the images. Test it on more before you use it."
            )
        if FORMATS[name].tolerance is None and result["largest_difference"] > _MOST_SHIFTED:
            yield (
                f"{name}: its probabilities are up to {result['largest_difference']:.2f} from the "
                "trained model's. Where an app compares one with a threshold, choose that with "
                "this file."
            )
        if result["input"] != FORMATS[name].input:
            yield (
                f"{name} takes {result['input']}, and returns {result['output']}: with a head in "
                "8 bits, several classes would often get the same probability."
            )
        if result["tied"] > _MOST_TIED:
            yield (
                f"Warning: {name} gives several classes the same highest probability for "
                f"{result['tied']:.1%} of the images."
            )
