"""Where labelled images come from; each kind of data set becomes one `Source`."""

import contextlib
import dataclasses
import errno
import hashlib
import io
import math
import numbers
import os
import pathlib
import stat
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kerastl.config import Config
from kerastl.errors import KerastlError, UsageError, bad_value
from kerastl.progress import Progress

if TYPE_CHECKING:
    import tensorflow as tf

_DIGEST_BYTES = 16
_SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that the audit has found, a row of `audit.csv`.

    Attributes:
        file: What it is about, as `splits.csv` names it.
        kind: What is wrong, as in "same image twice".
        detail: What a person wants to know besides.
        other: The other file, where there are two.
    """

    file: str
    kind: str
    detail: str
    other: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Labelled images that are read one by one, when they are needed.

    Attributes:
        name: What the user called the data set, with its version where it has one.
        class_names: Names in the order of the labels.
        examples: A stable name for each image, as `splits.csv` shows it.
        labels: Index into `class_names` for each image, int64 (images,).
        digests: A hash of each image file's content, uint8 (images, 16).
        given_splits: "train", "validation" or "test" for each image, as the data set brings
            it. What a data set does not bring is split off "train".
        load: Function from an index to the bytes of one image file.
        groups: A number for each image, int64 (images,): those with the same one are on one
            side of every split that is dealt here. None where each stands alone. Images of
            the same content belong together in any case.
        ignored: How many other files lie there, by what they are.
        has_files: Whether `examples` are paths of files, whose endings should fit.
        pixels: A hash of what each file shows, uint8 (images, 16), once the audit has seen it:
            the same for a copy that was only written anew.
        findings: What is worth a row in `audit.csv`.
    """

    name: str
    class_names: tuple[str, ...]
    examples: Sequence[str]
    labels: np.ndarray
    digests: np.ndarray
    given_splits: np.ndarray
    load: Callable[[int], bytes]
    groups: np.ndarray | None = None
    ignored: Mapping[str, int] = dataclasses.field(default_factory=dict)
    has_files: bool = False
    pixels: np.ndarray | None = None
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        """Refuses labels that the loss would take for something else, before any training."""
        if len(self.class_names) < 2:  # noqa: PLR2004  one class leaves nothing to tell apart
            found = f"one class ({self.class_names[0]})" if self.class_names else "no class"
            raise bad_value("dataset", self.name, f"has {found}", "Give two or more")
        outside = (self.labels < 0) | (self.labels >= len(self.class_names))
        if outside.any():
            values = sorted({int(label) for label in self.labels[outside]})
            raise bad_value(
                "dataset",
                self.name,
                f"has {int(outside.sum())} labels outside 0..{len(self.class_names) - 1}: "
                f"{', '.join(map(str, values[:5]))}",
                "Number the classes from 0 without gaps",
            )

    def __len__(self) -> int:
        """Counts the images of all splits."""
        return len(self.labels)

    @classmethod
    def from_arrays(
        cls,
        images: Sequence[np.ndarray] | np.ndarray,
        labels: Sequence[Any] | np.ndarray,
        *,
        class_names: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
        groups: Sequence[Hashable] | None = None,
        name: str = "arrays",
    ) -> "Source":
        """Makes a source from pixels in memory, which are not copied.

        Args:
            images: uint8 arrays in 0..255, (height, width), (height, width, 1) or (height,
                width, 3); each may have a size of its own.
            labels: A class for each: its number, or its name.
            class_names: Names in the order of the numbers; the numbers themselves, or the
                names in `labels` in their order, by default.
            splits: "train", "validation" or "test" for each; all "train" by default.
            groups: Images of equal values are on one side of every split.
            name: What messages and records call the data.

        Raises:
            UsageError: If an image has another type or shape, or the lengths differ.
        """
        for number, image in enumerate(images):
            _check_pixels(np.asarray(image), number)

        def load(index: int) -> bytes:
            return _encode(np.asarray(images[index]))

        return cls(
            name=name,
            examples=[f"{name}[{number}]" for number in range(len(images))],
            digests=digest_all(map(load, range(len(images)))),
            load=load,
            **_described(len(images), labels, class_names, splits, groups),
        )

    @classmethod
    def from_files(
        cls,
        paths: Sequence[str | pathlib.Path],
        labels: Sequence[Any] | np.ndarray,
        *,
        class_names: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
        groups: Sequence[Hashable] | None = None,
        name: str = "files",
    ) -> "Source":
        """Makes a source from image files.

        Args:
            paths: Of JPEG, PNG, GIF, BMP or WebP files.
            labels: See `from_arrays`, as all others.
            class_names: Likewise.
            splits: Likewise.
            groups: Likewise.
            name: Likewise.

        Raises:
            UsageError: If the lengths differ. Files that cannot be used are found at the start
                of a run.
        """
        places = [pathlib.Path(path) for path in paths]
        return cls(
            name=name,
            examples=[readable(path) for path in places],
            digests=digest_all(content_or_place(place)[0] for place in places),
            load=lambda index: read_file(places[index]),
            has_files=True,
            **_described(len(places), labels, class_names, splits, groups),
        )

    def read(self, index: "tf.Tensor") -> "tf.Tensor":
        """Reads the bytes of one image file in a TensorFlow graph, a scalar string.

        Every reading is compared with the digest, so what a run is made of is what the audit
        saw, and what the feature store keeps is what its key says.

        Args:
            index: Of the image, a scalar integer.

        Raises:
            KerastlError: If the content is not that any more; a graph wraps it in an error of
                TensorFlow, see `reading_errors`.
        """
        import tensorflow as tf  # noqa: PLC0415  so that a source can be made before it is there

        # Reading changes nothing, which stateful=False tells TensorFlow: it may then run
        # several reads at once and still give the same result each time.
        content = tf.numpy_function(self._load_unchanged, [index], tf.string, stateful=False)
        return tf.ensure_shape(content, [])

    def _load_unchanged(self, index: np.integer) -> bytes:
        try:
            content = self.load(int(index))
        except OSError as error:
            raise self._changed(int(index), error.strerror or "cannot be read") from error
        if digest(content) != self.digests[index].tobytes():
            raise self._changed(int(index), "has another content now")
        return content

    def _changed(self, index: int, problem: str) -> KerastlError:
        return KerastlError(
            f"dataset={self.name!r}: {self.examples[index]} was changed while it was in use "
            f"({problem}). Leave the data alone during a run and start again."
        )

    @property
    def contents(self) -> np.ndarray:
        """What random choices go by, uint8 (images, 16): the hash of pixels where it is known."""
        return self.digests if self.pixels is None else self.pixels

    def subset(self, indices: np.ndarray, **changes: Any) -> "Source":
        """Makes a source of some of the images, in the order of `indices`."""
        values = {
            "examples": [self.examples[index] for index in indices.tolist()],
            "labels": self.labels[indices],
            "digests": self.digests[indices],
            "pixels": None if self.pixels is None else self.pixels[indices],
            "given_splits": self.given_splits[indices],
            "groups": None if self.groups is None else self.groups[indices],
            "load": lambda index: self.load(int(indices[index])),
        }
        return dataclasses.replace(self, **(values | changes))

    def fingerprint(self) -> str:
        """Hashes what is in the data set: contents, labels, splits and class names, in order."""
        parts = (self.digests, self.labels, self.given_splits, np.array(self.class_names))
        return hashlib.sha256(
            b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
        ).hexdigest()


