"""A search from its config to its best settings, trained and tested: read this first."""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator
from typing import Any

from kerastl.config import Config
from kerastl.data.opening import open_data
from kerastl.data.source import Source
from kerastl.data.splits import Splits
from kerastl.errors import KerastlError
from kerastl.model.backbones import bundled_size_note
from kerastl.outputs.directories import clear
from kerastl.progress import Progress, count_of
from kerastl.run import Result
from kerastl.tuning.assignments import Assignments
from kerastl.tuning.blocks import check_blocks, list_blocks
from kerastl.tuning.board import Board, best_words
from kerastl.tuning.budget import Budget
from kerastl.tuning.default_space import default_space
from kerastl.tuning.directory import ABOUT, DIRECTORY, check_same, describe, empty
from kerastl.tuning.final_run import run_best
from kerastl.tuning.hyperparameters import longest
from kerastl.tuning.in_process import InProcess
from kerastl.tuning.loop import TrialRunner, run_trials, wait_for_chief, watch_trials
from kerastl.tuning.proposals import Proposals
from kerastl.tuning.roles import is_chief, is_worker
from kerastl.tuning.search_files import SearchFiles
from kerastl.tuning.space import Space
from kerastl.tuning.task import Task
from kerastl.tuning.trainer import Trainer, without_test
from kerastl.tuning.trials import COMPLETED, Trial, TrialFiles
from kerastl.tuning.worker import Runner, WorkerProcess
from kerastl.writing import finally_call, replace_text


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """Result of a search.

    Attributes:
        trials: All that have ended, by their numbers.
        best: The config of the best one; its run_dir is a new one below that of the search.
        run: Its final run; None without one.
        comparison: Test accuracy of the final run, of the flags as given, and their paired
            difference with its 95 % interval; None without a final run, or if the flags as given
            failed.
    """

    trials: dict[int, Trial]
    best: Config
    run: Result | None
    comparison: dict[str, Any] | None


def search(
    task: Task, *, source: Source | None, process: WorkerProcess | None, progress: Progress
) -> Found | None:
    """Searches; `kerastl.tune` prepares for it.

    Args:
        task: What to search.
        source: Images from Python, if the data set of `task` is "python".
        process: Trains, if this process does not.
        progress: Reports.

    Returns:
        What was found; None for a worker.

    Raises:
        KerastlError: If something is not as needed, or the first trials all fail.
    """
    splits = open_data(task.config, source, progress)
    if process:
        # Only now, when the inspection of the images is remembered.
        process.open()
    this = _Search(task, open_space(task.config, task.space), splits, source, progress)
    runner: Runner = process or InProcess(Trainer(without_test(splits)))
    if is_worker(task.role):
        this.work(runner)
        return None
    with _resuming_explained(task.config):
        this.begin()
        this.run(runner)
        runner.close()
        return this.finish()


def open_space(config: Config, space: Space | None) -> Space:
    """Returns what is searched, after checking the names of blocks in it.

    Raises:
        UsageError: If no backbone of the space has one of them.
    """
    if space is None:
        return default_space(config, list_blocks(config.backbone, config.image_size))
    check_blocks(space)
    return space


