"""Folders of image files, and what opening one gives and prints."""

import io

import numpy as np
import pytest
from PIL import Image

import fakes
import kerastl
from kerastl.data.opening import open_source
from kerastl.errors import UsageError
from kerastl.progress import Progress


def write_rgb36(root, *, form="JPEG", ending="jpg", count=12):
    """Folders blue, green and red with images of a solid color and noise."""
    rng = np.random.default_rng(0)
    for name, color in fakes.COLORS.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(rng.normal(color, 20, (48, 64, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02d}.{ending}", form, quality=95)
    return root


def config_of(tmp_path, **changes):
    values = {
        "dataset": f"folder:{tmp_path / 'data'}",
        "run_dir": str(tmp_path / "run"),
        "cache_dir": str(tmp_path / "cache"),
        "image_size": fakes.IMAGE_SIZE,
    }
    (tmp_path / "cache").mkdir(exist_ok=True)
    return kerastl.Config(**(values | changes))


def open_folder(config):
    said = io.StringIO()
    return open_source(config, Progress(said)), said.getvalue()


def refusal(config):
    said = io.StringIO()
    with pytest.raises(UsageError) as caught:
        open_source(config, Progress(said))
    assert "\n" not in str(caught.value)
    return str(caught.value), said.getvalue()
