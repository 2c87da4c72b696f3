"""What a run's files hold besides its scores: the data, the time, the settings."""

import collections
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kerastl.data.fixes_file import KEEP, RELABEL, Fix
from kerastl.outputs.directories import RunFile
from kerastl.outputs.heat_maps import MOST_MISTAKES
from kerastl.report.classes import Tested
from kerastl.report.commands import train_again
from kerastl.report.contents import Contents, Row
from kerastl.report.thumbnails import Picture, Thumbnails
from kerastl.settings import SETTINGS
from kerastl.split_names import ALL_NAMES, TEST, VALIDATION
from kerastl.training.slices import HEADER as SLICES

# What is shown of more: findings of a kind, suspects, and classes in the table of splits.
_MOST_BELOW = 8
_MOST_FINDINGS, _MOST_SUSPECTS, _MOST_CLASSES = 24, 48, 50


class Found(NamedTuple):
    """A finding of the audit, with the pictures of its one or two images."""

    row: Row
    picture: Picture | None
    other: Picture | None


class Kind(NamedTuple):
    """The findings of a kind: their number, and the first of them."""

    name: str
    number: int
    findings: list[Found]

    @property
    def has_pictures(self) -> bool:
        """Whether there is anything to see, as there is not of damaged files."""
        return any(found.picture or found.other for found in self.findings)


class Suspect(NamedTuple):
    """A training image whose label looks wrong."""

    row: Row
    picture: Picture | None


class Suspects(NamedTuple):
    """The first training images whose label looks wrong, and how many a person has reviewed."""

    shown: list[Suspect]
    num_reviewed: int


class Below(NamedTuple):
    """A slice of the test images that is far below the rest, with the pictures of some mistakes."""

    row: Row
    pictures: list[tuple[str, Picture | None]]


class Fixing(NamedTuple):
    """What the page needs to make a `fixes.csv`.

    Attributes:
        header: The names of its columns.
        rows: Those of the run's own.
        class_names: What an image can be relabeled as.
        command: What trains with it; empty where no flags can.
    """

    header: tuple[str, ...]
    rows: list[list[str]]
    class_names: list[str]
    command: str


class Splits(NamedTuple):
    """The images of each class by split.

    Attributes:
        names: Splits that have images.
        rows: Class, and its images in each; the first classes of many.
        totals: Images of all classes in each.
        num_classes: Classes that there are.
    """

    names: tuple[str, ...]
    rows: list[tuple[str, list[int]]]
    totals: list[int]
    num_classes: int


class Chosen(NamedTuple):
    """A setting that has not its default value."""

    name: str
    value: str
    default: str
    origin: str


def list_open(contents: Contents) -> list[Row]:
    """Lists the findings of the audit without those of which a person has kept every image."""
    kept = {row["sha256"] for row in contents.fixes if row["fix"] == KEEP}
    return [
        row
        for row in contents.audit
        if not (images := {row.get("sha256"), row.get("other_sha256")} - {None, ""})
        or images - kept
    ]


def group_findings(contents: Contents, thumbnails: Thumbnails) -> list[Kind]:
    """Groups the findings that are open by their kind, in their order."""
    by_kind: dict[str, list[Row]] = collections.defaultdict(list)
    for row in list_open(contents):
        by_kind[row["kind"]].append(row)
    return [
        Kind(
            kind,
            len(rows),
            [
                Found(
                    row,
                    thumbnails.of(row["file"]),
                    thumbnails.of(row["other"]) if row["other"] else None,
                )
                for row in rows[:_MOST_FINDINGS]
            ],
        )
        for kind, rows in by_kind.items()
    ]


def list_open_issues(contents: Contents) -> list[Row]:
    """Lists the training images whose label looks wrong and that nobody has reviewed."""
    reviewed = {row["sha256"] for row in contents.fixes if row["fix"] in (KEEP, RELABEL)}
    return [row for row in contents.label_issues or () if row.get("sha256") not in reviewed]


def list_suspects(contents: Contents, thumbnails: Thumbnails) -> Suspects:
    """Lists the first training images whose label looks wrong; the file has the worst first."""
    issues = list_open_issues(contents)
    shown = [Suspect(row, thumbnails.of(row["example"])) for row in issues[:_MOST_SUSPECTS]]
    return Suspects(shown, len(contents.label_issues or ()) - len(issues))


