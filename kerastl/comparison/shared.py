"""Which test images two runs share: those of the same content, with the same class."""

import collections
import dataclasses
import pathlib
import shlex
from collections.abc import Iterable, Iterator, Sequence

from kerastl.comparison.tested import Tested
from kerastl.errors import KerastlError, bad_value
from kerastl.outputs.directories import RunFile, own_fixes
from kerastl.progress import count_of
from kerastl.split_names import TEST


@dataclasses.dataclass(frozen=True)
class Shared:
    """Test images that two runs have in common.

    Attributes:
        first: Their places among those of the first run, in its order.
        other: Their places among those of the other run.
        num_first: Test images of the first run.
        num_other: Test images of the other run.
        num_relabeled: Images that both have, each in another class, which are not compared.
        command: What makes all of the other run's test images comparable; empty if all are, or if
            no command can.
    """

    first: tuple[int, ...]
    other: tuple[int, ...]
    num_first: int
    num_other: int
    num_relabeled: int
    command: str

    def __len__(self) -> int:
        """Counts them."""
        return len(self.first)

    @property
    def are_all(self) -> bool:
        """Whether both runs were tested on nothing else."""
        return len(self) == self.num_first == self.num_other

    def words(self) -> str:
        """Says on how many images the runs are compared."""
        if self.are_all:
            return f"on the same {count_of(len(self), 'test image')}"
        others = "1 other has" if self.num_relabeled == 1 else f"{self.num_relabeled} others have"
        moved = f"; {others} another class" if self.num_relabeled else ""
        return (
            f"on the {count_of(len(self), 'test image')} that both have with the same class, of "
            f"{self.num_first} in the first and {self.num_other} in this{moved}"
        )

    def lines(self) -> Iterator[str]:
        """Yields how to compare on all test images, where that is not done."""
        if self.command:
            yield f"To compare on all {self.num_other}, train the first again: {self.command}"


def find_shared(first: Tested, other: Tested) -> Shared:
    """Finds the test images that two runs share.

    Images are known by their content; those of runs of earlier versions by their names.

    Raises:
        UsageError: If there are none, or the files have changed behind the names of such runs.
    """
    both = first, other
    contents = [[key for key, split in _keys(one, both) if split == TEST] for one in both]
    keys = [
        list(_number(zip(names, one.predictions.class_names, strict=True)))
        for names, one in zip(contents, both, strict=True)
    ]
    places = {key: place for place, key in enumerate(keys[1])}
    pairs = [(place, places[key]) for place, key in enumerate(keys[0]) if key in places]
    if not pairs or _have_changed(first, other, len(pairs)):
        raise _differ(first, other)
    ours, theirs = zip(*pairs, strict=True)
    common = collections.Counter(contents[0]) & collections.Counter(contents[1])
    shared = Shared(
        ours, theirs, len(keys[0]), len(keys[1]), common.total() - len(pairs), _command(*both)
    )
    return dataclasses.replace(shared, command="") if shared.are_all else shared


def _keys(run: Tested, both: Sequence[Tested]) -> Iterator[tuple[str, str]]:
    """Yields what each image of a run is known by in both, and its split."""
    by_name = any(one.hashes is None for one in both)
    for image in run.images:
        yield image.example if by_name else image.sha256, image.split


def _number(keys: Iterable[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], int]]:
    """Yields each key with its number among equal ones: images may be there twice."""
    seen: collections.Counter[tuple[str, str]] = collections.Counter()
    for key in keys:
        seen[key] += 1
        yield key, seen[key]


def _have_changed(first: Tested, other: Tested, num_shared: int) -> bool:
    """Whether runs that know names alone were tested on other contents behind the same names."""
    if None not in (first.hashes, other.hashes):
        return False
    fingerprints = {first.fingerprint, other.fingerprint} - {None}
    is_same = num_shared == len(first.predictions.examples) == len(other.predictions.examples)
    return is_same and len(fingerprints) > 1


def _differ(first: Tested, other: Tested) -> KerastlError:
    names = [set(one.predictions.examples) for one in (first, other)]
    tested = {key for key, split in _keys(first, (first, other)) if split == TEST}
    known = {key for key, _ in _keys(other, (first, other))}
    if names[0] & names[1]:
        problem = f"was tested on files that have the names of those of {str(first.path)!r} and "
        problem += "other contents or classes"
        again = [one.path.with_name(f"{one.path.name}-again") for one in (first, other)]
        of_first = "splits_from", again[0] / RunFile.SPLITS
        advice = (
            "Train both again on the data as they are now, and compare those: "
            f"{_train(first, again[0])} && {_train(other, again[1], of_first)}"
        )
    elif known & tested:
        problem = f"was tested on none of the test images of {str(first.path)!r}"
        advice = f"Train the first on its splits, and compare that: {_command(first, other)}"
    else:
        problem = f"was tested on none of the test images of {str(first.path)!r}"
        advice = "Compare runs on the same data set"
    return bad_value("run", str(other.path), problem, advice)


def _command(first: Tested, other: Tested) -> str:
    """Returns what trains the first run on the splits and the labels of the other."""
    changes: list[tuple[str, object]] = [("splits_from", other.path / RunFile.SPLITS)]
    ours, theirs = first.config.reading, other.config.reading
    changes += [(name, value) for name, value in theirs.items() if value != ours[name]]
    if first.config.fixes or other.config.fixes:
        changes.append(("fixes", own_fixes(other.path, other.config.fixes)))
    return _train(first, first.path.with_name(f"{first.path.name}-on-the-same"), *changes)


def _train(run: Tested, run_dir: pathlib.Path, *changes: tuple[str, object]) -> str:
    flags: list[tuple[str, object]] = [("flagfile", run.path / RunFile.FLAGS), *changes]
    flags.append(("run_dir", run_dir))
    if run.config.export_dir:
        # A server may take the newest version there.
        flags.append(("export_dir", ""))
    return f"kerastl train {shlex.join(f'--{name}={value}' for name, value in flags)}"
