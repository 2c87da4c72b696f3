"""Settings of the feature store."""

import dataclasses
import pathlib

from kerastl.paths import cache_folder
from kerastl.settings.base import Settings
from kerastl.settings.field import Decides, Within, setting

# The user's cache folder, by the rules of the operating system.
AUTO = "auto"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoreSettings(Settings):
    """Where computed features are kept, and in how much space."""

    topic = "Feature store"

    cache_dir: str = setting(
        AUTO,
        help="Where the outputs of frozen layers, and pixels, are kept between epochs, phases "
        "and runs. auto is the user's cache folder; empty turns the store off.",
        is_path=True,
    )
    cache_limit_gb: float = setting(
        0.0,
        help="Largest size of the feature store in GB; 0 for half of the free space.",
        within=Within(0),
    )
    cache_dtype: str = setting(
        "float32",
        help="float32, or float16 for half the space.",
        choices=("float32", "float16"),
        decides=Decides.FEATURES,
    )

    # A folder in place of `cache_dir` for the time of one command, where that cannot be used; it is
    # no setting.
    stand_in: pathlib.Path | None = None

    @property
    def memory_path(self) -> pathlib.Path | None:
        """Directory in which the audit caches inspections, None if nothing is to be kept."""
        if self.stand_in:
            return self.stand_in
        return find_cache(self.cache_dir) if self.cache_dir else None

    @property
    def lasting_path(self) -> pathlib.Path | None:
        """The same, None if what is kept there does not outlast the command."""
        return None if self.stand_in else self.memory_path


def find_cache(cache_dir: str) -> pathlib.Path:
    """Returns the directory that a value of `cache_dir` names."""
    return cache_folder() if cache_dir == AUTO else pathlib.Path(cache_dir)
