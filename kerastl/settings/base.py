"""The setting that every part of a run follows."""

import dataclasses

from kerastl.settings.field import Decides, SettingGroup, Within, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings(SettingGroup):
    """Base of all parts of a `Config`."""

    topic = "Randomness"

    # NumPy and TensorFlow both take seeds of 32 bits.
    seed: int = setting(
        0,
        help="Seed of splits, order and everything else that is random.",
        within=Within(0, 2**32 - 1),
        decides=Decides.IMAGES,
        also="random_seed random_state",
    )
