"""Every setting of a run, described once."""

from kerastl.settings.base import Settings
from kerastl.settings.data import DataSettings
from kerastl.settings.devices import DeviceSettings
from kerastl.settings.field import (
    RESULT,
    Auto,
    Decides,
    Setting,
    SettingGroup,
    describe,
    repeated,
    setting,
)
from kerastl.settings.groups import FitSettings, ReadSettings
from kerastl.settings.images import ImageSettings
from kerastl.settings.model import ModelSettings
from kerastl.settings.output import OutputSettings
from kerastl.settings.recipe import RecipeSettings
from kerastl.settings.store import StoreSettings
from kerastl.settings.training import Phase, PhaseSettings, TrainingSettings

# In the order of the help.
GROUPS: tuple[type[SettingGroup], ...] = (
    DataSettings,
    RecipeSettings,
    ImageSettings,
    ModelSettings,
    PhaseSettings,
    TrainingSettings,
    OutputSettings,
    StoreSettings,
    DeviceSettings,
    Settings,
)

# Topic of the help -> setting -> its description.
TOPICS: dict[str, dict[str, Setting]] = {
    group.topic: {
        name: described
        for name, described in describe(group).items()
        if name in group.__annotations__
    }
    for group in GROUPS
}
SETTINGS: dict[str, Setting] = {
    name: described for topic in TOPICS.values() for name, described in topic.items()
}

__all__ = [
    "GROUPS",
    "RESULT",
    "SETTINGS",
    "TOPICS",
    "Auto",
    "DataSettings",
    "Decides",
    "DeviceSettings",
    "FitSettings",
    "ImageSettings",
    "ModelSettings",
    "OutputSettings",
    "Phase",
    "PhaseSettings",
    "ReadSettings",
    "RecipeSettings",
    "Setting",
    "SettingGroup",
    "Settings",
    "StoreSettings",
    "TrainingSettings",
    "describe",
    "repeated",
    "setting",
]
