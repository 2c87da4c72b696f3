"""Settings of the network."""

import dataclasses
from typing import Any

from kerastl.errors import bad_value
from kerastl.settings.field import Decides, Within, setting
from kerastl.settings.images import BUNDLED_SIZE, FITS, IMAGE_SIZE, ImageSettings

# The weights included in the package, and the network that they belong to.
BUNDLED = "bundled"
BUNDLED_BACKBONE = "MobileNetV2_035"
# The network by default.
_BACKBONE = "ResNet50"
# Weights of keras.applications, and those that come with a network of another source.
IMAGENET, OWN = "imagenet", "own"
# In `class_prompts`.
CLASS_NAME = "{}"
# How the values of `backbone` end or begin that name a file, or a preset of KerasHub.
KERAS_FILE, HUB = ".keras", "hub:"


def brings_weights(backbone: str) -> bool:
    """Returns whether a network comes with weights of its own."""
    return backbone.endswith(KERAS_FILE) or backbone.startswith(HUB)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelSettings(ImageSettings):
    """Which network classifies the images."""

    topic = "Model"

    backbone: str = setting(
        "",
        help=f"A network of keras.applications; {BUNDLED_BACKBONE}, MobileNetV2 at a width of "
        f"0.35; {HUB}PRESET of KerasHub, where PRESET is a name, hf://, kaggle:// or a directory; "
        f"or the path of a {KERAS_FILE} file with a functional model from images to features. "
        f"Empty for {_BACKBONE}, or {BUNDLED_BACKBONE} with bundled weights.",
        decides=Decides.FEATURES,
        searchable=True,
        also="model model_name arch architecture base_model network encoder feature_extractor net",
    )
    weights: str = setting(
        IMAGENET,
        help=f"imagenet; bundled, which are included and know drawn shapes and letters only; the "
        f"path of a weights file; or none to train from scratch. Networks of other sources than "
        f"keras.applications have {OWN}.",
        is_path=True,
        decides=Decides.FEATURES,
        also="pretrained pretrained_weights checkpoint init_checkpoint",
    )
    input_scaling: str = setting(
        "",
        help=f"What a {KERAS_FILE} file as backbone takes pixels as: 0..1; -1..1; imagenet, "
        "which is 0..1 with ImageNet's mean and deviation; caffe, which is BGR without ImageNet's "
        "mean; or none if it scales pixels in 0..255 itself.",
        choices=("", "0..1", "-1..1", "imagenet", "caffe", "none"),
        decides=Decides.FEATURES,
    )
    class_prompts: str = setting(
        "",
        help="Text for each class, as in 'a photo of a {}', where {} is its name: the head starts "
        "from what a network with a text tower (CLIP, SigLIP) makes of it, and that head is "
        "evaluated before any training. Empty to start from zero.",
        decides=Decides.TRAINING,
    )
    dropout: float = setting(
        0.0,
        help="Share of the pooled features dropped in training.",
        within=Within(0, 1, open_high=True),
        decides=Decides.TRAINING,
        searchable=True,
        also="dropout_rate drop drop_rate",
    )
    precision: str = setting(
        "float32",
        help="float32, mixed_bfloat16, mixed_float16, or auto for what suits the GPU.",
        choices=("float32", "mixed_bfloat16", "mixed_float16", "auto"),
        decides=Decides.FEATURES,
        also="mixed_precision amp fp16 bf16 dtype policy",
    )

    @property
    def from_scratch(self) -> bool:
        """Whether every layer trains, from random weights."""
        return self.weights == "none"

    @property
    def usual(self) -> dict[str, Any]:
        """The network and its size if none are given, and what its weights are called."""
        is_bundled = self.weights == BUNDLED
        network, size = (BUNDLED_BACKBONE, BUNDLED_SIZE) if is_bundled else (_BACKBONE, IMAGE_SIZE)
        weights = OWN if brings_weights(self.backbone) else IMAGENET
        # Where a preset brings a rule, it is known once the preset is there.
        resize = "" if self.backbone.startswith(HUB) else FITS[0]
        return {"backbone": network, "image_size": size, "weights": weights, "resize": resize}

    def _check(self) -> None:
        super()._check()
        usual = self.usual
        for name, value in usual.items():
            object.__setattr__(self, name, getattr(self, name) or value)
        if self.weights in (IMAGENET, OWN):
            # Each stands for what is published with the network.
            object.__setattr__(self, "weights", usual["weights"])
        self._check_own()
        self._check_prompts()
        if self.weights == BUNDLED and self.backbone != BUNDLED_BACKBONE:
            raise bad_value(
                "backbone",
                self.backbone,
                f"is another network than weights={BUNDLED} belong to",
                f"Use {BUNDLED_BACKBONE} or leave it out, or give other weights",
            )

    def _check_prompts(self) -> None:
        if self.class_prompts and CLASS_NAME not in self.class_prompts:
            raise bad_value(
                "class_prompts",
                self.class_prompts,
                "does not say where the name of the class goes",
                f"Write {CLASS_NAME} there, as in 'a photo of a {CLASS_NAME}'",
            )
        if self.class_prompts and self.from_scratch:
            raise bad_value(
                "class_prompts",
                self.class_prompts,
                "needs a network that has learned texts, and weights=none is random",
                "Leave one of the two out",
            )

    def _check_own(self) -> None:
        if not brings_weights(self.backbone):
            return
        if self.weights not in (OWN, "none"):
            raise bad_value(
                "weights",
                self.weights,
                f"are for a network of keras.applications, and {self.backbone} brings its own",
                "Leave it out, or use none to train from scratch",
            )
        if self.backbone.endswith(KERAS_FILE) and not self.input_scaling:
            raise bad_value(
                "input_scaling",
                "",
                f"is needed with {self.backbone}, since no file records how pixels are scaled",
                "Use 0..1, -1..1, imagenet or caffe as in its training, or none if it does so "
                "itself",
            )
