"""How each kind of network is fine-tuned, for recipes and searches."""

import dataclasses
from typing import Any

FINETUNED: dict[str, Any] = {
    "optimizer": "adamw",
    "finetune_learning_rate": 0.0005,
    "warmup_epochs": 1.0,
}


@dataclasses.dataclass(frozen=True)
class FineTuning:
    """How one kind of network is fine-tuned.

    Attributes:
        rate: The learning rate of AdamW.
        rates: The lowest and the highest one that a search tries.
        depths: Shares of the blocks, from the input up, that trials of a search leave frozen.
    """

    rate: float
    rates: tuple[float, float]
    depths: tuple[float, ...]


# Measured on CIFAR-10 with MobileNetV2; docs/how_to/search.md has the numbers.
CONVOLUTIONS = FineTuning(FINETUNED["finetune_learning_rate"], (2e-4, 1e-3), (6 / 16, 3 / 16))
# Transformers forget at the rates of convolutions, and learn in all of their blocks: CLIP's were
# fine-tuned at 3e-5 in batches of 512, https://arxiv.org/abs/2109.01903 (appendix), Swin's at 2e-5,
# https://github.com/microsoft/Swin-Transformer (22kto1k). Neither was measured here.
TRANSFORMERS = FineTuning(3e-5, (1e-5, 1e-4), (6 / 16, 0.0))


def rule_of(*, is_transformer: bool) -> FineTuning:
    """Returns how a kind of network is fine-tuned."""
    return TRANSFORMERS if is_transformer else CONVOLUTIONS


def finetuned(*, is_transformer: bool) -> dict[str, Any]:
    """Returns the settings of fine-tuning that do not depend on the images."""
    rate = rule_of(is_transformer=is_transformer).rate
    return FINETUNED | {"finetune_learning_rate": rate}
