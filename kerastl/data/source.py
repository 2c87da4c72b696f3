"""Labeled images: the one value that every kind of data set becomes."""

import dataclasses
import enum
import hashlib
import pathlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from kerastl.data.annotations import read_annotations, read_paths
from kerastl.data.arrays import read_images
from kerastl.data.content import content_or_path, hash_all, hash_content, read_file, readable
from kerastl.data.fixes_file import Fixed
from kerastl.data.leaving_out import Patterns
from kerastl.errors import KerastlError, bad_value
from kerastl.progress import count_of


class Cause(enum.IntFlag):
    """Why images are on one side of every split."""

    GROUP = 1
    EQUAL = 2
    NEAR = 4
    NAMED = 8

    def words(self) -> str:
        """Names the causes for a person."""
        named = {
            Cause.GROUP: "the data",
            Cause.EQUAL: "equal pixels",
            Cause.NEAR: "nearly equal pixels",
            Cause.NAMED: "names of copies",
        }
        return " or ".join(named[cause] for cause in self)


# Begins what a run does with findings that a person may want to fix.
USED = "The run uses them as they are; --fixes can"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One finding of the audit, a row of `audit.csv`.

    Attributes:
        file: The file or class, as `splits.csv` names it.
        kind: The kind of problem, as in "same image twice".
        detail: Further information for a person.
        other: The other file of a pair.
        sha256: The first half of the SHA-256 of the file's content, in hexadecimal digits; empty
            for a class.
        other_sha256: The same of the other file.
    """

    file: str
    kind: str
    detail: str
    other: str = ""
    sha256: str = ""
    other_sha256: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """Labeled images that are read one by one, when they are needed.

    Attributes:
        name: Name of the data set, with its version where it has one.
        class_names: Names in the order of the labels.
        examples: A stable name for each image, as `splits.csv` shows it.
        labels: Index into `class_names` for each image, int64 (images,).
        hashes: A hash of each image file's content, uint8 (images, 16).
        given_splits: "train", "validation" or "test" for each image, as the data set defines
            it. Splits that it lacks are split off "train".
        load: Function from an index to the bytes of one image file.
        groups: A number for each image, int64 (images,): those with the same one are on one
            side of every split that is made here. None where each stands alone. Images of
            the same content belong together in any case.
        group_names: The name of the group that the data give to each image, empty for none; None
            where they give none.
        causes: Why other images are in the group of each, `Cause`, int8 (images,), after
            the audit.
        ignored: Number of other files beside the images, by kind.
        has_files: Whether `examples` are paths of files, whose endings should match their
            contents.
        is_searched: Whether the files were met in a search, so that some may be no images; files
            that a person names are all meant to be.
        pixels: A hash of the pixels of each file, uint8 (images, 16), after the audit: the
            same for a copy in another lossless format.
        sides: Height and width of each upright image, in pixels, int64 (images, 2), after the
            audit.
        facts: What is known of the files besides what they show, see `file_facts`, by the name of
            the fact float64 (images, columns), after the audit.
        findings: The rows of `audit.csv`.
        patterns: For each class what `--leave_out` takes for the folders that name it.
        fixed: What a person has corrected, if there is a file of fixes.
        kept: Where pixels are kept by the hash of their file, a `kept.PixelCache`; None keeps none.
    """

    name: str
    class_names: tuple[str, ...]
    examples: Sequence[str]
    labels: np.ndarray
    hashes: np.ndarray
    given_splits: np.ndarray
    load: Callable[[int], bytes]
    groups: np.ndarray | None = None
    group_names: Sequence[str] | None = None
    causes: np.ndarray | None = None
    ignored: Mapping[str, int] = dataclasses.field(default_factory=dict)
    has_files: bool = False
    is_searched: bool = False
    pixels: np.ndarray | None = None
    sides: np.ndarray | None = None
    facts: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    patterns: Patterns = dataclasses.field(default_factory=dict)
    fixed: Fixed | None = None
    kept: Any = None

    def __post_init__(self) -> None:
        """Refuses labels that the loss would misread, before any training."""
        if not self.class_names[1:]:
            found = f"one class ({self.class_names[0]})" if self.class_names else "no class"
            raise bad_value("dataset", self.name, f"has {found}", "Give two or more")
        outside = (self.labels < 0) | (self.labels >= len(self.class_names))
        if outside.any():
            values = sorted({int(label) for label in self.labels[outside]})
            raise bad_value(
                "dataset",
                self.name,
                f"has {count_of(int(outside.sum()), 'label')} outside "
                f"0..{len(self.class_names) - 1}: {', '.join(map(str, values[:5]))}",
                "Number the classes from 0 without gaps",
            )

    def __len__(self) -> int:
        """Counts the images of all splits."""
        return len(self.labels)

    @classmethod
    def from_arrays(
        cls,
        images: Iterable[Any] | np.ndarray,
        labels: Sequence[Any] | np.ndarray,
        *,
        class_names: Sequence[str] | Mapping[Any, Any] | None = None,
        splits: Sequence[str] | None = None,
        groups: Sequence[Hashable] | None = None,
        name: str = "arrays",
    ) -> "Source":
        """Makes a source from pixels in memory, which are not copied.

        Args:
            images: Arrays, tensors or images of Pillow, in one array, a list or a generator. An
                array has the shape (height, width), (height, width, 1 or 3) or (1 or 3, height,
                width), and uint8 or other whole numbers in 0..255, or floats in 0..1, which are
                multiplied by 255 and rounded. Each may have its own size.
            labels: A class for each: its name, its number, or one-hot. Classes without an image
                need `class_names`.
            class_names: Names in the order of the numbers, or a dictionary of names and numbers;
                the numbers or names in `labels` in their order by default.
            splits: "train", "validation" or "test" for each, or another word for one of them, as
                "val"; all "train" by default.
            groups: Images of equal values are on one side of every split; None for no group.
            name: Name of the data in messages and records.

        Raises:
            UsageError: If an image has another type or shape, a label is missing, or lengths
                differ.
        """
        count, load = read_images(images)
        annotations = read_annotations(count, labels, class_names, splits, groups, name=name)
        return cls(
            name=name,
            examples=[f"{name}[{number}]" for number in range(count)],
            hashes=hash_all(map(load, range(count))),
            load=load,
            **annotations,
        )

    @classmethod
    def from_files(
        cls,
        paths: Sequence[str | pathlib.Path],
        labels: Sequence[Any] | np.ndarray,
        *,
        class_names: Sequence[str] | Mapping[Any, Any] | None = None,
        splits: Sequence[str] | None = None,
        groups: Sequence[Hashable] | None = None,
        name: str = "files",
    ) -> "Source":
        """Makes a source from JPEG, PNG, GIF, BMP or WebP files, all else as in `from_arrays`.

        Raises:
            UsageError: If the lengths differ. Files that cannot be used are found at the start
                of a run.
        """
        files = read_paths(paths)
        annotations = read_annotations(len(files), labels, class_names, splits, groups, name=name)
        return cls(
            name=name,
            examples=[readable(path) for path in files],
            hashes=hash_all(content_or_path(path)[0] for path in files),
            load=lambda index: read_file(files[index]),
            has_files=True,
            **annotations,
        )

    def read(self, index: int | np.integer) -> bytes:
        """Reads one image file and compares it with its hash.

        So a run trains on what the audit saw, and stored features match their key.

        Raises:
            KerastlError: If the file is gone or has changed, or cannot be read any more.
        """
        try:
            content = self.load(int(index))
        except FileNotFoundError as error:
            raise self._changed(int(index), str(error.strerror)) from error
        except OSError as error:
            raise KerastlError(
                f"dataset={self.name!r}: {self.examples[int(index)]} cannot be read any more "
                f"({error.strerror or 'for no known reason'}). Check that its drive can be used, "
                "and start again."
            ) from error
        if hash_content(content) != self.hashes[index].tobytes():
            raise self._changed(int(index), "its content is different now")
        return content

    def _changed(self, index: int, problem: str) -> KerastlError:
        return KerastlError(
            f"dataset={self.name!r}: {self.examples[index]} changed while it was in use "
            f"({problem}). Leave the data alone during a run and start again."
        )

    @property
    def contents(self) -> np.ndarray:
        """The hashes that random choices depend on, uint8 (images, 16): of pixels if known."""
        return self.hashes if self.pixels is None else self.pixels

    def subset(self, indices: np.ndarray) -> "Source":
        """Makes a source of some of the images, in the order of `indices`."""
        return dataclasses.replace(
            self,
            examples=[self.examples[index] for index in indices.tolist()],
            labels=self.labels[indices],
            hashes=self.hashes[indices],
            pixels=None if self.pixels is None else self.pixels[indices],
            sides=None if self.sides is None else self.sides[indices],
            facts={name: values[indices] for name, values in self.facts.items()},
            given_splits=self.given_splits[indices],
            groups=None if self.groups is None else self.groups[indices],
            group_names=None
            if (names := self.group_names) is None
            else [names[i] for i in indices],
            causes=None if self.causes is None else self.causes[indices],
            load=lambda index: self.load(int(indices[index])),
        )

    def fingerprint(self) -> str:
        """Hashes the data set: contents, labels, splits and class names, in order."""
        parts = (self.hashes, self.labels, self.given_splits, np.array(self.class_names))
        return hashlib.sha256(
            b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
        ).hexdigest()
