"""The networks and image sizes to compare; imports no Keras."""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Iterator

from kerastl.config import Config
from kerastl.errors import bad_value, name_some
from kerastl.model.backbones import Backbone
from kerastl.model.sources.table import find_row, list_rows
from kerastl.progress import Progress, count_of
from kerastl.settings import FitSettings, SettingGroup, setting
from kerastl.settings.model import BUNDLED, BUNDLED_BACKBONE

_SMALL = 6_000_000
# List -> whether it holds a row.
_LISTS: dict[str, Callable[[Backbone], bool]] = {
    "small": lambda row: 0 < row.parameters < _SMALL,
    "modern": lambda row: row.is_modern,
    "all": lambda _: True,
}
# Names of the networks that a list leaves out, by the reason.
_LeftOut = dict[str, dict[str, None]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RankOptions(SettingGroup):
    """Options of a ranking: the networks to compare."""

    backbones: str = setting(
        "small",
        help="Networks as --backbone takes them, with commas; NAME=FILE gives one of "
        "keras.applications its own weights. small stands for the networks below 6 million "
        "parameters, modern for a few since 2021 that differ in how they were trained, all for "
        "every network that has a name. Of KerasHub's, small and all take those on this machine.",
    )
    image_sizes: str = setting(
        "",
        help="Sides of the input in pixels, with commas; every network is evaluated at each. "
        "Empty for that of --image_size.",
    )


def read_candidates(
    config: Config, *, backbones: str, image_sizes: str, progress: Progress
) -> list[Config]:
    """Builds the config of each network and size, in the order given.

    Args:
        config: Config of all other settings, and of the weights of networks without their own.
        backbones: Comma-separated names, each with `=WEIGHTS` if it has its own; `small`, `modern`
            and `all` stand for lists.
        image_sizes: Comma-separated sides in pixels; empty for that of `config`.
        progress: Where to report what a list leaves out, and why: networks that do not take the
            size, and those of KerasHub that are not here.

    Raises:
        UsageError: If a name is unknown, a size is not a number or too small, a list is
            left with nothing, or weights are random.
    """
    items = _items("backbones", backbones, "Give some, as in MobileNetV2,ResNet50 or small")
    sizes = _read_sizes(image_sizes) if image_sizes else [config.image_size]
    left_out: dict[str, _LeftOut] = {}
    candidates = [
        _candidate(config, name, weights, size)
        for size in sizes
        for item in items
        for name, weights in _networks(item, size, config.weights, left_out)
    ]
    for item, reasons in left_out.items():
        if reasons:
            progress.line(f"backbones={item} leaves out {_describe(reasons)}.")
    return list(dict.fromkeys(candidates))


def find_store(settings: FitSettings) -> pathlib.Path:
    """Returns the directory of the feature store.

    Raises:
        UsageError: If storing features is turned off.
    """
    if settings.cache_path is None:
        raise bad_value(
            "cache_dir",
            settings.cache_dir,
            "turns off the feature store, which is needed here",
            "Leave it out or give a directory",
        )
    return settings.cache_path


def _read_sizes(image_sizes: str) -> list[int]:
    advice = "Give whole numbers, as in 96,128"
    texts = _items("image_sizes", image_sizes, advice)
    if not all(re.fullmatch(r"\d{1,6}", text) for text in texts):
        raise bad_value("image_sizes", image_sizes, "is not a list of sizes in pixels", advice)
    return [int(text) for text in texts]


def _items(field: str, text: str, advice: str) -> list[str]:
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise bad_value(field, text, "is empty or has an empty item", advice)
    return items


def _networks(
    item: str, image_size: int, weights: str, left_out: dict[str, _LeftOut]
) -> Iterator[tuple[str, str]]:
    name, has_weights, own = (part.strip() for part in item.partition("="))
    if name in _LISTS:
        if has_weights:
            raise bad_value(
                "backbones", item, "gives one file to several networks", "Name the network"
            )
        for row in _open_list(name, image_size, left_out.setdefault(name, {})):
            yield row.name, weights
        return
    if has_weights and not own:
        raise bad_value("backbones", item, "has no weights", "Write NAME=FILE or NAME alone")
    yield name, own or weights


def _open_list(name: str, image_size: int, left_out: _LeftOut) -> list[Backbone]:
    """Returns the rows of a list that can be ranked, the smallest first."""
    rows = []
    for row in filter(_LISTS[name], list_rows()):
        size = "" if row.accepts(image_size) else f"take no images of {image_size} px"
        if reason := row.why_unlisted() or size:
            left_out.setdefault(reason, {})[row.name] = None
        else:
            rows.append(row)
    if not rows:
        raise bad_value(
            "backbones",
            name,
            f"holds no network for images of {image_size} px; it leaves out {_describe(left_out)}",
            "Use another size, or name the networks",
        )
    return sorted(rows, key=lambda row: row.parameters)


def _describe(left_out: _LeftOut) -> str:
    return "; ".join(
        f"{count_of(len(names), 'network')} that {reason} ({name_some(names)})"
        for reason, names in left_out.items()
    )


def _candidate(config: Config, name: str, weights: str, image_size: int) -> Config:
    row = find_row(name)
    if weights == "none":
        raise bad_value(
            "weights",
            weights,
            f"would compare {name} by the features of random weights",
            "Give imagenet or a weights file",
        )
    if weights == BUNDLED and name != BUNDLED_BACKBONE:
        raise bad_value(
            "backbones",
            name,
            f"is another network than weights={BUNDLED} belong to",
            f"Give it weights of its own, as in {BUNDLED_BACKBONE}={BUNDLED},ResNet50=imagenet",
        )
    # What is ranked is not for a recipe to change, also where it is the default.
    scaling = config.input_scaling if row.takes_scaling else ""
    candidate = config.changed(
        "ranking",
        backbone=name,
        weights=weights,
        image_size=image_size,
        input_scaling=scaling,
    )
    row.check(candidate)
    return candidate
