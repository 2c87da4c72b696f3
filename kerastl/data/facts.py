"""What is known of each image file, from one look at it, and remembered from run to run."""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import imagehash
import numpy as np
import tensorflow as tf
from PIL import Image

from kerastl.data import images
from kerastl.data.kinds import kind_of
from kerastl.data.refusals import explain
from kerastl.data.sources import Source, content_or_place, digest
from kerastl.errors import cannot_write
from kerastl.progress import Meter, Progress, count_of

_REMEMBERED = "audit.sqlite"
_FIELDS = 8
# Two pictures are nearly the same if so many bits of their perceptual hashes differ at most, and
# the colours of their fields by so many levels of 255 in the mean, and in a single field. All of
# the 20 pairs that this finds among 12,000 images of CIFAR-10 are one picture twice to the eye; of
# the next ten, at 10 to 12 levels, three are not.
_MOST_BITS = 12
_MOST_LEVELS = 10
_MOST_LEVELS_IN_A_FIELD = 45
# And if they differ by no more of what their fields differ among themselves: pages of text, say,
# have nearly the same grey everywhere, and are told apart by their letters alone.
_MOST_OF_SPREAD = 0.45
_SIDE_OF_GIST = 64
_GIST_BYTES = 8 + _FIELDS * _FIELDS * 3
# Comparing each with each takes ten seconds at 100,000 images, and four times that at twice.
MOST_COMPARED = 200_000
_DIGEST_BYTES = 16
# Files that are looked at between two looks at the clock.
_CHUNK = 64


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of one file.

    Attributes:
        problem: Why it cannot be used; empty if it can.
        kind: What it is by its first bytes, as in "JPEG"; empty for none.
        pixels: Hash of its upright RGB pixels, in hexadecimal digits: a copy without loss has
            the same.
        height: In pixels.
        width: Likewise.
        is_flat: Whether all pixels are alike.
        gist: What near-duplicates share, likewise: a perceptual hash of 64 bits, then the
            colours of 8 x 8 fields.
        is_of_content: Whether the same content would give the same facts again.
    """

    problem: str
    kind: str = ""
    pixels: str = ""
    height: int = 0
    width: int = 0
    is_flat: bool = False
    gist: str = ""
    is_of_content: bool = True


def look_at(source: Source, *, memory: pathlib.Path | None, progress: Progress) -> list[Facts]:
    """Reads and decodes every image once, in parallel, with the decoder that training uses.

    Args:
        source: What to look at.
        memory: Directory in which facts are remembered by content, so that the next run looks
            only at what is new or has changed; None remembers nothing.
        progress: Says how far it is.

    Returns:
        Facts in the order of `source`.
    """
    with Memory(memory) as remembered:
        keys = [f"{row.tobytes().hex()} {_DECODER}" for row in source.digests]
        facts = [Facts(**known) if known else None for known in map(remembered.find, keys)]
        todo = [number for number, fact in enumerate(facts) if fact is None]
        meter = Meter("audit", len(todo), progress)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(todo), _CHUNK):
                chunk = todo[start : start + _CHUNK]
                found = pool.map(lambda number: _look(source, number), chunk)
                for number, fact in zip(chunk, found, strict=True):
                    facts[number] = fact
                    if fact.is_of_content:
                        remembered.add(keys[number], dataclasses.asdict(fact))
                remembered.save()
                meter.show(start + len(chunk))
        if todo:
            progress.line(
                f"Audit: {count_of(len(todo), 'image')} looked at in {meter.summary()}, "
                f"{len(source) - len(todo)} known from before."
            )
    return [fact for fact in facts if fact is not None]


def digest_files(
    paths: Sequence[pathlib.Path], *, memory: pathlib.Path | None, progress: Progress
) -> np.ndarray:
    """Hashes the content of files, in parallel; those that have not changed are not read again.

    Returns:
        What `sources.digest` gives for each, uint8 (files, 16).
    """
    with Memory(memory) as remembered:
        keys = [_key(path) for path in paths]
        digests = [bytes.fromhex(known) if known else None for known in map(remembered.find, keys)]
        todo = [number for number, known in enumerate(digests) if known is None]
        meter = Meter("reading files", len(todo), progress)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for start in range(0, len(todo), _CHUNK):
                chunk = todo[start : start + _CHUNK]
                contents = pool.map(lambda number: content_or_place(paths[number]), chunk)
                for number, (content, is_there) in zip(chunk, contents, strict=True):
                    found = digests[number] = digest(content)
                    # What a disk refused once it may give the next time.
                    if is_there:
                        remembered.add(keys[number], found.hex())
                remembered.save()
                meter.show(start + len(chunk))
    return np.frombuffer(b"".join(filter(None, digests)), np.uint8).reshape(len(paths), -1)


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
    usable = [number for number, fact in enumerate(facts) if not fact.problem and not fact.is_flat]
    # Which lists there are depends on which file is first: not on the order that they came in.
    numbers = np.array(sorted(usable, key=lambda number: facts[number].pixels), int)
    if len(numbers) > MOST_COMPARED:
        return
    gists = np.frombuffer(
        b"".join(bytes.fromhex(facts[number].gist) for number in numbers), np.uint8
    )
    gists = gists.reshape(len(numbers), _GIST_BYTES)
    hashes = np.ascontiguousarray(gists[:, :8]).view(np.uint64).reshape(-1)
    fields = gists[:, 8:].reshape(len(numbers), _FIELDS**2, 3).astype(np.float32)
    spreads = np.abs(fields - fields.mean(axis=1, keepdims=True)).mean(axis=(1, 2))
    taken = np.zeros(len(numbers), bool)
    for place, number in enumerate(numbers.tolist()):
        if taken[place]:
            continue
        distances = np.bitwise_count(hashes[place + 1 :] ^ hashes[place])
        others = place + 1 + np.flatnonzero(distances <= _MOST_BITS)
        others = others[~taken[others]]
        differences = np.abs(fields[others] - fields[place]).mean(axis=2)
        means = differences.mean(axis=1)
        others = others[
            (means <= _MOST_LEVELS)
            & (differences.max(axis=1, initial=0) <= _MOST_LEVELS_IN_A_FIELD)
            & (means <= _MOST_OF_SPREAD * np.minimum(spreads[others], spreads[place]))
        ]
        others = others[[facts[other].pixels != facts[number].pixels for other in numbers[others]]]
        if len(others):
            taken[others] = True
            yield [number, *numbers[others].tolist()]


def _look(source: Source, number: int) -> Facts:
    try:
        content = source.load(number)
    except OSError as error:
        return Facts(error.strerror or "cannot be read", is_of_content=False)
    if digest(content) != source.digests[number].tobytes():
        return Facts("was changed while it was looked at", is_of_content=False)
    if not content:
        return Facts("is empty")
    kind = kind_of(content)
    try:
        pixels = _decode(tf.constant(content)).numpy()
    except tf.errors.OpError as error:
        return Facts(explain(content, str(error)), kind)
    hashed = hashlib.sha256(str(pixels.shape).encode())
    hashed.update(np.ascontiguousarray(pixels).data)
    gist, may_be_flat = _gist(pixels)
    return Facts(
        "",
        kind,
        hashed.hexdigest()[: 2 * _DIGEST_BYTES],
        height=pixels.shape[0],
        width=pixels.shape[1],
        is_flat=may_be_flat and all((row == pixels[0, 0]).all() for row in pixels),
        gist=gist,
    )


def _gist(pixels: np.ndarray) -> tuple[str, bool]:
    """Gives `Facts.gist`, and whether all fields have the same colour."""
    # Means of blocks are enough for both, and a hundredth of the work.
    small = Image.fromarray(pixels).reduce(max(1, min(pixels.shape[:2]) // _SIDE_OF_GIST))
    fields = np.asarray(small.resize((_FIELDS, _FIELDS), Image.Resampling.BOX))
    return str(imagehash.phash(small)) + fields.tobytes().hex(), bool(
        (fields == fields[0, 0]).all()
    )


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def _decode(content: tf.Tensor) -> tf.Tensor:
    return images.decode(content)


def _key(path: pathlib.Path) -> str:
    """Names a file as it is now.

    A change of its content changes the time of its last change of any kind, which, unlike that
    of its content, no program can set back.
    """
    try:
        status = path.stat()
    except OSError:
        return ""
    # In digits, since a path may hold bytes that are no text.
    place = f"{os.fsencode(os.path.realpath(path)).hex()} {status.st_dev} {status.st_ino}"
    return f"{place} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _open_table(place: str) -> sqlite3.Connection:
    connection = sqlite3.connect(place, timeout=60)
    connection.execute("CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, fact TEXT)")
    if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
        connection.close()
        raise sqlite3.DatabaseError("damaged")
    return connection


# Facts hold for one decoder, and for what is asked of it here.
_DECODER = hashlib.sha256(
    tf.__version__.encode()
    + b"".join(path.read_bytes() for path in images.SOURCES)
    + pathlib.Path(__file__).read_bytes()
).hexdigest()[:16]


class Memory:
    """What earlier runs found, by a key; one file that processes may share."""

    def __init__(self, directory: pathlib.Path | None) -> None:
        self._directory = directory

    def __enter__(self) -> "Memory":
        with self._explained():
            if self._directory is None:
                self._connection = _open_table(":memory:")
                return self
            self._directory.mkdir(parents=True, exist_ok=True)
            path = self._directory / _REMEMBERED
            try:
                self._connection = _open_table(str(path))
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                # Damaged: what it knew is found out again.
                path.unlink()
                self._connection = _open_table(str(path))
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def find(self, key: str) -> Any:
        """Gives the value that was kept under a key, None where there is none."""
        with self._explained():
            row = self._connection.execute("SELECT fact FROM facts WHERE key = ?", [key]).fetchone()
        return json.loads(row[0]) if row else None

    def add(self, key: str, value: Any) -> None:
        """Keeps a value that JSON can hold, once it is saved; nothing under the empty key."""
        if key:
            with self._explained():
                self._connection.execute(
                    "INSERT OR REPLACE INTO facts VALUES (?, ?)", [key, json.dumps(value)]
                )

    def save(self) -> None:
        """Puts what was added on disk, so that no other process waits for long."""
        with self._explained():
            self._connection.commit()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise cannot_write("cache_dir", self._directory, str(error)) from error
