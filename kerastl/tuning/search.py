"""A search from its config to its best settings, trained and tested: read this first."""

import contextlib
import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kerastl import environment
from kerastl.api import check_source, run
from kerastl.config import Config
from kerastl.errors import KerastlError
from kerastl.model.backbones import bundled_size_note, check_weights, find_backbone
from kerastl.outputs.directories import RunFile, clear, make_writable, writable_directory
from kerastl.progress import Progress, count_of
from kerastl.run import Result
from kerastl.tuning import machines
from kerastl.tuning.directory import (
    ABOUT,
    DIRECTORY,
    NATIVE_LOG,
    alone,
    check_length,
    check_same,
    describe,
    empty,
    look_into,
)
from kerastl.tuning.isolation import Here, Isolated, Runner
from kerastl.tuning.options import SearchOptions
from kerastl.tuning.space import Space, default_space, read_space
from kerastl.writing import in_the_end, replace_text

if TYPE_CHECKING:
    from kerastl.data.source import Source
    from kerastl.data.splits import Splits
    from kerastl.tuning.hypermodel import TransferHyperModel
    from kerastl.tuning.loop import Board
    from kerastl.tuning.trials import Trial

_FINAL = "final.json"


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """What a search gives back.

    Attributes:
        trials: All that have ended, by their numbers.
        best: The config of the best one; its run_dir is a new one below that of the search.
        run: Its final run, None without one.
        gain: Test accuracy of the final run, of the flags as given, and their paired difference
            with its 95 % interval; None without a final run, or where the flags as given failed.
    """

    trials: "dict[int, Trial]"
    best: Config
    run: Result | None
    gain: dict[str, Any] | None


def tune(
    config: Config,
    space: Mapping[str, str] | None = None,
    options: SearchOptions | None = None,
    *,
    source: "Source | None" = None,
    progress: Progress | None = None,
) -> Found | None:
    """Searches for the best settings, trains them once more and tests them.

    A search that was cut off goes on where it was. Where keras-tuner's environment variables say
    so, this process is the chief of a search on several machines, or one of its workers.

    Args:
        config: The flags as given: the first trial, and what the space leaves open.
        space: Flag -> its values, as in `{"dropout": "uniform(0,0.5)"}`; a default by default.
        options: Which tuner, for what objective, for how many trials.
        source: Images from Python, where `config.dataset` is "python".
        progress: Where to report; standard output by default, `Progress()` for silence.

    Returns:
        What was found; None for a worker.

    Raises:
        UsageError: If a value is wrong; as far as possible before TensorFlow is imported.
        KerastlError: If something outside is not as needed, or the first trials all fail.
    """
    options = options or SearchOptions()
    progress = Progress(sys.stdout) if progress is None else progress
    deadline = time.monotonic() + options.budget
    known_space = _check(config, space, source)
    role = machines.find_role()
    run_dir = pathlib.Path(config.run_dir)
    check_length(run_dir)
    if not machines.is_worker(role):
        look_into(run_dir, known_space, config, options)
    with contextlib.ExitStack() as stack:
        stack.enter_context(writable_directory(run_dir, field="run_dir"))
        if cache := config.cache_path or config.memory_path:
            make_writable(cache, field="cache_dir")
        directory = run_dir / DIRECTORY
        directory.mkdir(exist_ok=True)
        if not machines.is_worker(role):
            stack.enter_context(alone(directory))
        isolated = None
        if source is None and not machines.is_chief(role):
            # Now, so that it brings TensorFlow up beside this process.
            isolated = Isolated(config, directory / NATIVE_LOG)
            stack.enter_context(contextlib.closing(isolated))
        with environment.ready(config.precision, config.seed, progress):
            splits = _read(config, source, isolated, progress)
            known_space = known_space or _default_space(config)
            search = _Search(config, known_space, options, splits, progress, deadline)
            runner = isolated or _here(splits)
            if machines.is_worker(role):
                search.work(runner, role)
                return None
            with _how_to_go_on(config):
                search.begin()
                search.run(runner, role)
                runner.close()
                return search.finish(source)


def hypermodel(
    config: Config,
    space: Mapping[str, str] | None = None,
    *,
    source: "Source | None" = None,
    progress: Progress | None = None,
) -> "TransferHyperModel":
    """Gives the runs of a search space as keras-tuner's hypermodel, for a tuner of one's own.

    Args:
        config: The flags as given, the images among them.
        space: As `tune` takes it.
        source: Images from Python, where `config.dataset` is "python".
        progress: Where to say what is read; standard output by default, `Progress()` for silence.

    Raises:
        UsageError: If a value is wrong.
        KerastlError: If something outside is not as needed.
    """
    progress = Progress(sys.stdout) if progress is None else progress
    known_space = _check(config, space, source)
    environment.prepare(progress)
    from kerastl.data.opening import open_data  # noqa: PLC0415  as in _Search
    from kerastl.tuning.blocks import check_blocks  # noqa: PLC0415
    from kerastl.tuning.hypermodel import TransferHyperModel  # noqa: PLC0415

    splits = open_data(config, source, progress)
    known_space = known_space or _default_space(config)
    check_blocks(known_space)
    return TransferHyperModel(known_space, splits)


