"""A zoo of data sets as people make them: each specimen comes with what is right for it.

`zoo_folders` and `zoo_tables` compose specimens from seeds. What they expect follows from what the
files mean to the person who laid them out; nothing in them knows how kerastl finds out.
"""

import collections
import contextlib
import dataclasses
import functools
import io
import os
import pathlib
import re
import time
import unicodedata

import numpy as np
from PIL import Image

import kerastl
from kerastl.data.opening import open_source
from kerastl.errors import KerastlError
from kerastl.progress import Progress
from picture_files import file_bytes

# Lines that a person is willing to look at.
MOST_LINES = 40
# Processor seconds that any specimen may take, and each of its files more.
SECONDS, SECONDS_PER_FILE = 2.0, 0.02


@dataclasses.dataclass
class Specimen:
    """Files and what is right for them.

    Attributes:
        dataset: The flag, relative to the folder that `files` are in.
        features: What it is made of, for people.
        files: Content of each file; bytes of a name that are no text are surrogates.
        links: Where each link leads, as it is written into the link; ROOT is the folder that
            `files` are in.
        folders: Empty folders.
        readings: Each right number of images by split and class.
        stopped: Whether a stop alone is right.
        causes: Patterns of which a right stop matches one; none if no stop is right.
        told: Patterns that a run that goes on matches, each, with a line, an ignored kind or a
            finding.
        groups: The group of some images by the stem of their file: those with the same one must
            stay together, unless the group is told of.
        left_out: Stems of files that are not used.
        flags: Fields of the config beside `dataset`.
        homes: Folders of pictures, for what is put beside them, with the split and class of each
            where it has one.
        above: Folders that class folders lie in.
        working_folder: Where the command is given.
    """

    dataset: str
    features: list[str] = dataclasses.field(default_factory=list)
    files: dict[str, bytes] = dataclasses.field(default_factory=dict)
    links: dict[str, str] = dataclasses.field(default_factory=dict)
    folders: set[str] = dataclasses.field(default_factory=set)
    readings: list[collections.Counter] = dataclasses.field(default_factory=list)
    stopped: bool = False
    causes: list[str] = dataclasses.field(default_factory=list)
    told: list[str] = dataclasses.field(default_factory=list)
    groups: dict[str, str] = dataclasses.field(default_factory=dict)
    left_out: set[str] = dataclasses.field(default_factory=set)
    flags: dict[str, str] = dataclasses.field(default_factory=dict)
    homes: dict[str, tuple[str, str] | None] = dataclasses.field(default_factory=dict)
    above: list[str] = dataclasses.field(default_factory=list)
    working_folder: str = "."

    def picture(self) -> bytes:
        """Returns a picture that this specimen has not yet."""
        return picture(len(self.files))

    def must_stop(self, cause: str) -> None:
        """Makes a stop the only right outcome; earlier causes stay good ones."""
        self.stopped = True
        self.causes.append(cause)

    def write(self, root: pathlib.Path) -> None:
        names = [*self.folders, *self.files, *self.links]
        assert not any(name.startswith("/") for name in names), "would lie outside of the root"
        for folder in self.folders:
            (root / folder).mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        for name, target in self.links.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(target.replace("ROOT", str(root)))


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What kerastl made of a specimen: images by split and class, or the text of its stop."""

    counts: collections.Counter | None
    class_names: tuple[str, ...]
    stop: str
    output: str
    told: str
    groups: dict[str, int]
    seconds: float


@functools.cache
def picture(number: int) -> bytes:
    """Returns the same tiny picture for the same number, unlike all others."""
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return file_bytes(Image.fromarray(pixels), "PNG")


def readable_name(name: str) -> str:
    """Writes a name as people see it: composed, and with bytes that are no text escaped."""
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return unicodedata.normalize("NFC", text)


def with_train(counts: collections.Counter) -> collections.Counter:
    """Calls the first split "train" where there is none: others can only be split off it."""
    splits = {split for split, _ in counts}
    base = next(split for split in ("train", "validation", "test") if split in splits)
    renamed = collections.Counter()
    for (split, name), count in counts.items():
        renamed["train" if split == base else split, readable_name(name)] += count
    return renamed


def look_at(specimen: Specimen, root: pathlib.Path, *, memory: pathlib.Path) -> Outcome:
    """Opens and audits a specimen, which it writes to `root`, as `kerastl train` does."""
    specimen.write(root)
    said, started = io.StringIO(), time.process_time()
    source, stop = None, ""
    with contextlib.chdir(root / specimen.working_folder):
        try:
            config = kerastl.Config(
                dataset=specimen.dataset, run_dir="run", cache_dir=str(memory), **specimen.flags
            )
            source = open_source(config, Progress(said))
        except KerastlError as error:
            stop = str(error)
    seconds = time.process_time() - started
    if source is None:
        return Outcome(None, (), stop, said.getvalue(), "", {}, seconds)
    labels = [source.class_names[label] for label in source.labels]
    splits = source.given_splits.tolist()
    findings = [" ".join(dataclasses.astuple(finding)) for finding in source.findings]
    stems = [pathlib.PurePath(example).stem for example in source.examples]
    groups = range(len(stems)) if source.groups is None else source.groups.tolist()
    return Outcome(
        collections.Counter(zip(splits, labels, strict=True)),
        source.class_names,
        "",
        said.getvalue(),
        "\n".join([said.getvalue(), *findings, *source.ignored]),
        dict(zip(stems, groups, strict=True)),
        seconds,
    )


def judge(specimen: Specimen, outcome: Outcome) -> list[str]:
    """Says what is wrong with what kerastl made of a specimen; nothing if all is right."""
    wrong = [*_judge_output(outcome)]
    allowed = SECONDS + SECONDS_PER_FILE * (len(specimen.files) + len(specimen.links))
    if outcome.seconds > allowed:
        wrong.append(f"took {outcome.seconds:.2f} s, not {allowed:.2f}")
    if outcome.counts is None:
        if not specimen.causes:
            wrong.append("stopped, though all is clear")
        elif not any(_says(cause, outcome.stop) for cause in specimen.causes):
            wrong.append(f"the stop names none of {specimen.causes}")
        return wrong
    if specimen.stopped:
        wrong.append(f"went on, though {specimen.causes} should have stopped it")
    elif outcome.counts not in specimen.readings:
        wrong.append(f"counts none of {[dict(reading) for reading in specimen.readings]}")
    wrong += [*_judge_line(outcome)] if specimen.dataset.startswith("folder:") else []
    wrong += [f"does not tell {told!r}" for told in specimen.told if not _says(told, outcome.told)]
    return [*wrong, *_judge_order(outcome), *_judge_groups(specimen, outcome)]


def _judge_output(outcome: Outcome):
    if "\n" in outcome.stop:
        yield "the stop has more than one line"
    if outcome.stop and not re.match(r"\w+(=.+)?: .+\.$", outcome.stop):
        yield "the stop does not read FIELD=VALUE: what is wrong. What to do."
    if len(outcome.stop) > 1500:
        yield f"the stop has {len(outcome.stop)} characters"
    lines = outcome.output.count("\n") + bool(outcome.stop)
    if lines > MOST_LINES:
        yield f"{lines} lines of output"
    if "Traceback" in outcome.output:
        yield "a traceback in the output"


def _judge_line(outcome: Outcome):
    """One line tells the layout that was found, and its numbers are true."""
    lines = [line for line in outcome.output.splitlines() if line.startswith("Layout: ")]
    if len(lines) != 1:
        yield f"{len(lines)} lines tell the layout"
        return
    totals = collections.Counter()
    for (split, _), count in outcome.counts.items():
        totals[split] += count
    parts = [f"{len(outcome.class_names)} classes"]
    if len(totals) > 1:
        parts += [f"{split} {count}" for split, count in totals.items()]
    yield from (f"the layout's line lacks {part!r}" for part in parts if part not in lines[0])


def _judge_order(outcome: Outcome):
    """Numbers are in the order of their values."""
    with contextlib.suppress(ValueError):
        values = [float(name) for name in outcome.class_names]
        if values != sorted(values):
            yield f"classes are in the order {', '.join(outcome.class_names)}"


def _judge_groups(specimen: Specimen, outcome: Outcome):
    numbers = collections.defaultdict(set)
    for stem in specimen.groups.keys() - specimen.left_out:
        numbers[specimen.groups[stem]].add(outcome.groups.get(stem, stem))
    if apart := [group for group, found in numbers.items() if len(found) > 1]:
        yield f"tears group {apart[0]} apart"


def _says(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE | re.DOTALL) is not None


def report(specimen: Specimen, outcome: Outcome, wrong: list[str]) -> str:
    """Describes a disagreement for the person who has to decide who is right."""
    names = sorted({*specimen.files, *specimen.links, *specimen.folders})
    shown = "\n    ".join(f"{name!r}" for name in names[:25])
    table = next(
        (name for name in specimen.files if name.endswith(os.path.basename(specimen.dataset))), ""
    )
    text = specimen.files[table][:600].decode("utf-8", "replace") if table else ""
    found = outcome.stop or dict(outcome.counts or {})
    return (
        f"{' + '.join(specimen.features)}\n  {'; '.join(wrong)}\n  found: {found}\n"
        f"  said: {outcome.output!r}\n  {specimen.dataset}\n    {shown}\n{text}"
    )
