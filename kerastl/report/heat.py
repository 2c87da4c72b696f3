"""Pictures of test images with the evidence for their class in color."""

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from PIL import Image

from kerastl.outputs.heat_maps import HeatMap
from kerastl.report.thumbnails import Picture, Thumbnails
from kerastl.settings.images import fit_of

# Of matplotlib: dark where nothing is, in order of brightness for eyes of all kinds and in gray.
_COLORS = "inferno"
_SHARE_OF_COLOR = 0.6


class Heat:
    """Colors the evidence in pictures."""

    def __init__(self, maps: Mapping[str, HeatMap], rule: str, thumbnails: Thumbnails) -> None:
        """Takes maps by the names of images, and how those became the network's input."""
        self._maps, self._rule, self._thumbnails = maps, rule, thumbnails

    def __contains__(self, example: str) -> bool:
        return example in self._maps

    def of(self, example: str) -> Picture | None:
        """Returns the picture of an image; None if there is none, or no map of it."""
        if example not in self._maps:
            return None
        evidence = self._maps[example].evidence
        return self._thumbnails.of(
            example, kind="heat", change=lambda image: color(image, evidence, self._rule)
        )


def color(image: Image.Image, evidence: np.ndarray, rule: str) -> Image.Image:
    """Colors a picture by what speaks for a class, the more the brighter.

    Args:
        image: The picture, in RGB.
        evidence: Over the network's input, (rows, columns). What is not above 0 is dark.
        rule: How the picture became that input, see `ImageSettings.resize`.
    """
    heat = np.maximum(evidence, 0) / max(float(evidence.max()), np.finfo(float).tiny)
    colors = mpl.colormaps[_COLORS](_spread(heat, image.size, rule), bytes=True)[..., :3]
    gray = image.convert("L").convert("RGB")
    return Image.blend(gray, Image.fromarray(np.ascontiguousarray(colors)), _SHARE_OF_COLOR)


def _spread(heat: np.ndarray, size: tuple[int, int], rule: str) -> np.ndarray:
    """Spreads a map over a picture, float (height, width); 0 where the network saw nothing."""
    width, height = size
    side = min(size) if fit_of(rule) == "crop" else max(size)
    square = (width, height) if fit_of(rule) == "stretch" else (side, side)
    large = Image.fromarray(heat.astype(np.float32)).resize(square, Image.Resampling.BICUBIC)
    # Where the middle of the square is that of the picture, one of them reaches further.
    left, top = (square[0] - width) // 2, (square[1] - height) // 2
    region = np.asarray(large.crop((left, top, left + width, top + height)))
    return np.asarray(np.clip(region, 0, 1))