def hash_mistakes(contents: Contents) -> dict[str, str]:
    """Returns the hash of each test image that is named wrongly, by a name that is its alone."""
    count = collections.Counter(contents.predictions.examples if contents.predictions else ())
    return {
        row["example"]: row["sha256"]
        for row in contents.mistakes
        if row["split"] == TEST and count[row["example"]] == 1
    }


def list_held_out(contents: Contents, thumbnails: Thumbnails) -> list[Tested]:
    """Lists the validation images whose wrong class is the surest."""
    rows = [row for row in contents.mistakes if row["split"] == VALIDATION][:MOST_MISTAKES]
    return [
        Tested(
            row["example"],
            row["class_name"],
            (
                (row["predicted"], float(row["confidence"])),
                (row["class_name"], float(row["probability"])),
            ),
            thumbnails.of(row["example"]),
            sha256=row["sha256"],
        )
        for row in rows
    ]


def list_below(slices: Sequence[Row], thumbnails: Thumbnails) -> list[Below]:
    """Lists the slices of the test images that are far below the rest, the worst first."""
    names = [name for name in SLICES if name.startswith("example")]
    return [
        Below(row, [(row[name], thumbnails.of(row[name])) for name in names if row[name]])
        for row in slices
        if row["is_far_below"] == str(True)
    ][:_MOST_BELOW]


def prepare_fixing(contents: Contents) -> Fixing | None:
    """Collects what the page needs to make a `fixes.csv`; None if it has nothing to mark."""
    found = (*contents.audit, *(contents.label_issues or ()), *contents.mistakes)
    if not any(row.get("sha256") or row.get("other_sha256") for row in found):
        return None
    rows = [[row[name] for name in Fix._fields] for row in contents.fixes]
    return Fixing(Fix._fields, rows, list(contents.counts), _fixing_command(contents))


def _fixing_command(contents: Contents) -> str:
    splits = contents.path / RunFile.SPLITS
    kept = [f"--splits_from={splits}"] if splits.exists() else []
    return train_again(contents, "fixed", f"--fixes={RunFile.FIXES}", *kept)


def sum_splits(counts: Mapping[str, Mapping[str, int]]) -> Splits:
    """Counts the images of each class and split."""
    names = tuple(name for name in ALL_NAMES if any(row.get(name) for row in counts.values()))
    rows = [(name, [row.get(split, 0) for split in names]) for name, row in counts.items()]
    totals = [sum(row.get(split, 0) for row in counts.values()) for split in names]
    return Splits(names, rows[:_MOST_CLASSES], totals, len(rows))


def list_chosen(contents: Contents) -> list[Chosen]:
    """Lists the settings that differ from their defaults, and where they came from."""
    config, recorded = contents.config, contents.receipt.get("flags", {})
    if config is None:
        return []
    # What follows from the weights, as the size of the images, is no choice of its own.
    usual = {name: setting.default for name, setting in SETTINGS.items()} | config.usual
    found = []
    for name, default in usual.items():
        # Of a flag for one run, as overwrite, the receipt alone knows.
        about = recorded.get(name, {})
        if (value := about.get("value", getattr(config, name))) != default:
            shown = _text(default) if default is not None else "required"
            # Receipts of earlier versions lack it.
            found.append(Chosen(name, _text(value), shown, str(about.get("from", "not recorded"))))
    return found


def list_stages(receipt: Mapping[str, Any]) -> list[tuple[str, float, int]]:
    """Lists each stage of the run with its seconds and the highest memory until its end."""
    memory = receipt.get("peak_memory_bytes", {})
    return [
        (name, seconds, memory.get(name, {}).get("process", 0))
        for name, seconds in receipt.get("seconds", {}).items()
    ]


def receipt_text(contents: Contents) -> str:
    """Returns the receipt without the settings, which have their own table."""
    rest = {name: value for name, value in contents.receipt.items() if name != "flags"}
    return json.dumps(rest, indent=1, ensure_ascii=False) if rest else ""


def _text(value: object) -> str:
    return str(value) or "empty"