def _check(
    config: Config, space: Mapping[str, str] | None, source: "Source | None"
) -> Space | None:
    """Refuses what is wrong before anything slow; reads the space if one is given."""
    check_source(config, source)
    find_backbone(config.backbone, image_size=config.image_size)
    check_weights(config.weights)
    return None if space is None else read_space(space, config)


class _Search:
    """One search, between its beginning and its end."""

    def __init__(
        self,
        config: Config,
        space: Space,
        options: SearchOptions,
        splits: "Splits",
        progress: Progress,
        deadline: float,
    ) -> None:
        # Only now, since these import Keras, which takes its backend when it is imported.
        from kerastl.tuning.blocks import check_blocks  # noqa: PLC0415

        self._config = config
        self._space = space
        self._options = options
        self._splits = splits
        self._progress = progress
        self._deadline = deadline
        self._run_dir = pathlib.Path(config.run_dir)
        self._directory = self._run_dir / DIRECTORY
        self._max_epochs = _longest(space)
        check_blocks(space)

    def _about(self) -> dict[str, Any]:
        data = {"data": self._splits.source.fingerprint()}
        return describe(self._space, self._options) | data

    def begin(self) -> None:
        """Starts anew, or checks that the search in the directory is the same."""
        about = self._about()
        path = self._directory / ABOUT
        if self._config.overwrite:
            empty(self._directory)
            clear(self._run_dir)
        elif path.exists():
            check_same(path, about, self._config)
        (self._directory / "trials").mkdir(exist_ok=True)
        replace_text(path, json.dumps(about, indent=2) + "\n", field="run_dir")

    def run(self, runner: Runner, role: str) -> None:
        """Runs the trials that are left, here or on other machines."""
        from kerastl.tuning.loop import run_trials  # noqa: PLC0415  as in __init__
        from kerastl.tuning.oracle import build_oracle  # noqa: PLC0415

        self.board = self._open_board()
        with in_the_end(self.board.finish):
            oracle = build_oracle(
                self._options, self._space, self._directory, max_epochs=self._max_epochs
            )
            oracle.resume(self.board.trials, self._space)
            self._tell_start()
            if machines.is_chief(role):
                self._progress.line(f"Waiting for workers at {machines.address()}.")
                timed_out = machines.serve(oracle, self.board.look, self.board.has_time)
                self.board.look()
            else:
                timed_out = run_trials(
                    self.board, oracle, runner, role, max_epochs=self._max_epochs
                )
        self._tell_end(timed_out)

    def work(self, runner: Runner, role: str) -> None:
        """Runs trials for a chief until it has no more."""
        from kerastl.tuning.loop import run_trials  # noqa: PLC0415  as in __init__
        from kerastl.tuning.oracle import build_oracle  # noqa: PLC0415

        self._progress.line(f"{role} works for the chief at {machines.address()}.")
        with machines.explained():
            oracle = machines.connect(
                build_oracle(
                    self._options, self._space, self._directory, max_epochs=self._max_epochs
                )
            )
            # The answer says that there is a chief, which has written what its search is.
            oracle.get_space()
            about = self._about()
            check_same(self._directory / ABOUT, about, self._config)
            self.board = self._open_board(are_kept=False)
            timed_out = run_trials(self.board, oracle, runner, role, max_epochs=self._max_epochs)
        self._progress.line(
            f"{role} has run {count_of(self.board.num_added, 'trial')}; "
            f"{'the budget is used up' if timed_out else 'the chief has no more'}."
        )

    def finish(self, source: "Source | None") -> Found:
        """Trains and tests the best settings, and says what the search has gained."""
        standings = self.board.standings
        if not standings:
            first = self.board.trials.get(0)
            raise KerastlError(
                "No trial has completed, so there are no best settings."
                + (f" Trial 0: {first.reason}" if first else "")
            )
        best = dataclasses.replace(
            standings[0].trial.config, run_dir=str(self._run_dir / "best"), overwrite=False
        )
        result = gain = None
        if self._options.final_run:
            result, gain = self._final_run(best, source)
        return Found(self.board.trials, best, result, gain)

    def _final_run(
        self, best: Config, source: "Source | None"
    ) -> tuple[Result | None, dict[str, Any] | None]:
        from kerastl.tuning.gain import measure_gain  # noqa: PLC0415  as in __init__
        from kerastl.tuning.trials import COMPLETED  # noqa: PLC0415  as in __init__

        final = dataclasses.replace(
            best, run_dir=str(self._run_dir), export_dir=self._config.export_dir, overwrite=True
        )
        path = self._directory / _FINAL
        flags = self._run_dir / "flags.txt"
        # A file that is cut short or gone costs the final run.
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(path.read_text(encoding="utf-8"))
            words = _gain_words(known)
            is_same = flags.read_text(encoding="utf-8").splitlines() == final.to_flags()
            if is_same and (self._run_dir / RunFile.METRICS).exists():
                self._progress.line(f"The final run is in {self._run_dir} already.")
                self._progress.line(words)
                return None, known
        self._progress.line("Final run of the best settings, the first to see the test images.")
        path.unlink(missing_ok=True)
        result = run(final, source=source, progress=self._progress)
        given = dataclasses.replace(self._space.config, best_by=self._options.best_by)
        gain = None
        first = self.board.trials.get(0)
        if first is None or first.status == COMPLETED:
            gain = measure_gain(final, given, self._splits, self._run_dir, progress=self._progress)
        replace_text(path, json.dumps(gain, indent=2) + "\n", field="run_dir")
        self._progress.line(_gain_words(gain))
        return result, gain

    def _open_board(self, *, are_kept: bool = True) -> "Board":
        from kerastl.tuning.loop import Board  # noqa: PLC0415  as in __init__
        from kerastl.tuning.search_files import SearchFiles  # noqa: PLC0415
        from kerastl.tuning.trials import TrialFiles  # noqa: PLC0415

        return Board(
            self._space,
            self._options,
            TrialFiles(self._directory / "trials"),
            SearchFiles(self._run_dir, self._space, self._options, self._splits, are_kept=are_kept),
            self._progress,
            self._deadline,
        )

    def _tell_start(self) -> None:
        options = self._options
        self._progress.line(
            f"Search: {options.tuner}, at most {count_of(options.max_trials, 'trial')} by "
            f"{options.objective} on {len(self._splits.validation)} validation images, of"
        )
        for name, text in self._space.to_text().items():
            self._progress.line(f"  {name}={text}")
        weights = self._config.weights
        for size in self._space.image_sizes():
            if note := bundled_size_note(weights, size):
                self._progress.line(f"Warning: {note}.")
        if known := len(self.board.trials):
            left = max(options.max_trials - known, 0)
            self._progress.line(
                f"{count_of(known, 'trial')} found in {self._directory}, "
                f"{left or 'none'} left. --overwrite starts anew."
            )

    def _tell_end(self, timed_out: bool) -> None:
        from kerastl.tuning.loop import best_words  # noqa: PLC0415  as in __init__

        trials, options = self.board.trials, self._options
        failed = len(trials) - len(self.board.standings)
        words = (
            f"{count_of(len(trials), 'trial')}, {failed} of them failed"
            if failed
            else (count_of(len(trials), "trial"))
        )
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
def _how_to_go_on(config: Config) -> Iterator[None]:
    """Says with an interrupt what brings the search to its end."""
    try:
        yield
    except KeyboardInterrupt as stop:
        without = ", without --overwrite," if config.overwrite else ""
        stop.args = (f"The same command{without} goes on with the search.",)
        raise


