"""Settings of what becomes of an image on its way into the network."""

import dataclasses
import math
import re

from kerastl.errors import bad_value, unknown_name
from kerastl.settings.base import Settings
from kerastl.settings.field import Decides, Needs, Within, setting

# Side of the network's input by default, and with the bundled weights that of the drawn pictures
# that they were trained on, in pixels.
IMAGE_SIZE, BUNDLED_SIZE = 224, 48
# Largest side of the network's input, in pixels.
LARGEST_SIZE = 4096

# How an image becomes square, and how its pixels are interpolated on the way.
FITS = ("crop", "pad", "stretch")
BILINEAR = "bilinear"
INTERPOLATIONS = (BILINEAR, "bicubic", "lanczos3", "lanczos5", "nearest")
# As `keras.layers.Resizing` and the image converters of KerasHub do it, without or with their
# `antialias`: black is added before the resizing, and nothing is cut off at 0 and 255.
KERAS, KERAS_ANTIALIAS = "keras", "keras_antialias"

# Not at random: every second view of an image is its mirror image.
MIRROR = "mirror"
# Changes of training images: name -> strength where none is given. None takes none.
AUGMENTATIONS = {"flip": None, MIRROR: None, "crop": 0.2, "color": 0.3, "randaugment": 0.5}


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSettings(Settings):
    """How an image becomes the network's input."""

    topic = "Images"

    image_size: int = setting(
        0,
        help=f"Side of the network's input, in pixels; 0 for {IMAGE_SIZE}, or {BUNDLED_SIZE} with "
        "bundled weights.",
        within=Within(0, LARGEST_SIZE),
        decides=Decides.FEATURES,
        searchable=True,
        also="img_size imgsz size input_size input_shape target_size image_shape resolution "
        "height width",
    )
    resize: str = setting(
        "",
        help="How images become square: crop the largest centered square, pad with black, or "
        "stretch; and how pixels are interpolated, as in crop:bicubic: bilinear, bicubic, "
        "lanczos3, lanczos5 or nearest. With :keras or :keras_antialias behind that, exactly as "
        "keras.layers.Resizing does it. What is left out is that of the image converter of a "
        "preset of KerasHub, and of other networks crop:bilinear.",
        decides=Decides.FEATURES,
        searchable=True,
    )
    augment: str = setting(
        "",
        help="Changes of training images, in the order given. flip mirrors at random, mirror "
        "every second view. crop, color and randaugment change at random, with a strength "
        "up to 1, as in color:0.3. Empty for none.",
        decides=Decides.IMAGES,
        searchable=True,
        also="augmentation augmentations aug data_augmentation transforms",
    )
    augment_views: int = setting(
        0,
        help="Number of views of each training image that are stored and used in turn; 0 draws "
        "new ones in every epoch. mirror alone has 2: the image and its mirror image.",
        within=Within(0, 1000),
        decides=Decides.IMAGES,
        searchable=True,
        needs=Needs("augment", bool, "not empty"),
    )

    average_mirrored: str = setting(
        "no",
        help="Whether to classify by the mean of the probabilities of an image and its mirror "
        "image, in evaluation and in every export, which takes twice the time: yes, no, or auto "
        "for yes unless it clearly harms on the validation images.",
        choices=("no", "yes", "auto"),
        decides=Decides.IMAGES,
        searchable=True,
        also="tta test_time_augmentation",
    )

    @property
    def fit(self) -> str:
        """How an image becomes square, one of `FITS`."""
        return fit_of(self.resize)

    @property
    def augmentations(self) -> tuple[tuple[str, float | None], ...]:
        """The names in `augment` with their strengths, in the order of their application."""
        items = [item.strip() for item in self.augment.split(",")] if self.augment else []
        return tuple(_read_augmentation(self.augment, item) for item in items)

    @property
    def sees_mirrored(self) -> bool:
        """Whether evaluation takes the mirror images too."""
        return self.average_mirrored != "no"

    @property
    def only_mirrors(self) -> bool:
        """Whether each view is the image itself or its mirror image, so that nothing is random."""
        return all(name == MIRROR for name, _ in self.augmentations)

    @property
    def repeats_views(self) -> bool:
        """Whether training sees the same images again and again, changed ones too."""
        return not self.augmentations or bool(self.num_views)

    @property
    def num_views(self) -> int:
        """Changed views of each training image; 0 if there are none, or new ones in each epoch."""
        if self.augmentations and self.only_mirrors:
            return self.augment_views or 2
        return self.augment_views

    def _check(self) -> None:
        super()._check()
        if self.resize and self.resize.partition(":")[0] not in FITS:
            raise unknown_name("resize", self.resize, FITS, what="one of its choices")
        if interpolation_of(self.resize) not in INTERPOLATIONS:
            raise unknown_name("resize", self.resize, INTERPOLATIONS, what="a known interpolation")
        if manner_of(self.resize) not in ("", KERAS, KERAS_ANTIALIAS):
            raise unknown_name("resize", self.resize, (KERAS, KERAS_ANTIALIAS), what="a known way")
        if not self.augmentations and self.augment_views:
            raise bad_value(
                "augment_views",
                self.augment_views,
                "has nothing to change, as augment is empty",
                "Add --augment=flip or leave it out",
            )
        if self.augmentations and self.only_mirrors and self.augment_views == 1:
            raise bad_value(
                "augment_views",
                1,
                f"is the image itself alone, as augment={self.augment} mirrors every second view",
                "Use 2",
            )


def fit_of(rule: str) -> str:
    """Returns how an image becomes square by a value of `resize`."""
    return rule.partition(":")[0] or FITS[0]


def interpolation_of(rule: str) -> str:
    """Returns how pixels are interpolated by a value of `resize`, one of `INTERPOLATIONS`."""
    return rule.partition(":")[2].partition(":")[0] or BILINEAR


def manner_of(rule: str) -> str:
    """Returns whose way of resizing a value of `resize` names: empty for that of this package."""
    return rule.partition(":")[2].partition(":")[2]


def _read_augmentation(augment: str, item: str) -> tuple[str, float | None]:
    name, has_strength, text = (part.strip() for part in item.partition(":"))
    if name not in AUGMENTATIONS:
        raise unknown_name("augment", name, AUGMENTATIONS, what="a known augmentation")
    if not has_strength:
        return name, AUGMENTATIONS[name]
    strength = float(text) if re.fullmatch(r"\d*\.?\d+", text) else math.nan
    if AUGMENTATIONS[name] is None or not 0 < strength <= 1:
        raise bad_value(
            "augment",
            augment,
            f"{item!r} has a strength where none is taken"
            if AUGMENTATIONS[name] is None
            else f"{item!r} has no strength above 0 and at most 1",
            "Write it as in flip,crop,color:0.3,randaugment",
        )
    return name, strength
