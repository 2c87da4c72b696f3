"""What is searched where no space is given; the recipe with its measurements. Imports no Keras."""

import dataclasses
from collections.abc import Sequence

from kerastl.config import Config
from kerastl.settings.images import LARGEST_SIZE
from kerastl.settings.model import BUNDLED
from kerastl.tuning.space import Space, read_space


def default_space(config: Config, blocks: Sequence[str]) -> Space:
    """Returns what is searched where no space is given.

    It is where fine-tuning pays on small sets of photographs: AdamW at 2e-4 to 1e-3 with a warm-up,
    from the middle or below, with and without mirrored copies, and a third more pixels. What was
    best by hand is tried first (measured on CIFAR-10 with MobileNetV2; the README has the numbers).

    Args:
        config: The flags as they are given.
        blocks: The backbone's blocks from the input up.
    """
    ranges = {
        "optimizer": "choice(adamw)",
        "finetune_learning_rate": "log(0.0002,0.001)",
        "finetune_epochs": "int(4,6)",
        "warmup_epochs": "choice(1.0)",
        "dropout": "choice(0.0,0.2)",
        "augment": 'choice("",flip)',
        "augment_views": "choice(2)",
    }
    if config.weights == "none":
        epochs = config.finetune_epochs
        ranges["finetune_learning_rate"] = "log(0.0005,0.005)"
        ranges["finetune_epochs"] = f"int({epochs},{2 * epochs})"
        return read_space(ranges, config)
    # A third more pixels, as a number that networks halve five times without a rest; none for
    # weights that are good at one size alone.
    larger = config.image_size
    if config.weights != BUNDLED:
        larger = min(32 * round(larger * 4 / 3 / 32), LARGEST_SIZE)
    depths = dict.fromkeys(blocks[round(len(blocks) * share)] for share in (6 / 16, 3 / 16))
    ranges["image_size"] = f"choice({','.join(map(str, sorted({config.image_size, larger})))})"
    ranges["unfreeze_from"] = f"choice({','.join(depths)})"
    by_hand = {
        "optimizer": "adamw",
        "finetune_learning_rate": 0.0005,
        "finetune_epochs": 6,
        "warmup_epochs": 1.0,
        "dropout": 0.0,
        "augment": "flip",
        "augment_views": 2,
        "image_size": larger,
        "unfreeze_from": list(depths)[-1],
    }
    return dataclasses.replace(read_space(ranges, config), first=(by_hand,))
