"""Looks at every image file before the first step: a run does not meet a broken one halfway."""

import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import sqlite3
import time
from collections.abc import Iterator, Sequence

import imagehash
import numpy as np
import tensorflow as tf
from PIL import Image

from kerastl.data import images
from kerastl.data.files import LabelledFile
from kerastl.progress import Progress, count_of, format_duration

_DIGEST_BYTES = 16
_REMEMBERED = "audit.sqlite"
_FIELDS = 8
# Two pictures are nearly the same if so many bits of their perceptual hashes differ at most, and
# the colours of their fields by so many levels of 255 in the mean. Of the 22 pairs that this finds
# among 12,000 images of CIFAR-10, all are one picture twice to the eye; of the next ten, at 10 to
# 12 levels, three are not.
_MOST_BITS = 12
_MOST_LEVELS = 10
# Comparing each with each takes ten seconds at 100,000 images, and four times that at twice.
MOST_COMPARED = 200_000
# Files that are looked at between two looks at the clock.
_CHUNK = 64


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of one file.

    Attributes:
        problem: Why it cannot be used; empty if it can.
        digest: Hash of its bytes, in hexadecimal digits.
        pixels: Hash of its upright RGB pixels, likewise: a copy without loss has the same.
        height: In pixels.
        width: Likewise.
        is_flat: Whether all pixels are alike.
        gist: What near-duplicates share, likewise: a perceptual hash of 64 bits, then the
            colours of 8 x 8 fields.
    """

    problem: str
    digest: str = ""
    pixels: str = ""
    height: int = 0
    width: int = 0
    is_flat: bool = False
    gist: str = ""


def look_at_files(
    files: Sequence[LabelledFile], *, memory: pathlib.Path | None, progress: Progress
) -> list[Facts]:
    """Reads and decodes every file once, in parallel, with the decoder that training uses.

    Args:
        files: What to look at.
        memory: Directory in which facts are remembered, so that the next run reads only files
            that are new or have changed; None remembers nothing.
        progress: Says how far it is.

    Returns:
        Facts in the order of `files`.
    """
    with _Memory(memory) as remembered:
        keys = [_key(file.path) for file in files]
        facts = [remembered.find(key) for key in keys]
        todo = [number for number, fact in enumerate(facts) if fact is None]
        started = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(todo), _CHUNK):
                chunk = todo[start : start + _CHUNK]
                for number, fact in zip(
                    chunk, pool.map(_look, [files[number].path for number in chunk]), strict=True
                ):
                    facts[number] = fact
                    remembered.add(keys[number], fact)
                seconds = time.monotonic() - started
                done = start + len(chunk)
                left = format_duration(seconds * (len(todo) / done - 1))
                progress.status(f"audit {done}/{len(todo)}  {done / seconds:.0f} images/s  {left}")
        if todo:
            seconds = time.monotonic() - started
            progress.line(
                f"Audit: {count_of(len(todo), 'file')} read in {format_duration(seconds)} "
                f"({len(todo) / seconds:.0f} a second), {len(files) - len(todo)} known from before."
            )
    return [fact for fact in facts if fact is not None]


def duplicates(facts: Sequence[Facts]) -> Iterator[list[int]]:
    """Yields the positions of usable files that hold the same pixels, two or more at a time."""
    by_pixels: dict[str, list[int]] = {}
    for number, fact in enumerate(facts):
        if not fact.problem:
            by_pixels.setdefault(fact.pixels, []).append(number)
    yield from (numbers for numbers in by_pixels.values() if len(numbers) > 1)


def near_duplicates(facts: Sequence[Facts]) -> Iterator[list[int]]:
    """Yields the positions of usable files that look nearly the same, two or more at a time.

    Each file of a list is near its first one, so that no chain of small steps joins pictures
    that are unlike. Equal pixels are not near but equal, see `duplicates`. Pictures of one
    colour are all near each other and never count.
    """
    numbers = np.array(
        [number for number, fact in enumerate(facts) if not fact.problem and not fact.is_flat], int
    )
    if len(numbers) > MOST_COMPARED:
        return
    gists = np.array([list(bytes.fromhex(facts[number].gist)) for number in numbers], np.uint8)
    hashes = np.ascontiguousarray(gists[:, :8]).view(np.uint64).reshape(-1)
    fields = gists[:, 8:].astype(np.int16)
    taken = np.zeros(len(numbers), bool)
    for place, number in enumerate(numbers.tolist()):
        if taken[place]:
            continue
        distances = np.bitwise_count(hashes[place + 1 :] ^ hashes[place])
        others = place + 1 + np.flatnonzero(distances <= _MOST_BITS)
        others = others[~taken[others]]
        differences = np.abs(fields[others] - fields[place]).mean(axis=1)
        others = others[differences <= _MOST_LEVELS]
        others = others[[facts[other].pixels != facts[number].pixels for other in numbers[others]]]
        if len(others):
            taken[others] = True
            yield [number, *numbers[others].tolist()]


def _look(path: pathlib.Path) -> Facts:
    try:
        content = path.read_bytes()
    except OSError as error:
        return Facts(error.strerror or "cannot be read")
    if not content:
        return Facts("is empty")
    digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()
    try:
        pixels = _decode(tf.constant(content)).numpy()
    except tf.errors.OpError:
        return Facts(images.explain(content), digest)
    hashed = hashlib.blake2b(str(pixels.shape).encode(), digest_size=_DIGEST_BYTES)
    hashed.update(np.ascontiguousarray(pixels).data)
    return Facts(
        "",
        digest,
        hashed.hexdigest(),
        height=pixels.shape[0],
        width=pixels.shape[1],
        is_flat=bool((pixels == pixels[0, 0]).all()),
        gist=_gist(pixels),
    )


def _gist(pixels: np.ndarray) -> str:
    image = Image.fromarray(pixels)
    fields = image.resize((_FIELDS, _FIELDS), Image.Resampling.BOX)
    return str(imagehash.phash(image)) + fields.tobytes().hex()


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def _decode(content: tf.Tensor) -> tf.Tensor:
    return images.decode(content)


def _key(path: pathlib.Path) -> str:
    """Names a file as it is now: a change of its content changes its time or size."""
    try:
        status = path.stat()
    except OSError:
        return ""
    return f"{os.path.realpath(path)} {status.st_size} {status.st_mtime_ns} {_DECODER}"


# Facts hold for one decoder.
_DECODER = hashlib.sha256(
    tf.__version__.encode() + pathlib.Path(images.__file__).read_bytes()
).hexdigest()[:16]


class _Memory:
    """Facts of earlier runs; one file that processes may share."""

    def __init__(self, directory: pathlib.Path | None) -> None:
        self._directory = directory

    def __enter__(self) -> "_Memory":
        place = ":memory:" if self._directory is None else str(self._directory / _REMEMBERED)
        self._connection = sqlite3.connect(place, timeout=60)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, fact TEXT)"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.commit()
        self._connection.close()

    def find(self, key: str) -> Facts | None:
        row = self._connection.execute("SELECT fact FROM facts WHERE key = ?", [key]).fetchone()
        return Facts(**json.loads(row[0])) if row else None

    def add(self, key: str, fact: Facts) -> None:
        if key:
            text = json.dumps(dataclasses.asdict(fact))
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", [key, text])