def _read(
    config: Config, source: "Source | None", isolated: Isolated | None, progress: Progress
) -> "Splits":
    from kerastl.data.opening import open_data  # noqa: PLC0415  as in _Search

    splits = open_data(config, source, progress)
    if isolated:
        # Only now, when what was seen of the images is remembered.
        isolated.open()
    return splits


def _here(splits: "Splits") -> Runner:
    from kerastl.tuning.trial_run import Trainer, without_test  # noqa: PLC0415  imports Keras

    return Here(Trainer(without_test(splits)))


def _default_space(config: Config) -> Space:
    from kerastl.tuning.blocks import list_blocks  # noqa: PLC0415  imports Keras

    return default_space(config, list_blocks(config.backbone, config.image_size))


def _longest(space: Space) -> int:
    """Counts the epochs of the longest trial."""

    def most(name: str) -> int:
        dimension = space.dimensions.get(name)
        given = getattr(space.config, name)
        return int(max(dimension.examples)) if dimension else int(given)

    return most("head_epochs") + most("finetune_epochs")


def _gain_words(gain: Mapping[str, Any] | None) -> str:
    if gain is None:
        return "The flags as given have failed, so there is nothing to compare the final run with."
    if gain["best_is_as_given"]:
        return "The best settings are the flags as given."
    return (
        f"On the {gain['num_images']:.0f} test images the flags as given reach "
        f"{gain['accuracy_as_given']:.4f}: the search changed that by {gain['difference']:+.4f} "
        f"({gain['low']:+.4f} to {gain['high']:+.4f}, on the same images)."
    )
