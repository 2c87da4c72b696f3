"""A search from its config to its best settings, trained and tested: start here for searches.

The whole state of a search is in its directory (`directory`): the log of which trials began and
ended (`event_log`), and the files of each trial (`trials`). A trial's values follow only from the
log (`proposals`), and locks show which trials still run (`assignments`). So a search continues
after a crash by doing the same as at its start, and other processes can take part at any time.
"""

import contextlib
import dataclasses
import functools
import json
import math
import pathlib
from collections.abc import Iterator
from typing import Any

from kerastl.config import Config
from kerastl.data.finding import given_or_found
from kerastl.data.opening import open_data
from kerastl.data.source import Source
from kerastl.data.splits import Splits, baseline_accuracy
from kerastl.errors import KerastlError
from kerastl.model.backbones import bundled_size_note
from kerastl.model.network import First
from kerastl.outputs.directories import clear
from kerastl.outputs.made_of import MADE_OF, describe_data, find_changed
from kerastl.progress import Progress, count_of, format_duration
from kerastl.recipes.following import first_settings
from kerastl.result import Result
from kerastl.settings import Decides
from kerastl.short_form import ShortForm
from kerastl.tuning.assignments import Assignments
from kerastl.tuning.baseline import with_choices
from kerastl.tuning.board import Board, Budget, best_words
from kerastl.tuning.default_space import open_space
from kerastl.tuning.directory import DIRECTORY, SearchFile, check_same, describe, empty
from kerastl.tuning.final_run import comparison_words, run_best
from kerastl.tuning.loop import TrialRunner, run_trials, wait_for_chief, watch_trials
from kerastl.tuning.proposals import Proposals
from kerastl.tuning.search_files import SearchFiles
from kerastl.tuning.space import Space
from kerastl.tuning.task import Task, is_chief, is_worker
from kerastl.tuning.trainer import InProcess, Trainer, without_test
from kerastl.tuning.training_process import Runner, TrainingProcess
from kerastl.tuning.trials import COMPLETED, Trial, TrialFiles, short_words
from kerastl.writing import finally_call, replace_text


@dataclasses.dataclass(frozen=True, eq=False)
class Found(ShortForm):
    """Result of a search.

    Attributes:
        trials: All that have ended, by their numbers.
        best: The config of the best one; its run_dir is a new one below that of the search.
        run: Its final run; None without one.
        comparison: Test accuracy of the final run, of the baseline flags, and their paired
            difference with its 95 % interval; None without a final run, or if the baseline flags
            failed.
    """

    trials: dict[int, Trial]
    best: Config
    run: Result | None
    comparison: dict[str, Any] | None

    def lines(self) -> Iterator[str]:
        """Yields the trials, and the scores of the final run beside those of the flags as given."""
        failed = sum(trial.status != COMPLETED for trial in self.trials.values())
        yield f"{count_of(len(self.trials), 'trial')}, of which {failed} failed."
        if self.run:
            yield from self.run.lines()
            yield comparison_words(self.comparison)


