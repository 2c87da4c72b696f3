"""The presets of KerasHub for images, by class; a test compares them with the installed KerasHub.

These are those of KerasHub 0.32.
"""

import pathlib
from typing import NamedTuple

# The file has classes, and below each its presets: name, parameters as KerasHub counts them, model
# on Kaggle, side of the images / of the patches in pixels (as KerasHub describes and names it;
# "-" where neither tells), and the parameters of what sees images where KerasHub counts more:
# texts (SigLIP, CLIP, MetaCLIP 2), or a classifier of 1,000 classes (ResNet-vd, EfficientNet,
# CSPNet). DINOv2 and 3 were evaluated at 224 px.
_TEXT = pathlib.Path(__file__).with_suffix(".txt").read_text("utf-8")


class Known(NamedTuple):
    """What is known of a preset before its files are here; 0 for sizes that are not."""

    counted: int
    model: str
    size: int
    patch: int
    parameters: int


def _read(counted: str, model: str, sides: str, seeing: str = "") -> Known:
    size, _, patch = sides.strip("-").partition("/")
    return Known(int(counted), model, int(size or 0), int(patch or 0), int(seeing or counted))


# Class -> preset -> what is known of it.
PRESETS: dict[str, dict[str, Known]] = {}
for _name, *_values in map(str.split, _TEXT.splitlines()):
    if _values:
        PRESETS[next(reversed(PRESETS))][_name] = _read(*_values)
    else:
        PRESETS[_name] = {}
