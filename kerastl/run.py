"""One run from its config to its results: read this first."""

import dataclasses
import pathlib
import time
from typing import TYPE_CHECKING, Any

from kerastl.config import Config
from kerastl.model.backbones import bundled_size_note
from kerastl.outputs.directories import clear
from kerastl.progress import Progress, count_of, format_duration

if TYPE_CHECKING:
    import keras

    from kerastl.data.source import Source
    from kerastl.data.splits import Splits
    from kerastl.outputs.exporting import Exported
    from kerastl.outputs.run_directory import RunDirectory
    from kerastl.training.evaluate import Evaluation
    from kerastl.training.train import Trained


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """What a run gives back.

    Attributes:
        metrics: The content of `metrics.json`.
        model: The best model over all phases, from pixels in 0..255 to logits.
        run_dir: Everything else, in files.
        export_path: The SavedModel, None without `export_dir`.
    """

    metrics: dict[str, Any]
    model: "keras.Model"
    run_dir: pathlib.Path
    export_path: pathlib.Path | None


def finish_run(
    config: Config, given: "Source | None", run_dir: pathlib.Path, progress: Progress
) -> Result:
    """Trains, evaluates, records and exports a classifier; `kerastl.run` prepares for it."""
    # Only now, since these import Keras, which takes its backend when it is imported.
    from kerastl.data.opening import open_data  # noqa: PLC0415
    from kerastl.model.network import open_network  # noqa: PLC0415
    from kerastl.model.weights import BACKBONE, fingerprint  # noqa: PLC0415
    from kerastl.outputs.run_directory import RunDirectory  # noqa: PLC0415
    from kerastl.training.train import check_phases, open_frozen, train  # noqa: PLC0415
    from kerastl.writing import in_the_end  # noqa: PLC0415

    started = time.monotonic()
    _warn(config, progress)
    splits = open_data(config, given, progress)
    source = splits.source
    network = open_network(config, num_classes=len(source.class_names))
    check_phases(network, config)

    # Only now, when nothing is missing or misspelt: a run that cannot start costs no earlier one.
    clear(run_dir)
    record = RunDirectory(run_dir)
    weights = fingerprint(network.model.get_layer(BACKBONE))
    record.begin(config, splits, weights_fingerprint=weights, started=started)
    # A run that failed or was stopped tells what it had checked until then.
    with (
        in_the_end(record.write_receipt),
        open_frozen(network, splits, config, progress) as frozen,
    ):
        trained = train(network, splits, config, frozen, record=record, progress=progress)
        record.add_seconds(trained.seconds)
        _find_label_issues(trained, splits, config, record, progress)
        metrics, test = _evaluate(trained, splits, config, record, progress)
        record.write_receipt()
        # From here on the run is finished, and `kerastl export` can do what is left.
        record.write_metrics(metrics)
        exported = _export(trained, test, splits, config, metrics, progress)
        if exported:
            record.add_export(exported.path, exported.formats)
    progress.line(f"Done in {format_duration(record.seconds)}; all files in {run_dir}.")
    return Result(metrics, network.model, run_dir, exported.path if exported else None)


def _warn(config: Config, progress: Progress) -> None:
    rates = [phase.learning_rate for phase in config.phases]
    if len(rates) > 1 and rates[1] >= rates[0]:
        progress.line(
            f"Warning: finetune_learning_rate={rates[1]:g} is not below "
            f"head_learning_rate={rates[0]:g}; rates this high can destroy pretrained features."
        )
    if note := bundled_size_note(config.weights, config.image_size):
        progress.line(f"Warning: {note}.")


def _find_label_issues(
    trained: "Trained",
    splits: "Splits",
    config: Config,
    record: "RunDirectory",
    progress: Progress,
) -> None:
    """Lists training images whose label is probably wrong, with `label_issues`."""
    from kerastl.selection.label_issues import find_label_issues  # noqa: PLC0415  as in _run

    if not config.label_issues:
        return
    features = trained.pooled(splits.train)
    if features is None:
        progress.line("Labels are not checked: no features are stored.")
        return
    issues = find_label_issues(features, splits, seed=config.seed)
    record.write_label_issues(splits, issues.positions, issues.probabilities)
    for line in issues.lines():
        progress.line(line)


def _evaluate(
    trained: "Trained",
    splits: "Splits",
    config: Config,
    record: "RunDirectory",
    progress: Progress,
) -> tuple[dict[str, Any], "Evaluation"]:
    """Evaluates and saves the trained classifier.

    Returns:
        What `metrics.json` is to hold, and the answers for the test images.
    """
    from kerastl.data.splits import spread  # noqa: PLC0415  as in _run
    from kerastl.outputs.card import model_card  # noqa: PLC0415
    from kerastl.training.checks import (  # noqa: PLC0415
        check_agreement,
        check_restored,
        require,
    )

    validation = trained.evaluate(splits.validation)
    restored = check_restored(
        validation.accuracy, trained.best.val_accuracy, len(splits.validation)
    )
    require(restored, record=record, progress=progress)
    test = trained.evaluate(splits.test)
    metrics = {
        "test": test.metrics(splits.source.class_names),
        "validation": validation.metrics(splits.source.class_names),
        "best": {"phase": trained.best.phase, "epoch": trained.best.epoch},
        "highest_validation_accuracy": trained.accuracies,
    }
    seen = splits.seen_before()
    if seen.any():
        others = "has the others alone as test_unseen" if not seen.all() else "has no others"
        progress.line(
            f"{count_of(int(seen.sum()), 'test image')} of {len(seen)} are in training or "
            "validation too, or share a group with an image there, as the data set brings them; "
            f"metrics.json {others}."
        )
    if seen.any() and not seen.all():
        metrics["test_unseen"] = test.of(~seen).metrics(splits.source.class_names)
    record.write_predictions(splits, test)
    record.save_model(trained.classifier, model_card(splits.source, config, metrics))
    if trained.stored:
        sample = spread(len(splits.test))
        whole = trained.evaluate_whole(splits.test[sample]).probabilities
        agreement = check_agreement(test.probabilities[sample], whole, exact=config.is_exact)
        require(agreement, record=record, progress=progress)
    return metrics, test


def _export(
    trained: "Trained",
    test: "Evaluation",
    splits: "Splits",
    config: Config,
    metrics: dict[str, Any],
    progress: Progress,
) -> "Exported | None":
    """Exports the trained classifier, where asked for, compared with its answers in the test."""
    from kerastl.outputs.exporting import export_checked, parity_sample  # noqa: PLC0415  as in _run

    if not config.export_dir:
        return None
    sample = parity_sample(splits, config.parity_images)
    predictions = test.of(sample)
    if not config.is_exact:
        # What was rounded on its way is no measure.
        predictions = trained.evaluate_whole(splits.test[sample])
    return export_checked(
        trained.classifier,
        splits,
        config,
        metrics=metrics,
        predictions=predictions,
        progress=progress,
    )
