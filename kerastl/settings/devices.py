"""Settings of the devices and machines that train together."""

import dataclasses
import re

from kerastl.errors import bad_value
from kerastl.settings.base import Settings
from kerastl.settings.field import Within, setting

# Every device that there is.
ALL_DEVICES = "all"
_LAST_PORT = 65_535


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceSettings(Settings):
    """What trains: how many devices, and on which machines."""

    topic = "Devices and machines"

    devices: str = setting(
        "1",
        help="GPUs of this machine to train on: a number, or all. Each takes its share of a batch.",
        is_kept=False,
        also="device gpu gpus num_gpus n_gpus num_devices",
    )
    workers: str = setting(
        "",
        help="Machines that train together, the same list on each: HOST:PORT,HOST:PORT. The first "
        "writes the results. Empty for those in TF_CONFIG, or for this one alone.",
        is_kept=False,
    )
    worker: int = setting(
        0,
        help="The place of this machine in --workers, from 0.",
        within=Within(0),
        is_kept=False,
    )

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names in `workers`, in order."""
        return tuple(name.strip() for name in self.workers.split(",")) if self.workers else ()

    def _check(self) -> None:
        super()._check()
        if self.devices != ALL_DEVICES and not re.fullmatch(r"[1-9]\d{0,3}", self.devices):
            raise bad_value("devices", self.devices, "is not a number of devices", "Use 1 or all")
        for host in self.hosts:
            found = re.fullmatch(r"[^\s:/]+:(\d{1,5})", host)
            if not found or not 0 < int(found[1]) <= _LAST_PORT:
                raise bad_value(
                    "workers",
                    self.workers,
                    f"{host!r} is not HOST:PORT",
                    "Write it as in --workers=node1:12345,node2:12345",
                )
        if len(set(self.hosts)) < len(self.hosts):
            raise bad_value("workers", self.workers, "names one twice", "Name each once")
        if self.worker and self.worker >= len(self.hosts):
            raise bad_value(
                "worker",
                self.worker,
                f"is not a place in workers={self.workers!r}",
                f"Use 0 to {len(self.hosts) - 1}" if self.hosts else "Give --workers too",
            )
