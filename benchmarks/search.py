"""Times a search over head settings against keras-tuner used the plain way.

The plain side is keras-tuner as its guide has it: a model-building function with the frozen
backbone inside, a `tf.data` pipeline that decodes in parallel and prefetches, `search`. A few of
its trials are timed and the rest is extrapolated: each computes the backbone anew. Both sides get
the same images, weights, epochs and ranges. The commands are timed as a user waits for them,
TensorFlow's import included; each begins with an empty feature store.

    python benchmarks/search.py

prints a Markdown table.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine, plain_classifier, plain_dataset  # isort: skip
import keras
import keras_tuner
from pages import publish

import kerastl
from kerastl import environment
from kerastl.data.opening import open_source
from kerastl.data.splits import make_splits
from kerastl.tuning.directory import SearchFile

_RANGES = ("--head_learning_rate=log(0.001,0.1)", "--momentum=uniform(0.5,0.95)")


def main() -> None:
    """Times both sides and prints what they took."""
    arguments = _parse()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        config = kerastl.Config(
            run_dir=str(work / "run"),
            dataset="tfds:cifar10",
            tfds_dir=arguments.tfds_dir,
            backbone="MobileNetV2",
            weights=arguments.weights,
            image_size=96,
            head_epochs=arguments.epochs,
        )
        whole_run = _time_command("main", config, work / "first")
        (work / "space.flags").write_text("\n".join(_RANGES), encoding="utf-8")
        options = (
            f"--search_space={work}/space.flags",
            f"--max_trials={arguments.trials}",
            "--nofinal_run",
        )
        search = _time_command("tune", config, work / "second", *options)
        rows = len((work / "second/tuning" / SearchFile.TABLE).read_text("utf-8").splitlines()) - 1
        if rows != arguments.trials:
            raise AssertionError(f"{rows} trials instead of {arguments.trials}")
        plain = _time_plain(config, arguments.plain_trials, work)
    per_trial = statistics.median(plain)
    extrapolated = per_trial * arguments.trials
    print(f"{machine()}; {arguments.epochs} epochs, {arguments.trials} trials.\n")
    print("| what | seconds |\n| :-- | --: |")
    print(f"| keras-tuner, a trial ({len(plain)} timed: {_list(plain)}) | {per_trial:.1f} |")
    print(f"| keras-tuner, {arguments.trials} trials, extrapolated | {extrapolated:.0f} |")
    print(f"| kerastl tune, {arguments.trials} trials, the whole command | {search:.1f} |")
    print(f"| kerastl train, one head run, the whole command | {whole_run:.1f} |")
    print(
        f"\n{extrapolated / search:.1f} times faster; {search / whole_run:.2f} times one head run, "
        f"{search / per_trial:.2f} times one plain trial."
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_flags(parser)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--plain_trials", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    return parser.parse_args()


def _time_command(command: str, config: kerastl.Config, run_dir: pathlib.Path, *more: str) -> float:
    flags = [
        *config.to_flags(),
        f"--run_dir={run_dir}",
        f"--cache_dir={run_dir}-cache",
        *more,
    ]
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", f"kerastl.{command}", *flags], check=True, capture_output=True
    )
    return time.monotonic() - started


def _time_plain(config: kerastl.Config, trials: int, work: pathlib.Path) -> list[float]:
    with environment.ready("float32", config.seed, kerastl.Progress()):
        splits = make_splits(open_source(config, kerastl.Progress()), config)
        train, validation = (
            plain_dataset(splits, indices, config, shuffled=indices is splits.train)
            for indices in (splits.train, splits.validation)
        )
        seconds: list[float] = []

        class Timed(keras_tuner.RandomSearch):
            def run_trial(self, *arguments: object, **named: object) -> object:
                started = time.monotonic()
                found = super().run_trial(*arguments, **named)
                seconds.append(time.monotonic() - started)
                return found

        tuner = Timed(
            lambda hp: _build(hp, config, len(splits.source.class_names), len(train)),
            objective="val_accuracy",
            max_trials=trials,
            directory=str(work),
            project_name="plain",
        )
        # The pipeline shuffles.
        tuner.search(
            train,
            validation_data=validation,
            epochs=config.head_epochs,
            shuffle=False,
            verbose=0,
        )
    return seconds


def _build(
    hp: keras_tuner.HyperParameters, config: kerastl.Config, num_classes: int, steps: int
) -> keras.Model:
    _, model = plain_classifier(config, num_classes)
    schedule = keras.optimizers.schedules.CosineDecay(
        hp.Float("rate", 0.001, 0.1, sampling="log"), config.head_epochs * steps
    )
    model.compile(
        keras.optimizers.SGD(schedule, momentum=hp.Float("momentum", 0.5, 0.95)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def _list(values: list[float]) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


if __name__ == "__main__":
    publish(main, __file__)
