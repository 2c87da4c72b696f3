"""Measures how far answers differ if a program prepares images itself, in several ways.

A MobileNetV2 learns from which of twelve parts of two photographs a crop is. Its ONNX file then
sees new crops, prepared in each way, and its answers are compared with those of the SavedModel,
which decodes and resizes files as training did. The first way is the code of the docs.

    python benchmarks/preparation.py --markdown=docs/how_to/without_tensorflow.md
"""

import argparse
import pathlib
import re
import tempfile
from collections.abc import Callable, Iterator

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine  # isort: skip
import numpy as np
import onnxruntime
import tensorflow as tf
from pages import publish
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

import kerastl

_ROOT = pathlib.Path(__file__).parents[1]
_PAGE = _ROOT / "docs/how_to/without_tensorflow.md"
_SIDE = 97
# The classes: parts of each photograph, by the center of a crop.
_ROWS, _COLUMNS = 2, 3
# Sides of the crops, in pixels.
_SMALLEST, _LARGEST = 120, 420
_SUFFIXES = (".png", ".jpg")
Load = Callable[[pathlib.Path], np.ndarray]


def main() -> None:
    """Trains, compares and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_data_flags(parser)
    parser.add_argument("--train", default=480, type=int, help="crops to train on")
    parser.add_argument("--images", default=400, type=int, help="crops of each kind to compare")
    parser.add_argument("--epochs", default=4, type=int, help="epochs of fine-tuning")
    parser.add_argument("--seed", default=0, type=int)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cut(folder / "photos", rng, arguments.train)
        export = train(folder, arguments)
        cut(folder / "new", rng, 2 * arguments.images)
        print("\n".join(describe(export, folder / "new", arguments)))


def cut(folder: pathlib.Path, rng: np.random.Generator, count: int) -> None:
    """Writes crops of the photographs, PNGs and JPEGs in turn, with a folder for each class."""
    photos = load_sample_images().images
    for number in range(count):
        which = number // 2 % len(photos)
        height, width, _ = photos[which].shape
        sides = rng.integers(_SMALLEST, _LARGEST, 2)
        top, left = (rng.integers(0, max(height - sides[0], 1)), rng.integers(0, width - sides[1]))
        crop = photos[which][top : top + sides[0], left : left + sides[1]]
        row = (2 * top + len(crop)) * _ROWS // (2 * height)
        column = (2 * left + sides[1]) * _COLUMNS // (2 * width)
        path = folder / f"{which}{row}{column}" / f"{number}{_SUFFIXES[number % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(crop).save(path, quality=90)


def train(folder: pathlib.Path, arguments: argparse.Namespace) -> pathlib.Path:
    """Trains on the crops; returns the version that it exports."""
    result = kerastl.run(
        kerastl.Config(
            dataset=f"folder:{folder / 'photos'}",
            run_dir=str(folder / "run"),
            cache_dir=str(folder / "cache"),
            export_dir=str(folder / "exports"),
            format="savedmodel,onnx",
            backbone="MobileNetV2",
            weights=arguments.weights,
            image_size=_SIDE,
            head_epochs=10,
            finetune_epochs=arguments.epochs,
            unfreeze_from="block_6",
            # Crops of a photograph overlap.
            near_duplicates="report",
            seed=arguments.seed,
        )
    )
    print(f"Validation accuracy {result.metrics['validation']['accuracy']:.3f}")
    return folder / "exports" / "1"


def ways() -> Iterator[tuple[str, Load]]:
    """Lists the ways to make the network's input of a file: float32 (size, size, 3)."""
    [code, *_] = re.findall(r"^```python\n(.*?)^```", _PAGE.read_text("utf-8"), re.M | re.S)
    names: dict[str, Callable[..., np.ndarray]] = {}
    exec(compile(code, str(_PAGE), "exec"), names)
    yield "`load_pixels` of this page", lambda path: names["load_pixels"](path, _SIDE, "crop")
    yield "the square by `Image.crop`, then `Image.resize` (whole numbers)", _resize_image
    yield "`ImageOps.fit` (whole numbers; a square between pixels)", _fit
    yield "`tf.image.resize` of the square without antialiasing", _resize_plainly


def _resize_image(path: pathlib.Path) -> np.ndarray:
    square = Image.fromarray(_square(np.asarray(Image.open(path))))
    return np.asarray(square.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR), np.float32)


def _fit(path: pathlib.Path) -> np.ndarray:
    fitted = ImageOps.fit(Image.open(path), (_SIDE, _SIDE), Image.Resampling.BILINEAR)
    return np.asarray(fitted, np.float32)


def _resize_plainly(path: pathlib.Path) -> np.ndarray:
    square = _square(np.asarray(Image.open(path)))
    pixels: np.ndarray = tf.image.resize(square, [_SIDE, _SIDE]).numpy()
    return pixels


def _square(pixels: np.ndarray) -> np.ndarray:
    side = min(pixels.shape[:2])
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def describe(
    export: pathlib.Path, folder: pathlib.Path, arguments: argparse.Namespace
) -> Iterator[str]:
    """Formats what each way changes."""
    classify = tf.saved_model.load(str(export)).signatures["serving_default"]
    session = onnxruntime.InferenceSession(export / "model.onnx")
    paths = {suffix: sorted(folder.rglob(f"*{suffix}")) for suffix in _SUFFIXES}
    right = {
        suffix: np.concatenate(
            [classify(image_bytes=tf.constant([path.read_bytes()]))["probabilities"] for path in of]
        )
        for suffix, of in paths.items()
    }
    yield f"{machine()}, ONNX Runtime {onnxruntime.__version__}, Pillow {Image.__version__}."
    yield f"MobileNetV2 at {_SIDE} px, fine-tuned; {arguments.images} PNGs"
    yield f"and as many JPEGs of {_SMALLEST} to {_LARGEST} px. The difference is the largest of a"
    yield "probability; the other columns count images that get another class.\n"
    yield "| prepared by | PNG: difference | other class | JPEG: difference | other class |"
    yield "| :-- | --: | --: | --: | --: |"
    for words, load in ways():
        cells = []
        for suffix in _SUFFIXES:
            pixels = np.stack([load(path) for path in paths[suffix]])
            (found,) = session.run(["probabilities"], {"images": pixels})
            changed = np.sum(found.argmax(axis=1) != right[suffix].argmax(axis=1))
            cells += [f"{np.abs(found - right[suffix]).max():.1g}", f"{changed} of {len(found)}"]
        yield f"| {words} | {' | '.join(cells)} |"


if __name__ == "__main__":
    publish(main, __file__)