class _Search:
    """One search, between its beginning and its end."""

    def __init__(
        self,
        task: Task,
        space: Space,
        splits: Splits,
        source: Source | None,
        progress: Progress,
    ) -> None:
        self._config = task.config
        self._options = task.options
        self._role = task.role
        self._budget = Budget(task.deadline, final_run=task.options.final_run)
        self._space = space
        self._splits = splits
        self._source = source
        self._progress = progress
        self._run_dir = pathlib.Path(task.config.run_dir)
        self._directory = self._run_dir / DIRECTORY

    def begin(self) -> None:
        """Starts anew, or checks that the search in the directory is the same."""
        about = self._about()
        path = self._directory / ABOUT
        if self._config.overwrite:
            empty(self._directory)
            clear(self._run_dir)
        elif path.exists():
            check_same(path, about, self._config)
        self._trials_directory.mkdir(exist_ok=True)
        replace_text(path, json.dumps(about, indent=2) + "\n", field="run_dir")

    def run(self, runner: Runner) -> None:
        """Runs the trials that are left, here or in other processes."""
        files = TrialFiles(self._trials_directory)
        assignments = self._assignments(files)
        self.board = self._open_board(files)
        with finally_call(self.board.finish):
            self._print_start()
            assignments.open()
            with finally_call(assignments.close):
                if is_chief(self._role):
                    self._progress.line(f"Waiting for workers in {self._directory}.")
                    timed_out = watch_trials(self.board, assignments)
                else:
                    timed_out = self._run_trials(assignments, files, runner)
        self._print_end(timed_out)

    def work(self, runner: Runner) -> None:
        """Runs trials of a search that another process owns, until there are no more."""
        self._progress.line(f"{self._role} works for the chief in {self._directory}.")
        self._trials_directory.mkdir(exist_ok=True)
        files = TrialFiles(self._trials_directory)
        assignments = self._assignments(files)
        wait_for_chief(assignments, run_dir=self._config.run_dir)
        check_same(self._directory / ABOUT, self._about(), self._config)
        self.board = self._open_board(files, are_kept=False)
        timed_out = self._run_trials(assignments, files, runner)
        self._progress.line(
            f"{self._role} has run {count_of(self._budget.num_trials, 'trial')}; "
            f"{'the budget is used up' if timed_out else 'the chief has no more'}."
        )

    def finish(self) -> Found:
        """Trains and tests the best settings, and compares them with the flags as given."""
        standings, first = self.board.standings, self.board.trials.get(0)
        if not standings:
            raise KerastlError(
                "No trial has completed, so there are no best settings."
                + (f" Trial 0: {first.reason}" if first else "")
            )
        best = dataclasses.replace(
            standings[0].trial.config, run_dir=str(self._run_dir / "best"), overwrite=False
        )
        result = comparison = None
        if self._options.final_run:
            final = dataclasses.replace(
                best, run_dir=str(self._run_dir), export_dir=self._config.export_dir, overwrite=True
            )
            given = dataclasses.replace(self._space.config, best_by=self._options.best_by)
            can_compare = first is None or first.status == COMPLETED
            result, comparison = run_best(
                final,
                given if can_compare else None,
                self._splits,
                source=self._source,
                progress=self._progress,
            )
        return Found(self.board.trials, best, result, comparison)

    @property
    def _trials_directory(self) -> pathlib.Path:
        return self._directory / "trials"

    def _about(self) -> dict[str, Any]:
        data = {"data": self._splits.source.fingerprint()}
        return describe(self._space, self._options) | data

    def _assignments(self, files: TrialFiles) -> Assignments:
        proposals = Proposals(self._space, self._options, max_epochs=longest(self._space))
        return Assignments(self._directory, proposals, files, self._options)

    def _run_trials(self, assignments: Assignments, files: TrialFiles, runner: Runner) -> bool:
        trial_runner = TrialRunner(
            self._space, self._options, longest(self._space), files, runner, self._progress
        )
        return run_trials(self.board, assignments, trial_runner, name=self._role)

    def _open_board(self, files: TrialFiles, *, are_kept: bool = True) -> Board:
        summary = SearchFiles(
            self._run_dir, self._space, self._options, self._splits, are_kept=are_kept
        )
        return Board(files, summary, self._budget, self._options, self._progress)

    def _print_start(self) -> None:
        options = self._options
        self._progress.line(
            f"Search: {options.tuner}, at most {count_of(options.max_trials, 'trial')} by "
            f"{options.objective} on {len(self._splits.validation)} validation images, of"
        )
        for name, text in self._space.to_text().items():
            self._progress.line(f"  {name}={text}")
        for size in self._space.image_sizes():
            if note := bundled_size_note(self._config.weights, size):
                self._progress.line(f"Warning: {note}.")
        if known := len(self.board.trials):
            left = max(options.max_trials - known, 0)
            self._progress.line(
                f"{count_of(known, 'trial')} found in {self._directory}, "
                f"{left or 'none'} left. --overwrite starts anew."
            )

    def _print_end(self, timed_out: bool) -> None:
        trials, options = self.board.trials, self._options
        words = count_of(len(trials), "trial")
        if failed := len(trials) - len(self.board.standings):
            words += f", {failed} of them failed"
        if timed_out:
            words += "; the budget is used up"
        elif len(trials) < options.max_trials:
            words += "; there are no other settings to try"
        self._progress.line(f"{words}.")
        if self.board.standings:
            self._progress.line(best_words(self.board.standings, options.objective))
        self._progress.line(
            f"Tables and chart are in {self._directory}; best.flags there runs as it is."
        )


@contextlib.contextmanager
def _resuming_explained(config: Config) -> Iterator[None]:
    """Adds to an interrupt how to continue the search."""
    try:
        yield
    except KeyboardInterrupt as stop:
        without = ", without --overwrite," if config.overwrite else ""
        stop.args = (f"The same command{without} continues the search.",)
        raise
