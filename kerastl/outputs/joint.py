"""What the first of several machines gives the others, so that all of them train the same.

The recipe's choices depend on measured times, and only the first machine reads the run directory.
"""

import dataclasses
import json

import keras
import numpy as np
import tensorflow as tf

from kerastl import replicas
from kerastl.config import Config
from kerastl.data.opening import open_data
from kerastl.data.source import Source
from kerastl.data.splits import Splits
from kerastl.errors import KerastlError, bad_value
from kerastl.model.network import Network, open_network
from kerastl.outputs.made_of import FLAGS, describe_parts
from kerastl.outputs.receipt import code_fingerprint
from kerastl.outputs.unfinished import Opened
from kerastl.progress import Progress, listed
from kerastl.replicas import Replicas
from kerastl.settings import TOPICS, DeviceSettings, OutputSettings, StoreSettings
from kerastl.training.checkpoint import Checkpoint
from kerastl.training.course import Recorder
from kerastl.training.pace import Pace
from kerastl.training.train import open_frozen, train
from kerastl.version import VERSION

# What may differ from machine to machine.
_OWN = [
    name
    for group in (DeviceSettings, OutputSettings, StoreSettings)
    for name in TOPICS[group.topic]
    if name != "cache_dtype"
]
# Where a machine has the images and weights, whose contents are compared.
_PLACES = {*FLAGS.values(), "tfds_dir"}


@dataclasses.dataclass(frozen=True, eq=False)
class Start(Recorder):
    """Where a training on several machines starts; as a record, that of those which write nothing.

    Attributes:
        config: The settings, with nothing left to choose.
        about: What the run is made of, see `describe_parts`.
        checkpoint: What it goes on from; None if it begins.
        pace: Whether epochs of fine-tuning are decided anew, and how many there may be. The first
            machine has the clock.
    """

    config: Config
    about: dict[str, str]
    checkpoint: Checkpoint | None
    pace: Pace | None

    def find_checkpoint(self) -> Checkpoint | None:
        """Returns what the first machine goes on from."""
        return self.checkpoint

    def check(self, splits: Splits, network: Network) -> None:
        """Refuses to train on other images, or from other weights, than the first machine.

        Raises:
            KerastlError: If they are others.
        """
        about = describe_parts(splits, network.fingerprint())
        if self.config.from_scratch:
            # The first machine gives the others its random weights.
            about["weights"] = self.about["weights"]
        if other := [name for name in about if about[name] != self.about.get(name)]:
            raise KerastlError(
                f"workers: this one has other {listed(other)} than worker 0. Give all of them the "
                "same flags, images, weights and versions."
            )


def check_together(opened: Opened) -> None:
    """Refuses what cannot be trained together, before any long work.

    Raises:
        UsageError: If this machine has other flags or versions than the first, or a batch size that
            is given does not divide.
        KerastlError: If another machine has others.
    """
    team, given = replicas.current(), opened.config
    if team.num_workers > 1:
        _check_same(_describe(given.to_flags()), team)
    is_given = "batch_size" in given.given or not given.leaves_open
    if is_given and "batch_size" not in given.autos:
        replicas.check_batch(given.batch_size, team.count)


def _check_same(here: dict[str, str], team: Replicas) -> None:
    first = json.loads(team.from_first(json.dumps(here).encode()))
    other = [name for name in first | here if first.get(name) != here.get(name)]
    differ = np.zeros(team.num_workers, np.int64)
    differ[team.worker] = len(other)
    differ = team.sum(differ)
    for name in other:
        problem = f"is {first.get(name, 'not given')!r} on worker 0"
        advice = "Give all machines the same flags and versions"
        raise bad_value(name, here.get(name, "not given"), problem, advice)
    if differ.any():
        names = listed([f"worker {worker}" for worker in np.flatnonzero(differ).tolist()])
        raise KerastlError(
            f"workers: {names} got other flags, or has other versions, than worker 0. Give all "
            "machines the same, as it has printed."
        )


def _describe(given: list[str]) -> dict[str, str]:
    flags = (flag.removeprefix("--").partition("=") for flag in given)
    return {name: text for name, _, text in flags if name not in {*_OWN, *_PLACES}} | {
        "kerastl": f"{VERSION}, code {code_fingerprint()[:8]}",
        "tensorflow": tf.__version__,
        "keras": keras.version(),
    }


def give_start(opened: Opened, splits: Splits, network: Network, record: Recorder) -> None:
    """Gives the other machines, if there are any, where the training starts."""
    team = replicas.current()
    if team.num_workers > 1:
        about = describe_parts(splits, network.fingerprint())
        most = record.pace.most if record.pace else None
        text = json.dumps({"flags": opened.config.to_flags(), "about": about, "most": most})
        team.from_first(text.encode())
        checkpoint = record.find_checkpoint()
        team.from_first(checkpoint.to_bytes() if checkpoint else b"")


def help_train(opened: Opened, source: Source | None, progress: Progress) -> None:
    """Trains together with the machine that finishes the run, and writes nothing.

    Raises:
        KerastlError: If the images or weights here are others than there.
    """
    splits = open_data(opened.config, source, Progress())
    start = _take_start(opened)
    network = open_network(start.config, num_classes=len(splits.source.class_names))
    start.check(splits, network)
    with open_frozen(network, splits, start.config, Progress()) as frozen:
        train(network, splits, start.config, frozen, record=start, progress=Progress())
    team = replicas.current()
    progress.line(f"Worker {team.worker} of {team.num_workers}: trained. Worker 0 has the results.")


def _take_start(opened: Opened) -> Start:
    """Takes what the first machine gives; the paths are those of this one."""
    team, config = replicas.current(), opened.config
    given = json.loads(team.from_first(b""))
    content = team.from_first(b"")
    own = {name: getattr(config, name) for name in (*_OWN, *_PLACES)}
    joint = Config.from_flags(given["flags"])
    joint = dataclasses.replace(joint, **own, stand_in=config.stand_in)
    checkpoint = Checkpoint.from_bytes(content) if content else None
    pace = Pace(end=0.0, most=given["most"]) if given["most"] else None
    return Start(joint, given["about"], checkpoint, pace)
