"""The blocks from which a search may unfreeze, told before any trial."""

from kerastl.errors import UsageError
from kerastl.model.backbones import find_backbone
from kerastl.model.build import build_classifier
from kerastl.model.network import Network
from kerastl.model.weights import build_backbone
from kerastl.tuning.space import Choice, Space


def list_blocks(backbone: str, image_size: int) -> list[str]:
    """Lists a backbone's blocks from the input up."""
    return list(_build(backbone, image_size).blocks)


def check_blocks(space: Space) -> None:
    """Refuses values of `unfreeze_from` that no backbone of the space has.

    Raises:
        UsageError: If there is one.
    """
    dimension = space.dimensions.get("unfreeze_from")
    if not isinstance(dimension, Choice):
        return
    refusals: dict[str, UsageError] = {}
    unknown = set(dimension.values)
    for name, image_size in _backbones(space):
        network = _build(name, image_size)
        for value in sorted(unknown):
            try:
                network.find(value)
            except UsageError as error:
                refusals[value] = error
            else:
                unknown.discard(value)
    if unknown:
        value = sorted(unknown)[0]
        raise UsageError(f"search_space=unfreeze_from: {refusals[value]}") from refusals[value]


def _backbones(space: Space) -> list[tuple[str, int]]:
    """Lists the backbones that may be drawn, each at the largest size of the space."""
    backbones = space.dimensions.get("backbone")
    size = max(space.image_sizes())
    names = backbones.examples if backbones else (space.config.backbone,)
    return [(name.partition("=")[0], size) for name in names]


def _build(name: str, image_size: int) -> Network:
    row = find_backbone(name, image_size=image_size)
    backbone = build_backbone(row, weights="none", image_size=image_size)
    classifier = build_classifier(backbone, scaling=row.scaling, num_classes=2, dropout=0.0)
    return Network.of(classifier, row)
