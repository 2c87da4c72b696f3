"""Searches whose trials train nothing: a function of the config says what each would have given."""

import csv
import dataclasses
import io
import math
import pathlib

import numpy as np

import fakes
import kerastl
from kerastl.config import Config
from kerastl.data.splits import make_splits
from kerastl.progress import Progress
from kerastl.tuning.assignments import Assignments
from kerastl.tuning.board import Board, Budget
from kerastl.tuning.loop import TrialRunner, run_trials
from kerastl.tuning.proposals import Proposals
from kerastl.tuning.search_files import SearchFiles
from kerastl.tuning.search_options import SearchOptions
from kerastl.tuning.space_parser import read_space
from kerastl.tuning.task import ALONE
from kerastl.tuning.training_process import TrialFailed
from kerastl.tuning.trials import Scored, TrialFiles
from kerastl.writing import finally_call

RATES = {"head_learning_rate": "log(0.0001,1)", "dropout": "uniform(0,0.5)"}
HEAD = {"head_learning_rate": "log(0.001,0.3)", "dropout": "choice(0.0,0.3)"}
GRID = SearchOptions(tuner="grid", max_trials=3, final_run=False)


class Killed(Exception):  # noqa: N818  no error of the search's
    """The process ends here."""


class FakeRunner:
    """Scores by a function of the config; remembers what it trained."""

    def __init__(self, accuracy, labels, *, dies_at=None):
        self.trained = []
        self._accuracy = accuracy
        self._labels = labels
        self._dies_at = dies_at

    def train(self, config, log_path, status):
        if len(self.trained) == self._dies_at:
            raise Killed
        self.trained.append(config)
        accuracy = self._accuracy(config)
        if isinstance(accuracy, str):
            raise TrialFailed(accuracy)
        predicted = self._labels.copy()
        wrong = 0 if math.isnan(accuracy) else round(len(predicted) * (1 - accuracy))
        predicted[:wrong] = (predicted[:wrong] + 1) % 3
        losses = np.where(predicted == self._labels, 0.1, 2.0)
        scores = {
            "val_accuracy": accuracy,
            "val_loss": float(losses.mean()),
            "val_balanced_accuracy": accuracy,
            "val_macro_f1": accuracy,
        }
        return Scored(scores, predicted, losses)


@dataclasses.dataclass
class FakeSearch:
    """One process's part of a search in a directory."""

    directory: pathlib.Path
    ranges: dict
    accuracy: object
    options: SearchOptions
    config: Config
    lines: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        config = dataclasses.replace(self.config, run_dir=str(self.directory))
        self.space = read_space(self.ranges, config)
        self.splits = make_splits(fakes.color_source(per_class=40), config)
        self.labels = self.splits.source.labels[self.splits.validation]
        self.trial_files = self.directory / "tuning" / "trials"
        self.trial_files.mkdir(parents=True, exist_ok=True)

    def board(self, deadline=math.inf, *, are_kept=True, began=0.0):
        return Board(
            TrialFiles(self.trial_files),
            SearchFiles(self.directory, self.space, self.options, self.splits, are_kept=are_kept),
            Budget(began=began, deadline=deadline, final_run=self.options.final_run),
            self.options,
            self.progress,
        )

    @property
    def progress(self):
        progress = Progress()
        progress.line = self.lines.append
        return progress

    def assignments(self):
        proposals = Proposals(self.space, self.options)
        return Assignments(
            self.directory / "tuning", proposals, TrialFiles(self.trial_files), self.options
        )

    def trial_runner(self, runner):
        return TrialRunner(
            self.space,
            self.options,
            TrialFiles(self.trial_files),
            runner,
            self.progress,
        )

    def run(self, *, dies_at=None, deadline=math.inf):
        """Runs what is left; returns the configs that were trained, and whether time ended it."""
        board = self.board(deadline)
        runner = FakeRunner(self.accuracy, self.labels, dies_at=dies_at)
        assignments = self.assignments()
        assignments.open()
        with finally_call(board.finish):
            self.timed_out = run_trials(board, assignments, self.trial_runner(runner), name=ALONE)
        self.trials = board.trials
        self.ranking = board.ranking
        return runner.trained


def rows_of(directory, name="trials.csv"):
    with open(directory / "tuning" / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def search(directory, ranges, accuracy, config=None, **options):
    config = config or Config(
        run_dir=str(directory), dataset="digits", validation_fraction=0.3, head_epochs=10
    )
    return FakeSearch(directory, ranges, accuracy, SearchOptions(**options), config)


def by_rate(config):
    """Best at a rate of 0.03 and no dropout."""
    return 0.9 - 0.1 * abs(math.log10(config.head_learning_rate / 0.03)) - 0.2 * config.dropout


def settings(config):
    return dataclasses.replace(config, run_dir="x", best_by="accuracy")


def tune(config, source, space=None, options=None):
    """Searches; returns what was found and what was printed."""
    printed = io.StringIO()
    found = kerastl.tune(
        config, space or HEAD, options, source=source, progress=kerastl.Progress(printed)
    )
    return found, printed.getvalue()


def log(config, number):
    return pathlib.Path(config.run_dir, f"tuning/trials/{number:04d}.log").read_text("utf-8")