def find_source(config: Config, progress: Progress) -> Source:
    """Opens the data set that `config.dataset` names; nobody has looked at its images yet.

    Raises:
        UsageError: If there is no data set of this name.
        KerastlError: If the data are not there and cannot be had.
    """
    if config.dataset == "digits":
        return read_digits()
    if config.dataset.startswith(("folder:", "csv:")):
        from kerastl.data.file_source import read_files  # noqa: PLC0415  it needs this module

        return read_files(config, progress)
    # tensorflow_datasets takes a second to import, which no other kind should wait for.
    from kerastl.data.tfds_source import read_tfds  # noqa: PLC0415

    name = config.dataset.removeprefix("tfds:")
    return read_tfds(name, data_dir=config.tfds_dir, progress=progress)


def read_digits() -> Source:
    """Reads scikit-learn's 1,797 handwritten digits, 8x8 pixels in 17 greys.

    They come with the library, so everything works with no network. See
    https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_digits.html
    """
    from sklearn import datasets  # noqa: PLC0415  slow to import, and only digits need it

    digits = datasets.load_digits()
    # Their values go from 0 to 16.
    greys = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return Source.from_arrays(greys, digits.target, name="digits")


@contextlib.contextmanager
def reading_errors() -> Iterator[None]:
    """Raises the error of `Source.read` itself where TensorFlow wraps it in one of its own."""
    import tensorflow as tf  # noqa: PLC0415  as in `Source.read`

    try:
        yield
    except tf.errors.OpError as error:
        _, found, text = str(error).partition(f"{KerastlError.__name__}: ")
        if not found:
            raise
        raise KerastlError(text.splitlines()[0]) from error


def digest(content: bytes) -> bytes:
    """Hashes the content of an image file, 16 bytes."""
    # Processors have instructions for this hash, which makes it the fastest of the safe ones.
    return hashlib.sha256(content).digest()[:_DIGEST_BYTES]


def digest_all(contents: Iterable[bytes]) -> np.ndarray:
    """Hashes each content; the result is uint8 (contents, 16)."""
    return np.frombuffer(b"".join(map(digest, contents)), np.uint8).reshape(-1, _DIGEST_BYTES)


def read_file(path: pathlib.Path) -> bytes:
    """Reads a file whole.

    Raises:
        OSError: If it cannot be read, or is a pipe or device, which might never end.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no regular file")
        return file.read()


def _open_at_once(path: str, flags: int) -> int:
    # Opening a pipe would wait for a writer.
    return os.open(path, flags | os.O_NONBLOCK)


def readable(name: object) -> str:
    """Escapes the bytes of a file's name that are no text, as old archives leave them."""
    return str(name).encode("utf-8", "backslashreplace").decode("utf-8")


