"""Presets of KerasHub: by name, on Hugging Face or Kaggle, or in a directory.

Nothing here imports KerasHub, which imports Keras.
"""

import dataclasses
import importlib.util
import json
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kerastl.errors import KerastlError, bad_value
from kerastl.extras import install_command
from kerastl.model.backbones import Backbone
from kerastl.model.sources.hub_presets import PRESETS
from kerastl.paths import home, local_path
from kerastl.settings.model import HUB

_FIELD = "backbone"
_ADDRESS = re.compile(r"(hf://[^/]+/[^/]+|kaggle://[^/]+/[^/]+/[^/]+/[^/]+(/\d+)?)/?")
_KAGGLE = "https://www.kaggle.com/models/keras/"
_DESCRIPTION = "config.json"
# Side of the images in a preset's name, and of its patches.
_SIZE, _PATCH = re.compile(r"_(2\d\d|3\d\d|4\d\d|5\d\d)(?:_|$)"), re.compile(r"patch(\d+)|_(\d\d)_")


# What the head sees.
MAP, TOKENS = "mean of the map", "mean of the tokens"
CLASS_TOKEN, CLASS_AND_PATCHES = "class token", "class token, mean of the patches"
POOLED = "the network's own pooling"


@dataclasses.dataclass(frozen=True)
class Family:
    """What the networks of one class of KerasHub have in common.

    Attributes:
        sees: What the head sees of the output.
        size: Side of the images that a transformer takes best, in pixels, where the preset's name
            does not show it; 0 for a network of convolutions, which takes any.
        patch: Side of a transformer's patches, in pixels, where the name does not show it.
        is_fixed: Whether it takes no other size.
        tower: Attribute of the network that holds the part for images; empty for all of it.
        norm: Attribute of the network with a normalization that follows the tower; empty for none.
        projection: Attribute with the dense layer from what the head sees to the space of texts;
            empty where the head sees that space itself.
        similarity: Attribute with the layer that compares images with texts; empty where there are
            no texts.
        licence: Licence of the published weights, where one source names it for all of them.
        unwritten: Formats whose converter fails on it.
    """

    sees: str = MAP
    size: int = 0
    patch: int = 1
    is_fixed: bool = False
    tower: str = ""
    norm: str = ""
    projection: str = ""
    similarity: str = ""
    licence: str = ""
    unwritten: tuple[str, ...] = ()


# The licences: https://github.com/facebookresearch/dinov2 and
# https://huggingface.co/facebook/dinov3-vits16-pretrain-lvd1689m.
# Where a transformer's own classifier looks is what the head sees; DINOv2 was evaluated with the
# class token beside the mean of the patches, https://arxiv.org/abs/2304.07193.
FAMILIES = {
    "CLIPBackbone": Family(
        *(CLASS_TOKEN, 224, 16),
        tower="vision_encoder",
        projection="vision_projection",
        similarity="clip_head",
    ),
    "CSPNetBackbone": Family(),
    "DINOV2Backbone": Family(CLASS_AND_PATCHES, 224, 14, licence="Apache 2.0"),
    "DINOV3Backbone": Family(CLASS_AND_PATCHES, 224, 16, licence="DINOv3 License"),
    "DeiTBackbone": Family(CLASS_TOKEN, 224, 16),
    "DenseNetBackbone": Family(),
    "EfficientNetBackbone": Family(),
    "HGNetV2Backbone": Family(),
    "MetaCLIP2Backbone": Family(
        *(CLASS_TOKEN, 224, 14),
        tower="vision_encoder",
        norm="vision_post_layer_norm",
        projection="vision_projection",
        similarity="metaclip_2_head",
    ),
    # With one head, tf2onnx 1.17 makes another shape of a transposition whose sides are not known.
    "MiTBackbone": Family(size=224, patch=32, unwritten=("onnx",)),
    "MobileNetBackbone": Family(),
    "MobileNetV5Backbone": Family(),
    "ResNetBackbone": Family(),
    "SigLIPBackbone": Family(POOLED, 224, 16, tower="vision_encoder", similarity="siglip_head"),
    "SwinTransformerBackbone": Family(TOKENS, 224, is_fixed=True),
    "VGGBackbone": Family(),
    "ViTBackbone": Family(CLASS_TOKEN, 224, 16),
    "XceptionBackbone": Family(),
}


