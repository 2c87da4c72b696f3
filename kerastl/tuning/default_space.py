"""Opens a search's space: the default one, or the user's, whose block names are checked."""

import dataclasses
from collections.abc import Sequence

from kerastl.config import Config
from kerastl.errors import UsageError
from kerastl.model.network import Network, open_network
from kerastl.model.sources.table import find_row
from kerastl.recipes.fine_tuning import finetuned, rule_of
from kerastl.settings import ModelSettings
from kerastl.settings.images import LARGEST_SIZE
from kerastl.settings.model import BUNDLED
from kerastl.tuning.space import Choice, Space
from kerastl.tuning.space_parser import read_space


def open_space(config: Config, space: Space | None) -> Space:
    """Returns the space to search, after checking the names of blocks in it.

    Raises:
        UsageError: If no backbone of the space has one of them.
    """
    if space is None:
        return default_space(config, _open(config, config.backbone, config.image_size).blocks)
    _check_blocks(space)
    return space


def default_space(config: Config, blocks: Sequence[str]) -> Space:
    """Returns the space to search if none is given.

    It covers what improves fine-tuning on small sets of photographs: AdamW at 2e-4 to 1e-3 with a
    warm-up, from the middle or below, with and without mirrored copies, and a third more pixels.
    The best values found by hand are tried first (measured on CIFAR-10 with MobileNetV2;
    docs/how_to/search.md has the numbers). A transformer has the rates and depths of its own rule.

    Args:
        config: The baseline flags.
        blocks: The backbone's blocks from the input up.
    """
    is_transformer = find_row(config.backbone).is_transformer
    rule = rule_of(is_transformer=is_transformer)
    low, high = rule.rates
    ranges = {
        "optimizer": "choice(adamw)",
        "finetune_learning_rate": f"log({low:f},{high:f})",
        "finetune_epochs": "int(4,6)",
        "warmup_epochs": "choice(1.0)",
        "dropout": "choice(0.0,0.2)",
        "augment": 'choice("",mirror)',
    }
    if config.weights == "none":
        epochs = config.finetune_epochs
        ranges["finetune_learning_rate"] = "log(0.0005,0.005)"
        ranges["finetune_epochs"] = f"int({epochs},{2 * epochs})"
        return read_space(ranges, config)
    # About a third more pixels per side, rounded to a multiple of 32; unchanged for weights that
    # work well only at one size. An odd size stays odd.
    larger = config.image_size
    if config.weights != BUNDLED:
        wanted = min(32 * round(larger * 4 / 3 / 32) + larger % 2, LARGEST_SIZE)
        larger = wanted if find_row(config.backbone).accepts(wanted) else larger
    depths = dict.fromkeys(blocks[round(len(blocks) * share)] for share in rule.depths)
    ranges["image_size"] = f"choice({','.join(map(str, sorted({config.image_size, larger})))})"
    ranges["unfreeze_from"] = f"choice({','.join(depths)})"
    by_hand = finetuned(is_transformer=is_transformer) | {
        "finetune_epochs": 6,
        "dropout": 0.0,
        "augment": "mirror",
        "image_size": larger,
        "unfreeze_from": list(depths)[-1],
    }
    return dataclasses.replace(read_space(ranges, config), first=(by_hand,))


def _check_blocks(space: Space) -> None:
    dimension = space.dimensions.get("unfreeze_from")
    if not isinstance(dimension, Choice):
        return
    backbones = space.dimensions.get("backbone")
    refusals: dict[str, UsageError] = {}
    unknown = set(dimension.values)
    for name in backbones.to_check if backbones else (space.config.backbone,):
        network = _open(space.config, name.partition("=")[0], max(space.image_sizes()))
        for value in sorted(unknown):
            try:
                network.find(value)
            except UsageError as error:
                refusals[value] = error
            else:
                unknown.discard(value)
    if unknown:
        value = min(unknown)
        raise UsageError(f"search_space=unfreeze_from: {refusals[value]}") from refusals[value]


def _open(model: ModelSettings, backbone: str, image_size: int) -> Network:
    """Opens a network for the names of its layers alone."""
    settings = ModelSettings(
        backbone=backbone,
        image_size=image_size,
        weights="none",
        input_scaling=model.input_scaling if find_row(backbone).takes_scaling else "",
    )
    return open_network(settings, num_classes=2)
