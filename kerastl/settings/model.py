"""Settings of the network."""

import dataclasses
from typing import Any

from kerastl.errors import bad_value
from kerastl.settings.field import Decides, Within, setting
from kerastl.settings.images import BUNDLED_SIZE, IMAGE_SIZE, ImageSettings

# The weights included in the package, and the network that they belong to.
BUNDLED = "bundled"
BUNDLED_BACKBONE = "MobileNetV2_035"
# The network by default.
_BACKBONE = "ResNet50"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings(ImageSettings):
    """Which network classifies the images."""

    topic = "Model"

    backbone: str = setting(
        "",
        help=f"A network of keras.applications, or {BUNDLED_BACKBONE}, MobileNetV2 at a width of "
        f"0.35; empty for {_BACKBONE}, or {BUNDLED_BACKBONE} with bundled weights.",
        decides=Decides.FEATURES,
        searchable=True,
    )
    weights: str = setting(
        "imagenet",
        help="imagenet; bundled, which are included and know drawn shapes and letters only; the "
        "path of a weights file; or none to train from scratch.",
        is_path=True,
        decides=Decides.FEATURES,
    )
    dropout: float = setting(
        0.0,
        help="Share of the pooled features dropped in training.",
        within=Within(0, 1, open_high=True),
        decides=Decides.TRAINING,
        searchable=True,
    )
    precision: str = setting(
        "float32",
        help="float32, mixed_bfloat16, mixed_float16, or auto for what suits the GPU.",
        choices=("float32", "mixed_bfloat16", "mixed_float16", "auto"),
        decides=Decides.FEATURES,
    )

    @property
    def from_scratch(self) -> bool:
        """Whether every layer trains, from random weights."""
        return self.weights == "none"

    @property
    def usual(self) -> dict[str, Any]:
        """The network and its size if none are given, which depend on the weights."""
        is_bundled = self.weights == BUNDLED
        network, size = (BUNDLED_BACKBONE, BUNDLED_SIZE) if is_bundled else (_BACKBONE, IMAGE_SIZE)
        return {"backbone": network, "image_size": size}

    def _check(self) -> None:
        super()._check()
        for name, value in self.usual.items():
            object.__setattr__(self, name, getattr(self, name) or value)
        if self.weights == BUNDLED and self.backbone != BUNDLED_BACKBONE:
            raise bad_value(
                "backbone",
                self.backbone,
                f"is another network than weights={BUNDLED} belong to",
                f"Use {BUNDLED_BACKBONE} or leave it out, or give other weights",
            )
