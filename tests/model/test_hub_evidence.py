"""Where networks of KerasHub see what decides a class."""

import keras
import numpy as np
import pytest

import tiny_presets
from kerastl.model.evidence import find_feature_map, locate_evidence
from kerastl.model.network import open_network
from kerastl.settings import ModelSettings

# KerasHub's own.
pytestmark = pytest.mark.filterwarnings("ignore:Layer 'attn' .*mask:UserWarning")
# A map of 2 x 2 places says too little.
SIZES = {"MobileNet": 2 * tiny_presets.SIZE}
# Their last features are tokens, or pooled.
WITHOUT = ("CLIP", "DINOV2", "DINOV3", "DeiT", "MetaCLIP2", "SigLIP", "SwinTransformer", "ViT")
CHEAP = ("ResNet", "ViT")
ALL = [
    name if name in CHEAP else pytest.param(name, marks=pytest.mark.thorough)
    for name in tiny_presets.BUILDERS
]


def pictures(size):
    """A plain picture, and the same with a patch in the middle of each quarter."""
    plain, side = np.full((size, size, 3), 110, np.float32), size // 4
    corners = [size // 4 - side // 2, 3 * size // 4 - side // 2]
    patched = []
    for top in corners:
        for left in corners:
            picture = plain.copy()
            picture[top : top + side, left : left + side] = (250, 20, 20)
            patched.append(picture)
    return np.stack([plain, *patched])


def kernel_of(features):
    """A head whose second class is the patch: what features of plain places have is nothing."""
    plain, patched = features[0].reshape(-1, features.shape[-1]), features[1:]
    # Those of the places that the patch changes the most.
    changed = (patched - features[:1]).reshape(-1, features.shape[-1])
    sizes = np.linalg.norm(changed, axis=1)
    direction = changed[sizes > np.quantile(sizes, 0.9)].mean(axis=0)
    basis, variances, _ = np.linalg.svd(plain.T, full_matrices=False)
    basis = basis[:, variances > 1e-3 * variances[0]]
    direction -= basis @ (basis.T @ direction)
    return np.stack([-direction, direction], axis=1)


@pytest.mark.parametrize("name", ALL)
def test_evidence_lies_where_the_patch_is(tmp_path, name):
    backbone, size = (
        tiny_presets.save_preset(name, tmp_path / "preset"),
        SIZES.get(name, tiny_presets.SIZE),
    )
    network = open_network(ModelSettings(backbone=backbone, image_size=size), num_classes=2)
    tensor = find_feature_map(network)
    assert (tensor is None) == (name in WITHOUT)
    if tensor is None:
        return
    features = np.array(keras.Model(network.inputs, tensor)(pictures(size), training=False))
    maps = locate_evidence(features, kernel_of(features), np.ones(5, int))[1:]
    rows, columns = (size // 2 for size in maps.shape[1:])
    evidence = np.maximum(maps[:, : 2 * rows, : 2 * columns], 0)
    quarters = evidence.reshape(4, 2, rows, 2, columns).sum(axis=(2, 4)).reshape(4, 4)
    assert (quarters.argmax(axis=1) == np.arange(4)).all()
    # A quarter of it is a quarter by chance.
    assert (np.diagonal(quarters) / quarters.sum(axis=1)).mean() > 0.45
