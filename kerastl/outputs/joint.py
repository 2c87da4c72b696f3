"""What the first of several machines gives the others, so that all of them train the same.

The recipe's choices depend on measured times, and only the first machine reads the run directory.
"""

import dataclasses
import json

from kerastl import replicas
from kerastl.config import Config
from kerastl.data.opening import open_data
from kerastl.data.source import Source
from kerastl.data.splits import Splits
from kerastl.errors import KerastlError
from kerastl.model.network import Network, open_network
from kerastl.outputs.made_of import describe_parts
from kerastl.outputs.unfinished import Opened
from kerastl.progress import Progress, listed
from kerastl.settings import TOPICS, DeviceSettings, OutputSettings, StoreSettings
from kerastl.training.checkpoint import Checkpoint
from kerastl.training.course import Recorder
from kerastl.training.train import open_frozen, train

# What may differ from machine to machine.
_OWN = [
    name
    for group in (DeviceSettings, OutputSettings, StoreSettings)
    for name in TOPICS[group.topic]
    if name != "cache_dtype"
]


@dataclasses.dataclass(frozen=True, eq=False)
class Start(Recorder):
    """Where a training on several machines starts; as a record, that of those which write nothing.

    Attributes:
        config: The settings, with nothing left to choose.
        about: What the run is made of, see `describe_parts`.
        checkpoint: What it goes on from; None if it begins.
    """

    config: Config
    about: dict[str, str]
    checkpoint: Checkpoint | None

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


def give_start(
    opened: Opened, splits: Splits, network: Network, checkpoint: Checkpoint | None
) -> None:
    """Gives the other machines, if there are any, where the training starts."""
    team = replicas.current()
    if team.num_workers > 1:
        about = describe_parts(splits, network.fingerprint())
        text = json.dumps({"flags": opened.config.to_flags(), "about": about})
        team.from_first(text.encode())
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
    own = {name: getattr(config, name) for name in _OWN}
    joint = Config.from_flags(given["flags"])
    joint = dataclasses.replace(joint, **own, stand_in=config.stand_in)
    return Start(joint, given["about"], Checkpoint.from_bytes(content) if content else None)
