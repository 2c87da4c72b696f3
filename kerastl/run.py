"""A run from its config to its results: read this first."""

import dataclasses
import math
import pathlib
import shlex
import time

from kerastl import replicas
from kerastl.data.finding import given_or_found
from kerastl.data.opening import describe_sizes, open_data
from kerastl.data.source import Source
from kerastl.data.splits import Splits
from kerastl.model.building.finding import NETWORK, own_resize
from kerastl.model.network import First, Network, open_network
from kerastl.outputs.card import model_card
from kerastl.outputs.exporting import export_room, export_trained
from kerastl.outputs.joint import give_start, help_train
from kerastl.outputs.repeats import repeat
from kerastl.outputs.room import check_room, run_room
from kerastl.outputs.run_directory import RunDirectory
from kerastl.outputs.scoring import score
from kerastl.outputs.unfinished import Opened
from kerastl.progress import Progress, format_duration
from kerastl.recipes.following import first_settings, follow
from kerastl.report.finished import failure_reported, report_finished
from kerastl.result import Result
from kerastl.selection.label_issues import write_label_issues
from kerastl.selection.misleading import HEADER, find_misleading, warn_of_misleading
from kerastl.training.course import bytes_to_write
from kerastl.training.final import deliver
from kerastl.training.known_distances import check_known
from kerastl.training.pace import resume_pace
from kerastl.training.repeats import Repeats
from kerastl.training.train import check_phases, open_frozen, train
from kerastl.training.trained import Trained
from kerastl.writing import finally_call


def take_part(
    opened: Opened, source: Source | None, progress: Progress, *, deadline: float
) -> Result | None:
    """Finishes a run, or trains with the machine that does; then there is no result."""
    if not replicas.current().is_first:
        help_train(opened, source, progress)
        return None
    return finish_run(opened, source, progress, deadline=deadline)


def finish_run(
    opened: Opened, source: Source | None, progress: Progress, *, deadline: float = math.inf
) -> Result:
    """Trains, evaluates, records and exports a classifier; `kerastl.run` prepares for it.

    `deadline` is when it is to be over, in seconds of `time.monotonic`.
    """
    started = time.monotonic()
    splits, first = _open(opened, source, progress)
    followed = follow(opened.config, splits, deadline=deadline, progress=progress, first=first)
    pace = followed.pace
    reasons = (*followed.reasons, *([pace.describe(began=started)] if pace else []))
    config = (opened := opened.choose(followed.config, reasons)).config
    describe_sizes(splits, config, progress)
    check_known(splits, config.known_coverage)
    network = open_network(config, num_classes=len(splits.source.class_names), first=first)
    for warning in check_phases(network, config):
        progress.line(f"Warning: {warning}")
    record = _begin(opened, splits, network, started=started, progress=progress)
    record.pace = pace or resume_pace(opened.notes, progress, began=record.stages.began)
    give_start(opened, splits, network, record)
    with (
        finally_call(record.write_receipt),  # A run that is stopped records what it checked.
        open_frozen(network, splits, config, progress) as frozen,
    ):
        trained = train(network, splits, config, frozen, record=record, progress=progress)
        with replicas.using(replicas.ONE):  # From here on this machine alone, on one device.
            result = _deliver(trained, record.opened, record, progress)
    report_finished(record.path, splits.source, progress)
    record.finish()
    progress.line(f"Done in {format_duration(record.stages.seconds)}; all files in {record.path}.")
    progress.line(f"To use the model: kerastl predict {shlex.quote(str(record.path))} IMAGES")
    return result


def _open(opened: Opened, source: Source | None, progress: Progress) -> tuple[Splits, First]:
    """Opens the images, and before the look at them, which may take long, the network."""
    config = opened.config
    source = given_or_found(source, config, progress)
    first = First(first_settings(config))
    # The look keeps pixels as they are needed then.
    config = config.changed(NETWORK, **own_resize(config, Progress()))
    return open_data(config, source, progress), first


def _deliver(trained: Trained, opened: Opened, record: RunDirectory, progress: Progress) -> Result:
    """Evaluates, records and exports what was trained."""
    config, splits = opened.config, trained.splits
    record.add_seconds(trained.seconds)
    if config.label_issues:
        write_label_issues(trained, splits, config.seed, record, progress)
    trained = (delivered := deliver(trained, record, progress, config)).trained
    metrics, test = score(delivered, record, progress, exact=config.is_exact, seed=config.seed)
    metrics |= repeat(Repeats(config, splits), delivered, test, record, progress)
    record.save_model(trained.classifier, model_card(splits.source, config, metrics))
    record.write_receipt()
    record.write_metrics(metrics)
    with failure_reported(record.path, record, splits.source, progress):
        if exported := export_trained(delivered, opened, metrics, test, progress):
            record.add_export(exported.path, exported.formats)
    return Result(metrics, trained.classifier, record.path, exported.path if exported else None)


def _begin(
    opened: Opened, splits: Splits, network: Network, *, started: float, progress: Progress
) -> RunDirectory:
    """Opens the record, and writes what is known before training."""
    config = opened.config
    record = RunDirectory(pathlib.Path(config.run_dir))
    num_images = len(splits.source)
    needed = bytes_to_write(network, config.phases, config.optimizer, num_images=num_images)
    check_room(
        run_room(record.path, needed),
        *export_room(config, num_weights=network.model.count_params()),
    )
    record.begin(opened, splits, network.fingerprint(), started=started, progress=progress)
    found = find_misleading(splits, seed=config.seed)
    record.write_misleading(HEADER, [dataclasses.astuple(one) for one in found])
    for line in warn_of_misleading(found):
        progress.line(line)
    return record