def search(
    task: Task, *, source: Source | None, process: TrainingProcess | None, progress: Progress
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
        KerastlError: If a file or download is missing or unusable, or the first trials all fail.
    """
    config = task.config
    found = given_or_found(source, config, progress)
    first = None if is_worker(task.role) else First(first_settings(config))
    splits = open_data(config, found, progress)
    task = with_choices(task, splits, progress, first)
    if process:
        # Only now, when the inspection of the images is cached.
        process.open(task.config, describe_data(splits))
    this = _Search(task, open_space(task.config, task.space), splits, progress)
    runner: Runner = process or InProcess(Trainer(without_test(splits)))
    if is_worker(task.role):
        this.work(runner)
        return None
    with _resuming_explained(overwrites=task.config.overwrite):
        this.begin()
        this.run(runner)
        runner.close()
        return this.finish(source)


@dataclasses.dataclass(frozen=True, eq=False)
class _Search:
    """One search in its directory, as this process sees it."""

    task: Task
    space: Space
    splits: Splits
    progress: Progress

    def begin(self) -> None:
        """Starts a new search, or checks that the one in the directory is the same."""
        config, path = self.task.config, self._directory / SearchFile.ABOUT
        if config.overwrite:
            empty(self._directory)
            clear(self._directory.parent)
        elif path.exists():
            self._check_same()
        self._trials_directory.mkdir(exist_ok=True)
        about = self._settings | {MADE_OF: self._made_of}
        replace_text(path, json.dumps(about, indent=2) + "\n", field="run_dir")

    def run(self, runner: Runner) -> None:
        """Runs the trials that are left, here or in other processes."""
        with finally_call(self.board.finish):
            self._print_start()
            self._assignments.open()
            with finally_call(self._assignments.close):
                if is_chief(self.task.role):
                    self.progress.line(f"Waiting for workers in {self._directory}.")
                    timed_out = watch_trials(self.board, self._assignments)
                else:
                    timed_out = self._run_trials(runner)
        self._print_end(timed_out)

    def work(self, runner: Runner) -> None:
        """Runs trials of a search that another process owns, until none are left."""
        config, role = self.task.config, self.task.role
        self.progress.line(f"{role} works for the chief in {self._directory}.")
        self._trials_directory.mkdir(exist_ok=True)
        wait_for_chief(self._assignments.is_open, run_dir=config.run_dir)
        self._check_same()
        timed_out = self._run_trials(runner)
        self.progress.line(
            f"{role} has run {count_of(self._budget.num_trials, 'trial')}; "
            f"{'the budget is used up' if timed_out else 'the chief has no more'}."
        )

    def finish(self, source: Source | None) -> Found:
        """Trains and tests the best settings, and compares them with the baseline flags."""
        config, options = self.task.config, self.task.options
        ranking, first = self.board.ranking, self.board.trials.get(0)
        if not ranking:
            raise KerastlError(
                "trials: none has completed, so there are no best settings. "
                + (f"Trial 0: {first.reason}" if first else "Give more --budget.")
            )
        run_dir = self._directory.parent / "best"
        best = ranking[0].trial.config
        best = best.changed("search", run_dir=str(run_dir), overwrite=False)
        if not options.final_run:
            return Found(self.board.trials, best, None, None)
        run_dir = self._directory.parent
        final = best.changed(
            "search", run_dir=str(run_dir), export_dir=config.export_dir, overwrite=True
        )
        baseline = dataclasses.replace(config, best_by=options.best_by)
        can_compare = first is None or first.status == COMPLETED
        result, comparison = run_best(
            final,
            baseline if can_compare else None,
            self.splits,
            source=source,
            progress=self.progress,
        )
        return Found(self.board.trials, best, result, comparison)

    @property
    def _directory(self) -> pathlib.Path:
        return pathlib.Path(self.task.config.run_dir) / DIRECTORY

    @property
    def _trials_directory(self) -> pathlib.Path:
        return self._directory / SearchFile.TRIALS

    def _check_same(self) -> None:
        """Refuses a search in the directory that was made for other settings or images."""
        config = self.task.config
        known = check_same(self._directory / SearchFile.ABOUT, self._settings, config.run_dir)
        # Earlier versions of kerastl keep the data alone.
        made_of = known.get(MADE_OF, {"data": known.get("data", "")})
        what = f"the search in {config.run_dir}"
        flags = config.deciding(Decides.IMAGES, Decides.FEATURES)
        if error := find_changed(made_of, self._made_of, flags, what=what):
            raise error

    @functools.cached_property
    def _settings(self) -> dict[str, Any]:
        return describe(self.space, self.task.options)

    @functools.cached_property
    def _made_of(self) -> dict[str, str]:
        return describe_data(self.splits)

    # These read the directory at their first use, which is after `begin`, here or in the chief.

    @functools.cached_property
    def board(self) -> Board:
        """All trials that have ended."""
        options = self.task.options
        files = SearchFiles(
            self._directory.parent,
            self.space,
            options,
            self.splits,
            are_kept=not is_worker(self.task.role),
        )
        return Board(self._files, files, self._budget, options, self.progress)

    @functools.cached_property
    def _files(self) -> TrialFiles:
        return TrialFiles(self._trials_directory)

    @functools.cached_property
    def _budget(self) -> Budget:
        task = self.task
        final_run = task.options.final_run
        return Budget(began=task.began, deadline=task.deadline, final_run=final_run)

    @functools.cached_property
    def _assignments(self) -> Assignments:
        proposals = Proposals(self.space, self.task.options)
        return Assignments(self._directory, proposals, self._files, self.task.options)

    def _run_trials(self, runner: Runner) -> bool:
        trial_runner = TrialRunner(
            self.space, self.task.options, self._files, runner, self.progress
        )
        return run_trials(self.board, self._assignments, trial_runner, name=self.task.role)

    def _print_start(self) -> None:
        options = self.task.options
        self.progress.line(
            f"Search: {options.tuner}, at most {count_of(options.max_trials, 'trial')} by "
            f"{options.objective} on {len(self.splits.validation)} validation images, of"
        )
        for name, text in self.space.to_text().items():
            self.progress.line(f"  {name}={text}")
        if options.objective == "val_accuracy":
            baseline = baseline_accuracy(self.splits, self.splits.validation)
            self.progress.line(
                f"Baseline accuracy {baseline:.4f}, for always naming the largest class."
            )
        for size in self.space.image_sizes():
            if note := bundled_size_note(self.task.config.weights, size):
                self.progress.line(f"Warning: {note}.")
        if known := len(self.board.trials):
            left = max(options.max_trials - known, 0)
            self.progress.line(
                f"{count_of(known, 'trial')} found in {self._directory}, "
                f"{left or 'none'} left. --overwrite starts over."
            )
            if left and math.isfinite(seconds := self._budget.seconds_left):
                self.progress.line(f"{format_duration(seconds)} of the budget are left.")

    def _print_end(self, timed_out: bool) -> None:
        trials, options = self.board.trials, self.task.options
        words = count_of(len(trials), "trial")
        if failed := len(trials) - len(self.board.ranking):
            words += f", {failed} of them failed"
        if timed_out:
            words += "; the budget is used up"
        elif len(trials) < options.max_trials:
            words += "; there are no other settings to try"
        self.progress.line(f"{words}.")
        if self.board.ranking:
            self.progress.line(best_words(self.board.ranking, options.objective))
            if words := short_words(self.board.ranking[0].trial, self.task.config):
                self.progress.line(f"{words[0].upper()}{words[1:]}")
        self.progress.line(
            f"Tables and chart are in {self._directory}; best.flags there runs as it is."
        )


@contextlib.contextmanager
def _resuming_explained(*, overwrites: bool) -> Iterator[None]:
    """Adds to an interrupt how to continue the search."""
    try:
        yield
    except KeyboardInterrupt as stop:
        without = ", without --overwrite," if overwrites else ""
        stop.args = (f"The same command{without} continues the search.",)
        raise
