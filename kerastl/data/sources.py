"""Where labelled images come from; each kind of data set becomes one `Source`."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf

from kerastl.config import Config
from kerastl.errors import bad_value
from kerastl.progress import Progress

_DIGEST_BYTES = 16


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
        digests: A hash of each image's content, uint8 (images, 16).
        given_splits: "train", "validation" or "test" for each image, as the data set brings
            it. What a data set does not bring is split off "train".
        read: TensorFlow function from an index, a scalar int64, to the bytes of one image file.
        groups: A number for each image, int64 (images,): those with the same one are on one
            side of every split that is dealt here. None where each stands alone. Images of
            the same content belong together in any case.
        findings: What the audit has found.
    """

    name: str
    class_names: tuple[str, ...]
    examples: Sequence[str]
    labels: np.ndarray
    digests: np.ndarray
    given_splits: np.ndarray
    read: Callable[[tf.Tensor], tf.Tensor]
    groups: np.ndarray | None = None
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        """Refuses labels that the loss would take for something else, before any training."""
        if len(self.class_names) < 2:  # noqa: PLR2004  one class leaves nothing to tell apart
            found = ", ".join(self.class_names) or "none"
            raise bad_value(
                "dataset",
                self.name,
                f"has {len(self.class_names)} class ({found})",
                "Give two or more",
            )
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

    def fingerprint(self) -> str:
        """Hashes what is in the data set: contents, labels, splits and class names, in order."""
        parts = (self.digests, self.labels, self.given_splits, np.array(self.class_names))
        return hashlib.sha256(
            b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
        ).hexdigest()


def read_source(config: Config, progress: Progress) -> Source:
    """Opens the data set that `config.dataset` names.

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
    """Reads scikit-learn's 1,797 handwritten digits, 8x8 pixels in 17 greys, as RGB.

    They come with the library, so everything works with no network. See
    https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_digits.html
    """
    from sklearn import datasets  # noqa: PLC0415  slow to import, and only digits need it

    digits = datasets.load_digits()
    # Their values go from 0 to 16.
    greys = np.round(digits.images * (255 / 16)).astype(np.uint8)
    files = tf.constant([tf.io.encode_png(grey[..., np.newaxis]).numpy() for grey in greys])
    return Source(
        name="digits",
        class_names=tuple(str(name) for name in digits.target_names),
        examples=[f"digits[{index}]" for index in range(len(greys))],
        labels=digits.target.astype(np.int64),
        digests=digest_all(grey.tobytes() for grey in greys),
        given_splits=np.full(len(greys), "train"),
        read=lambda index: tf.gather(files, index),
    )


def digest_all(contents: Iterable[bytes]) -> np.ndarray:
    """Hashes each content; the result is uint8 (contents, 16)."""
    joined = b"".join(
        hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest() for content in contents
    )
    return np.frombuffer(joined, np.uint8).reshape(-1, _DIGEST_BYTES)