# Trained with the labels of 1,000 and of 21,000 classes, with texts, and with neither.
_MODERN = (
    "hgnetv2_b4_ssld_stage2_ft_in1k",
    "vit_base_patch16_224_imagenet21k",
    "swin_tiny_patch4_window7_224",
    "siglip2_base_patch16_224",
    "dinov2_small",
    "dinov2_base",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset(Backbone):
    """A preset of KerasHub.

    Attributes:
        preset: What KerasHub calls it, or its directory.
        kind: Name of its class; empty where only its place will show it.
        page: Where its files can be had; empty for a directory.
    """

    source: str = "hub"
    brings_resize: bool = True
    preset: str
    kind: str = ""
    page: str = ""

    def find_weights(self) -> str:
        """Looks where KerasHub keeps what it had from Kaggle, by the rules of kagglehub."""
        model = self.page.removeprefix(_KAGGLE)
        if model == self.page:
            return ""
        given = os.environ.get("KAGGLEHUB_CACHE")
        cache = pathlib.Path(given or f"{home() or '/'}/.cache/kagglehub")
        found = sorted((cache / "models" / "keras" / model).glob("*/*.weights.*"))
        return str(found[-1].parent) if found else ""

    def why_unlisted(self) -> str:
        """See the base class: a list downloads only what stands for many."""
        if not _is_installed():
            return f"need {install_command('hub')}"
        is_wanted = self.is_modern or self.find_weights()
        return "" if is_wanted else "are not on this machine; name one, and it is downloaded"

    def describe_download(self) -> str:
        """See the base class."""
        if not self.licence or not self.page or self.find_weights():
            return ""
        return f"{self.name} comes from {self.page}, under its licence: {self.licence}."


def find(name: str) -> Preset | None:
    """Finds the row of a preset; None for another name.

    Raises:
        UsageError: If it is no network for images, or no address or directory of one.
        KerastlError: If KerasHub is not installed.
    """
    if not name.startswith(HUB):
        return None
    if not _is_installed():
        raise KerastlError(
            f"backbone={name!r}: needs packages that are not installed. Run: "
            f"{install_command('hub')}."
        )
    preset = name.removeprefix(HUB)
    if "://" in preset:
        return _of_address(name, preset)
    for kind, presets in PRESETS.items():
        if preset in presets:
            return _of_name(name, preset, kind)
    path = local_path(preset, field=_FIELD, value=name)
    return _of_directory(name, path) if path.is_dir() else None


def _is_installed() -> bool:
    return importlib.util.find_spec("keras_hub") is not None


def list_rows() -> Iterator[Preset]:
    """Yields the rows of all presets that have a name."""
    for kind, presets in PRESETS.items():
        for preset in presets:
            yield _of_name(f"{HUB}{preset}", preset, kind)


def _of_address(name: str, preset: str) -> Preset:
    if not _ADDRESS.fullmatch(preset):
        raise bad_value(
            _FIELD,
            name,
            "is not the address of a preset",
            "Write hub:hf://OWNER/MODEL or hub:kaggle://OWNER/MODEL/keras/VARIANT",
        )
    scheme, _, rest = preset.partition("://")
    site = {"hf": "https://huggingface.co/", "kaggle": "https://www.kaggle.com/models/"}[scheme]
    # What it is shows only when it is there.
    return Preset(name=name, preset=preset, minimum_size=1, page=site + rest, reads_text=True)


def _of_name(name: str, preset: str, kind: str) -> Preset:
    parameters, model = PRESETS[kind][preset]
    family = FAMILIES[kind]
    size, patch = _SIZE.search(preset), _PATCH.search(preset)
    return Preset(
        name=name,
        preset=preset,
        kind=kind,
        parameters=parameters,
        page=f"{_KAGGLE}{model}/keras/{preset}",
        sees=family.sees,
        licence=family.licence,
        unwritten=family.unwritten,
        reads_text=bool(family.similarity),
        is_transformer=bool(family.size),
        is_modern=preset in _MODERN,
        **_sizes(
            family,
            size=int(size[1]) if size else family.size,
            patch=int(patch[1] or patch[2]) if patch else family.patch,
        ),
    )


def _of_directory(name: str, path: pathlib.Path) -> Preset:
    try:
        description: dict[str, Any] = json.loads((path / _DESCRIPTION).read_text("utf-8"))
        kind, values = str(description["class_name"]), description["config"]
    except (OSError, ValueError, KeyError) as error:
        raise bad_value(
            _FIELD,
            name,
            f"holds no preset that KerasHub saved: {_DESCRIPTION} is missing or damaged",
            "Give a directory that save_to_preset wrote",
        ) from error
    check_kind(name, kind)
    family = FAMILIES[kind]
    if family.tower:
        values = values[family.tower]["config"]
    return Preset(
        name=name,
        label="a preset's directory",
        preset=str(path),
        kind=kind,
        sees=family.sees,
        licence=family.licence,
        unwritten=family.unwritten,
        reads_text=bool(family.similarity),
        is_transformer=bool(family.size),
        **_sizes(family, size=_side(values, "image_shape"), patch=_side(values, "patch_size")),
    )


def check_kind(name: str, kind: str) -> None:
    """Refuses a network of KerasHub that gives no features of an image.

    Raises:
        UsageError: If it is one.
    """
    if kind not in FAMILIES:
        known = ", ".join(sorted(family.removesuffix("Backbone") for family in FAMILIES))
        raise bad_value(
            _FIELD,
            name,
            f"is a {kind}, which is no network from an image to features",
            f"Use a preset of {known}",
        )


def _side(values: Mapping[str, Any], field: str) -> int:
    value = values.get(field) or 0
    return int((value[0] if isinstance(value, list) else value) or 0)


def _sizes(family: Family, *, size: int, patch: int) -> dict[str, Any]:
    """Returns a row's sizes: convolutions take any, transformers have their own."""
    if not family.size:
        return {"minimum_size": 32}
    if family.is_fixed:
        return {"only_size": size}
    multiple = patch or family.patch
    return {"minimum_size": multiple, "size_multiple": multiple, "usual_size": size}