def content_or_place(path: pathlib.Path) -> tuple[bytes, bool]:
    """Reads a file, and says whether it could; one that cannot be has a content of its own."""
    try:
        return read_file(path), True
    except OSError as error:
        return f"unreadable: {path}: {error.strerror}".encode(errors="surrogateescape"), False


def _described(
    count: int,
    labels: Sequence[Any] | np.ndarray,
    class_names: Sequence[str] | None,
    splits: Sequence[str] | None,
    groups: Sequence[Hashable] | None,
) -> dict[str, Any]:
    """Checks what is said of images and gives it as fields of a `Source`."""
    for field, values in (("labels", labels), ("splits", splits), ("groups", groups)):
        if values is not None and len(values) != count:
            raise UsageError(
                f"{field}: there are {len(values)} for {count} images. Give one for each image."
            )
    given = np.full(count, "train") if splits is None else np.array(splits, str)
    if strange := sorted(set(given.tolist()) - set(_SPLITS)):
        raise bad_value("splits", strange[0], "is no split", f"Use {', '.join(_SPLITS)}")
    of_images, names = _number_labels(labels, class_names)
    return {
        "class_names": names,
        "labels": of_images,
        "given_splits": given,
        "groups": None if groups is None else number_groups(groups),
    }


def _number_labels(
    labels: Sequence[Any] | np.ndarray, class_names: Sequence[str] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Turns labels, names or numbers, into numbers and the names of the classes in order."""
    # As objects: an array of text would make a text of what is missing.
    values = np.asarray(labels, object)
    if values.ndim == 2 and values.shape[1] == 1:  # noqa: PLR2004  a column of labels
        values = values[:, 0]
    if values.ndim != 1:
        raise UsageError(
            f"labels: have the shape {values.shape}. Give one class for each image, as in "
            "labels.argmax(axis=1)."
        )
    if all(isinstance(value, numbers.Integral) for value in values):
        of_images = values.astype(np.int64)
        count = int(of_images.max(initial=-1)) + 1
        return of_images, check_names(range(count) if class_names is None else class_names)
    if strange := [value for value in values if not isinstance(value, str)]:
        raise bad_value(
            "labels", strange[0], "is neither a name nor a whole number", "Give one for each image"
        )
    composed = [unicodedata.normalize("NFC", value) for value in values]
    names = check_names(order_classes(composed) if class_names is None else class_names)
    places = {class_name: number for number, class_name in enumerate(names)}
    if unknown := sorted(set(composed) - set(places)):
        raise bad_value(
            "labels", unknown[0], "is none of the class_names", f"Known: {', '.join(names)}"
        )
    return np.array([places[value] for value in composed], np.int64), names


def check_names(class_names: Iterable[object]) -> tuple[str, ...]:
    """Gives names of classes as text in Unicode's composed form.

    Raises:
        UsageError: If one is empty or no single line of text.
    """
    names = tuple(unicodedata.normalize("NFC", str(name)) for name in class_names)
    if strange := [name for name in names if not name.strip() or not name.isprintable()]:
        raise bad_value("class_names", strange[0], "is not one line of text", "Rename the class")
    return names


def order_classes(class_names: Iterable[str]) -> tuple[str, ...]:
    """Sorts class names: whole numbers by value, so that 10 follows 9, all others as text."""
    unique = set(class_names)
    if all(name.isdecimal() for name in unique):
        return tuple(sorted(unique, key=lambda name: (int(name), name)))
    return tuple(sorted(unique))


def number_groups(groups: Iterable[Hashable]) -> np.ndarray:
    """Numbers equal groups alike, int64; None, NaN and the empty text stand for no group."""
    number_of: dict[Hashable, int] = {}
    return np.array(
        [
            number_of.setdefault(("alone", place) if _is_nothing(group) else group, place)
            for place, group in enumerate(groups)
        ],
        np.int64,
    )


def _is_nothing(group: Hashable) -> bool:
    return group in (None, "") or (isinstance(group, float) and math.isnan(group))


def _check_pixels(pixels: np.ndarray, number: int) -> None:
    is_image = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (1, 3))  # noqa: PLR2004
    if pixels.dtype != np.uint8 or not is_image or not pixels.size:
        raise UsageError(
            f"images: number {number} is {pixels.dtype} {pixels.shape}. Give uint8 pixels in "
            "0..255 of the shape (height, width) or (height, width, 3)."
        )


def _encode(pixels: np.ndarray) -> bytes:
    """Writes pixels as BMP: the bytes, and so the digest, depend on no compressor's version."""
    if pixels.ndim == 2 or pixels.shape[-1] == 1:  # noqa: PLR2004  height and width
        height, width = pixels.shape[:2]
        pixels = np.broadcast_to(pixels.reshape(height, width, 1), (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "BMP")
    return file.getvalue()
