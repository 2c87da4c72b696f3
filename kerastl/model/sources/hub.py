"""Presets of KerasHub: by name, on Hugging Face or Kaggle, or in a directory.

Nothing here imports KerasHub, which imports Keras.
"""

import dataclasses
import importlib.util
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kerastl.errors import KerastlError, bad_value
from kerastl.extras import install_command
from kerastl.model.backbones import Backbone, Scaling, name_of_scaling
from kerastl.model.sources import hub_files
from kerastl.model.sources.hub_presets import PRESETS
from kerastl.paths import local_path
from kerastl.settings.model import HUB

_FIELD = "backbone"
_ADDRESS = re.compile(r"(hf://[^/]+/[^/]+|kaggle://[^/]+/[^/]+/[^/]+/[^/]+(/\d+)?)/?")
_SITES = {"hf": "https://huggingface.co/", "kaggle": "https://www.kaggle.com/models/"}
# Who has KerasHub's presets on both sites, under their names.
_OWNER = "keras"


# What the head sees.
MAP, TOKENS = "mean of the map", "mean of the tokens"
CLASS_TOKEN, CLASS_AND_PATCHES = "class token", "class token, mean of the patches"
POOLED = "the network's own pooling"


@dataclasses.dataclass(frozen=True)
class Family:
    """What the networks of one class of KerasHub have in common.

    Attributes:
        sees: What the head sees of the output.
        patch: What images must be a multiple of for a transformer, in pixels, where its description
            does not say it; 0 for a network of convolutions, which takes any size.
        is_fixed: Whether it takes no other size than its own.
        tower: Attribute of the network that holds the part for images; empty for all of it.
        norm: Attribute of the network with a normalization that follows the tower; empty for none.
        projection: Attribute with the dense layer from what the head sees to the space of texts;
            empty where the head sees that space itself.
        similarity: Attribute with the layer that compares images with texts; empty where there are
            no texts.
        licence: Licence of the published weights, where one source names it for all of them.
        is_inherited: Whether that is the licence of all that others make of them, too.
        unwritten: Formats whose converter fails on it.
    """

    sees: str = MAP
    patch: int = 0
    is_fixed: bool = False
    tower: str = ""
    norm: str = ""
    projection: str = ""
    similarity: str = ""
    licence: str = ""
    is_inherited: bool = False
    unwritten: tuple[str, ...] = ()


