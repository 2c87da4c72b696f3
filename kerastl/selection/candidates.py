"""The networks and image sizes to compare; imports no Keras."""

import dataclasses
import pathlib
import re
from collections.abc import Iterator

from kerastl.config import Config
from kerastl.errors import bad_value
from kerastl.model.sources.applications import BACKBONES
from kerastl.model.sources.table import find_row
from kerastl.settings import FitSettings, SettingGroup, setting
from kerastl.settings.model import BUNDLED, BUNDLED_BACKBONE

# Networks below six million parameters without their classifier.
SMALL = (
    "MobileNetV2_035",
    "MobileNetV3Small",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNet",
    "EfficientNetB0",
    "NASNetMobile",
    "EfficientNetV2B0",
)


# Networks since 2021 of at most 90 million parameters for images, that differ in how they were
# trained: with the labels of 1,000 and of 21,000 classes, with texts, and with neither.
MODERN = (
    "EfficientNetV2S",
    "ConvNeXtTiny",
    "hub:hgnetv2_b4_ssld_stage2_ft_in1k",
    "hub:vit_base_patch16_224_imagenet21k",
    "hub:swin_tiny_patch4_window7_224",
    "hub:siglip2_base_patch16_224",
    "hub:dinov2_small",
    "hub:dinov2_base",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RankOptions(SettingGroup):
    """Options of a ranking: the networks to compare."""

    backbones: str = setting(
        "small",
        help="Networks as --backbone takes them, with commas; NAME=FILE gives one of "
        "keras.applications its own weights. "
        f"small stands for {', '.join(SMALL)}; modern for {', '.join(MODERN)}; all for every "
        "network of keras.applications that accepts the size.",
    )
    image_sizes: str = setting(
        "",
        help="Sides of the input in pixels, with commas; every network is evaluated at each. "
        "Empty for that of --image_size.",
    )


_LISTS = {"small": SMALL, "modern": MODERN, "all": tuple(BACKBONES)}


def read_candidates(config: Config, *, backbones: str, image_sizes: str) -> list[Config]:
    """Builds the config of each network and size, in the order given.

    Args:
        config: Config of all other settings, and of the weights of networks without their own.
        backbones: Comma-separated names, each with `=WEIGHTS` if it has its own; `small` and
            `all` stand for lists, of which the networks that accept the size are used.
        image_sizes: Comma-separated sides in pixels; empty for that of `config`.

    Raises:
        UsageError: If a name is unknown, a size is not a number or too small, or weights are
            random.
    """
    items = _items("backbones", backbones, "Give some, as in MobileNetV2,ResNet50 or small")
    sizes = [config.image_size]
    if image_sizes:
        advice = "Give whole numbers, as in 96,128"
        texts = _items("image_sizes", image_sizes, advice)
        if not all(re.fullmatch(r"\d{1,6}", text) for text in texts):
            raise bad_value("image_sizes", image_sizes, "is not a list of sizes in pixels", advice)
        sizes = [int(text) for text in texts]
    candidates = [
        _candidate(config, name, weights, size)
        for size in sizes
        for item in items
        for name, weights in _networks(item, size, config.weights)
    ]
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


def _items(field: str, text: str, advice: str) -> list[str]:
    items = [item.strip() for item in text.split(",")]
    if not all(items):
        raise bad_value(field, text, "is empty or has an empty item", advice)
    return items


def _networks(item: str, image_size: int, weights: str) -> Iterator[tuple[str, str]]:
    name, has_weights, own = (part.strip() for part in item.partition("="))
    if name in _LISTS:
        if has_weights:
            raise bad_value(
                "backbones", item, "gives one file to several networks", "Name the network"
            )
        for listed in _LISTS[name]:
            if find_row(listed).accepts(image_size):
                yield listed, weights
        return
    if has_weights and not own:
        raise bad_value("backbones", item, "has no weights", "Write NAME=FILE or NAME alone")
    yield name, own or weights


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
