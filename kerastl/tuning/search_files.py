"""The tables and chart in RUN_DIR/tuning, rewritten in the background after each trial."""

import concurrent.futures
import dataclasses
import math
import pathlib
from collections.abc import Sequence

from kerastl.data.splits import Splits
from kerastl.tuning.directory import DIRECTORY, SearchFile
from kerastl.tuning.importance import Importance, measure_importance
from kerastl.tuning.search_chart import draw_search
from kerastl.tuning.search_options import OBJECTIVES, SearchOptions
from kerastl.tuning.significance import RankedTrial, order
from kerastl.tuning.space import Space
from kerastl.tuning.trials import FAILED, Trial, short_words
from kerastl.writing import csv_text, replace_text


class SearchFiles:
    """Writes a search's files, each of which appears whole or not at all."""

    def __init__(
        self,
        run_dir: pathlib.Path,
        space: Space,
        options: SearchOptions,
        splits: Splits,
        *,
        are_kept: bool = True,
    ) -> None:
        """Writes nothing yet.

        Args:
            run_dir: The run directory; the files go to its `tuning` folder, which exists.
            space: The ranges that are searched.
            options: The tuner and the objective.
            splits: The images; trials are compared on those of validation.
            are_kept: Whether anything is written; of several machines only the chief writes.
        """
        self.are_kept = are_kept
        self._run_dir = run_dir
        self._space = space
        self._options = options
        self._labels = splits.source.labels[splits.validation]
        self._source_name = splits.source.name
        self._writer = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self._writing: concurrent.futures.Future[None] | None = None

    def write(self, trials: Sequence[Trial], seconds: float) -> list[RankedTrial]:
        """Starts to write all files in the background, see `finish`; first finishes the last ones.

        Args:
            trials: Those that ended.
            seconds: What the search has taken.

        Returns:
            The completed trials in order, the best first.
        """
        ranking = order(list(trials), self._labels, self._options)
        if self.are_kept:
            self.finish()
            self._writing = self._writer.submit(self._write_all, trials, ranking, seconds)
        return ranking

    def finish(self) -> None:
        """Waits until all files are written; raises KerastlError if one could not be."""
        writing, self._writing = self._writing, None
        if writing:
            writing.result()

    def _write_all(
        self, trials: Sequence[Trial], ranking: Sequence[RankedTrial], seconds: float
    ) -> None:
        importances = measure_importance(trials, self._space, self._options)
        failed = sorted(
            (trial for trial in trials if trial.status == FAILED), key=lambda trial: trial.number
        )
        title = f"Settings for {self._source_name}"
        texts = {
            SearchFile.SECONDS: f"{seconds:.1f}\n",
            SearchFile.TABLE: self._table(ranking, failed),
            SearchFile.IMPORTANCE: _importance_table(importances, self._space),
            SearchFile.CHART: draw_search(ranking, failed, self._space, self._options, title=title),
        }
        if ranking:
            texts[SearchFile.BEST] = self._best_flags(ranking)
        for name, text in texts.items():
            replace_text(self._run_dir / DIRECTORY / name, text, field="run_dir")

    def _table(self, ranking: Sequence[RankedTrial], failed: Sequence[Trial]) -> str:
        objectives = list(dict.fromkeys([self._options.objective, *OBJECTIVES]))
        header = (
            *("trial", "status", "reason", *objectives),
            *("behind", "behind_low", "behind_high", "tie"),
            *("epochs", "epochs_requested", "seconds"),
            *self._space.dimensions,
        )
        compared: list[tuple[Trial, tuple[object, ...]]] = [
            (ranked.trial, _comparison(ranked)) for ranked in ranking
        ]
        # How far a failed trial came is not known.
        compared += [(trial, ("",) * 6) for trial in failed]
        return csv_text(
            header,
            (
                (
                    trial.number,
                    trial.status,
                    trial.reason,
                    *(_number(trial.scores.get(name, math.nan)) for name in objectives),
                    *comparison,
                    f"{trial.seconds:.1f}",
                    *(trial.values.get(name, "") for name in self._space.dimensions),
                )
                for trial, comparison in compared
            ),
        )

    def _best_flags(self, ranking: Sequence[RankedTrial]) -> str:
        best = ranking[0].trial
        ties = sum(ranked.is_tie for ranked in ranking) - 1
        objective = self._options.objective
        comments = [
            f"Trial {best.number}, the best of {len(ranking)} on {self._source_name}:",
            f"{objective} {best.scores[objective]:.4f} on {len(self._labels)} validation images, "
            "which also chose it,",
            f"measured with {best.epochs_in_words}.",
            f"{ties or 'No'} other{'s are' if ties > 1 else ' is'} not clearly worse.",
        ]
        if words := short_words(best, self._space.config):
            comments.append(f"Note: {words}")
        config = dataclasses.replace(best.config, run_dir=str(self._run_dir / "best"))
        return config.to_flagfile(comments)


def _comparison(ranked: RankedTrial) -> tuple[object, ...]:
    """Returns the cells from "behind" to "epochs_requested" of a completed trial."""
    distances = map(_number, (ranked.behind, ranked.low, ranked.high))
    return (*distances, int(ranked.is_tie), ranked.trial.epochs, ranked.trial.epochs_requested)


def _importance_table(importances: Sequence[Importance], space: Space) -> str:
    rows = [(known.name, _number(known.value), _number(known.deviation)) for known in importances]
    unknown = [name for name in space.dimensions if name not in {known[0] for known in rows}]
    rows += [(name, "", "") for name in unknown]
    return csv_text(("setting", "importance", "deviation"), rows)


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.6g}"