# The licences: https://github.com/facebookresearch/dinov2 and
# https://huggingface.co/facebook/dinov3-vits16-pretrain-lvd1689m, whose licence binds what is made
# of the weights.
# Where a transformer's own classifier looks is what the head sees; DINOv2 was evaluated with the
# class token beside the mean of the patches, https://arxiv.org/abs/2304.07193.
_PLAIN = "CSPNet DenseNet EfficientNet HGNetV2 MobileNet MobileNetV5 ResNet VGG Xception"
FAMILIES = {
    **dict.fromkeys((f"{name}Backbone" for name in _PLAIN.split()), Family()),
    "CLIPBackbone": Family(
        *(CLASS_TOKEN, 16),
        tower="vision_encoder",
        projection="vision_projection",
        similarity="clip_head",
    ),
    "DINOV2Backbone": Family(CLASS_AND_PATCHES, 14, licence="Apache 2.0"),
    "DINOV3Backbone": Family(*(CLASS_AND_PATCHES, 16), licence="DINOv3 License", is_inherited=True),
    "DeiTBackbone": Family(CLASS_TOKEN, 16),
    "MetaCLIP2Backbone": Family(
        *(CLASS_TOKEN, 14),
        tower="vision_encoder",
        norm="vision_post_layer_norm",
        projection="vision_projection",
        similarity="metaclip_2_head",
    ),
    # With one head, tf2onnx 1.17 makes another shape of a transposition whose sides are not known.
    "MiTBackbone": Family(patch=32, unwritten=("onnx",)),
    "SigLIPBackbone": Family(POOLED, 16, tower="vision_encoder", similarity="siglip_head"),
    "SwinTransformerBackbone": Family(TOKENS, 4, is_fixed=True),
    "ViTBackbone": Family(CLASS_TOKEN, 16),
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
        folder: Where its files are on this machine; empty where they are not.
    """

    source: str = "hub"
    library: str = "KerasHub"
    brings_resize: bool = True
    preset: str
    kind: str = ""
    page: str = ""
    folder: str = ""

    @property
    def scaled(self) -> str:
        """See the base class."""
        return name_of_scaling(self.scaling) if self.folder else "by its converter"

    def find_weights(self) -> str:
        """See the base class."""
        return self.folder if hub_files.has_weights(self.folder) else ""

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
            return _of_name(name, kind, preset)
    path = local_path(preset, field=_FIELD, value=name)
    return _of_directory(name, path) if path.is_dir() else None


def _is_installed() -> bool:
    return importlib.util.find_spec("keras_hub") is not None


def list_rows() -> Iterator[Preset]:
    """Yields the rows of all presets that have a name."""
    for kind, presets in PRESETS.items():
        for preset in presets:
            yield _of_name(f"{HUB}{preset}", kind, preset)


def _of_address(name: str, address: str) -> Preset:
    """Finds the row of an address; what it is shows by its files if here, or by its name."""
    if not _ADDRESS.fullmatch(address):
        raise bad_value(
            _FIELD,
            name,
            "is not the address of a preset",
            "Write hub:hf://OWNER/MODEL or hub:kaggle://OWNER/MODEL/keras/VARIANT",
        )
    scheme, _, rest = address.rstrip("/").partition("://")
    owner, *parts = rest.split("/")
    page = _SITES[scheme] + rest
    for kind, presets in PRESETS.items():
        if owner == _OWNER and (known := presets.keys() & set(parts)):
            own = _of_name(name, kind, known.pop())
            return _as_here(dataclasses.replace(own, preset=address, page=page), address)
    letters = re.sub(r"[^a-z0-9]", "", rest.lower())
    binding = {
        kind.removesuffix("Backbone").lower(): family.licence
        for kind, family in FAMILIES.items()
        if family.is_inherited
    }
    licence = next((binding[one] for one in binding if one in letters), "")
    about = {"minimum_size": 1, "reads_text": True, "licence": licence}
    return _as_here(Preset(name=name, preset=address, page=page, **about), address)  # type: ignore[arg-type]


def _of_name(name: str, kind: str, preset: str) -> Preset:
    known = PRESETS[kind][preset]
    handle = f"{_OWNER}/{known.model}/keras/{preset}"
    row = Preset(
        name=name,
        preset=preset,
        is_modern=preset in _MODERN,
        parameters=known.parameters,
        page=_SITES["kaggle"] + handle,
        **_of_kind(kind, size=known.size, patch=known.patch),
    )
    return _as_here(row, f"kaggle://{handle}")


def _of_directory(name: str, path: pathlib.Path) -> Preset:
    try:
        described = hub_files.read_description(path)
    except hub_files.UNREADABLE as error:
        raise bad_value(
            _FIELD,
            name,
            f"holds no preset that KerasHub saved: {hub_files.DESCRIPTION} is missing or damaged",
            "Give a directory that save_to_preset wrote",
        ) from error
    check_kind(name, described[0])
    row = Preset(name=name, label="a preset's directory", preset=str(path), folder=str(path))
    return dataclasses.replace(row, **_of_files(*described))


def _as_here(row: Preset, address: str) -> Preset:
    """Returns a row with what its files say, where they are on this machine."""
    folder = hub_files.find_folder(address)
    if not folder:
        return row
    row = dataclasses.replace(row, folder=str(folder))
    try:
        described = hub_files.read_description(folder)
    except hub_files.UNREADABLE:
        # A download that was cut off, which KerasHub will repeat, or another library's files.
        return row
    check_kind(row.name, described[0])
    fields = _of_files(*described)
    fields["usual_size"] = fields.get("usual_size") or row.usual_size
    found = dataclasses.replace(row, **fields)
    is_told = row.kind or FAMILIES[found.kind].is_inherited
    return dataclasses.replace(found, licence=found.licence if is_told else "")


def _of_files(
    kind: str, values: Mapping[str, Any], made: int, scaling: Scaling | None
) -> dict[str, Any]:
    family = FAMILIES[kind]
    if family.tower:
        values = values[family.tower]["config"]
    size = _side(values, "image_shape")
    # What has one size alone is not asked for another by its converter.
    own = size if family.is_fixed else made or (size if family.patch else 0)
    fields = _of_kind(kind, size=own, patch=_side(values, "patch_size"))
    return fields | {"scaling": scaling}


def _of_kind(kind: str, *, size: int, patch: int) -> dict[str, Any]:
    """Returns what follows from a network's class, and from its sizes in pixels, 0 if unknown."""
    family = FAMILIES[kind]
    fields = {
        "kind": kind,
        "sees": family.sees,
        "licence": family.licence,
        "unwritten": family.unwritten,
        "reads_text": bool(family.similarity),
        "is_transformer": bool(family.patch),
    }
    if family.is_fixed:
        return fields | {"only_size": size}
    if not family.patch:
        return fields | {"minimum_size": 32, "usual_size": size}
    multiple = patch or family.patch
    return fields | {"minimum_size": multiple, "size_multiple": multiple, "usual_size": size}


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
