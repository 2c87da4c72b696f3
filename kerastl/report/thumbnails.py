"""Small pictures of images, as far as they can still be read and the page has room."""

import base64
import contextlib
import io
from collections.abc import Callable
from typing import NamedTuple

from PIL import Image, ImageOps

from kerastl.data.content import read_file
from kerastl.data.finding import find_source
from kerastl.data.source import Source
from kerastl.errors import KerastlError, bad_value
from kerastl.paths import local_path
from kerastl.progress import Progress
from kerastl.settings import DataSettings

# Returns the bytes of an image file by the name of the image.
Read = Callable[[str], bytes]
# What the package's readers raise for an image that is gone, and Pillow for one that it cannot
# decode: some of its plugins raise SyntaxError, and a huge image is an error of its own.
_UNREADABLE = (
    *(OSError, ValueError, KeyError, SyntaxError, KerastlError, MemoryError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
_SIDE, _TINY_SIDE, _QUALITY = 112, 64, 78
# Most pictures of a page, and characters of them: a page has less than 5 MB in any case.
_MOST, _MOST_CHARACTERS = 600, 2_500_000


class Picture(NamedTuple):
    """A picture in the text of a page.

    Attributes:
        address: Its `data:` address.
        width: In pixels.
        height: In pixels.
    """

    address: str
    width: int
    height: int


class Thumbnails:
    """Makes the pictures of a page, first come, first served, while there is room."""

    def __init__(self, read: Read | None) -> None:
        """Wraps a function that reads an image, None where none can be read."""
        self._read = read
        self._known: dict[tuple[str, str], Picture | None] = {}
        self._characters = 0

    def of(
        self,
        example: str,
        *,
        kind: str = "",
        change: Callable[[Image.Image], Image.Image] = lambda image: image,
    ) -> Picture | None:
        """Returns the picture of an image; None if it is gone, or the page is full.

        `change` makes another one of it, in RGB, of the same size; `kind` names what.
        """
        key = (example, kind)
        if key not in self._known and self._read and len(self._known) < _MOST:
            self._known[key] = self._make(self._read, example, change)
        found = self._known.get(key)
        # One that is shown twice is there twice.
        self._characters += len(found.address) if found else 0
        return found if self._characters <= _MOST_CHARACTERS else None

    def _make(
        self, read: Read, example: str, change: Callable[[Image.Image], Image.Image]
    ) -> Picture | None:
        try:
            image = _shrink(read(example))
        except _UNREADABLE:
            return None
        return _to_picture(change(image))


def _shrink(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as opened:
        opened.draft("RGB", (2 * _SIDE, 2 * _SIDE))
        image = _as_rgb(ImageOps.exif_transpose(opened))
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    # Pixels of tiny images stay squares.
    times = max(1, _TINY_SIDE // max(image.size))
    size = (times * image.width, times * image.height)
    return image.resize(size, Image.Resampling.NEAREST)


def _to_picture(image: Image.Image) -> Picture:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    text = base64.b64encode(file.getvalue()).decode("ascii")
    return Picture(f"data:image/jpeg;base64,{text}", *image.size)


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        # 16 bits, which Pillow would clip.
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert("RGB")
    return image.convert("RGB")


def read_from_source(source: Source) -> Read:
    """Reads images from an open source."""
    place = {example: index for index, example in reversed(list(enumerate(source.examples)))}
    return lambda example: source.read(place[example])


def read_from_disk(data: DataSettings) -> Read:
    """Reads images where the run found them.

    Raises:
        KerastlError: If they are not there, or only a run can open them.
    """
    kind = data.source_kind
    if kind.is_opened_whole:
        return read_from_source(find_source(data, memory=None, progress=Progress()))
    if not kind.is_path:
        advice = "Give the source to kerastl.report" if kind.is_passed_in else "Repeat the run"
        raise bad_value("dataset", data.dataset, "is opened by runs alone", advice)
    path = local_path(data.dataset.partition(":")[2], field="dataset")
    if not path.exists():
        raise bad_value(
            "dataset",
            data.dataset,
            "does not exist here",
            "Put it back, or call kerastl report in the directory in which the run was started",
        )
    # What a table names is relative to it, or to the working folder.
    folder = path if path.is_dir() else path.parent

    def read(example: str) -> bytes:
        with contextlib.suppress(OSError):
            return read_file(folder / example)
        return read_file(local_path(example, field="dataset"))

    return read
