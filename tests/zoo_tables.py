"""Tables that name images: a form of paths, a meaning of columns, and how they are written."""

import csv
import dataclasses
import io
import json
import random

from zoo import Specimen
from zoo_columns import MEANINGS, NAMELESS, group_column, more_columns
from zoo_paths import PATHS, Table

_POOLS = [
    ["cat", "dog", "bird"],
    ["red apple", "green apple", "pear"],
    ["healthy", "late blight"],
    ["čeština", "日本語", "naïve"],
    ["0", "1", "2", "10"],
    ["no", "yes"],
    ["a, b", "c; d", 'e "f"'],
    ["none", "some"],
    ["True", "False"],
    ["train", "bus", "car"],
    ["n01440764", "n02102040"],
]


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a program writes tables.

    Attributes:
        blank: What stands between rows, or after their last cell or each: "", "empty",
            "delimiters", "wide" or "padded".
    """

    delimiter: str
    ending: str
    encoding: str
    line_end: str
    quoting: int
    blank: str


def _draw_dialect(rng: random.Random) -> Dialect:
    delimiter, ending = rng.choice(
        [
            (",", "csv"),
            (",", "csv"),
            (";", "csv"),
            ("\t", "tsv"),
            ("\t", "csv"),
            ("|", "csv"),
            (",", "txt"),
            (",", "tsv"),
        ]
    )
    return Dialect(
        delimiter,
        ending,
        encoding=rng.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]),
        line_end=rng.choice(["\n", "\n", "\r\n", "\r"]),
        quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        blank=rng.choice(["", "", "", "empty", "delimiters", "wide", "padded"]),
    )


def _write(rng: random.Random, table: Table) -> None:
    dialect = _draw_dialect(rng)
    if table.ragged:
        dialect = dataclasses.replace(dialect, blank="")
    is_plain = table.has_header and table.raw is None and not (table.before or table.ragged)
    if table.apart:
        _write_apart(rng, table, dialect)
        return
    if rng.random() < 0.1 and is_plain:
        _write_json(rng, table)
        return
    text = table.before + _text(rng, _rows(rng, table), dialect)
    if rng.random() < 0.2:
        text = text.rstrip("\r\n")
    if rng.random() < 0.1 and table.has_header:
        text = f"sep={dialect.delimiter}{dialect.line_end}{text}"
    encoding = dialect.encoding
    if encoding == "cp1252" and not _fits(text, encoding):
        encoding = "utf-8"
    if encoding == "utf-16" or (encoding == "cp1252" and not text.isascii()):
        table.specimen.causes.append("UTF-8|UTF-16")
    table.specimen.features.append(" ".join(map(repr, dataclasses.astuple(dialect))))
    table.place = table.place.removesuffix("csv") + dialect.ending
    content = text.encode(encoding) if table.raw is None else table.raw
    table.specimen.files[table.place] = content
    table.specimen.dataset = f"csv:{table.place}"


def _write_apart(rng: random.Random, table: Table, dialect: Dialect) -> None:
    """Writes a table for each split, with the columns in orders of their own."""
    folder, name = table.place.rpartition("/")[0], rng.choice(["{}", "{}_labels", "labels-{}"])
    for split in ("test", "validation", "train"):
        rows = [row for row, own in enumerate(table.apart) if own == split]
        if not rows:
            continue
        columns = {key: [cells[row] for row in rows] for key, cells in table.columns.items()}
        part = dataclasses.replace(table, columns=columns)
        place = f"{folder}/{name.format(split)}.{dialect.ending}".removeprefix("/")
        encoding = "utf-16" if dialect.encoding == "utf-16" else "utf-8"
        table.specimen.files[place] = _text(rng, _rows(rng, part), dialect).encode(encoding)
        # The last one is that of train.
        table.specimen.dataset = f"csv:{place}"


def _write_json(rng: random.Random, table: Table) -> None:
    """Writes objects in lines or in a list, as programs do that know no tables."""
    header, *rows = _rows(rng, table)
    objects = [dict(zip(header, row, strict=True)) for row in rows]
    forms = ["lines", "list", "indented", "lists", "key"]
    form = rng.choice(forms)
    ending = "jsonl" if form == "lines" else "json"
    if form == "lines":
        text = "\n".join(json.dumps(one, ensure_ascii=rng.random() < 0.5) for one in objects)
    elif form == "lists":
        text = json.dumps([header, *rows])
    else:
        whole = {"version": 1, "data": objects} if form == "key" else objects
        text = json.dumps(whole, indent=2 if form == "indented" else None)
    table.specimen.features.append(f"JSON {form}")
    table.place = table.place.removesuffix("csv") + ending
    table.specimen.files[table.place] = text.encode()
    table.specimen.dataset = f"csv:{table.place}"


def _rows(rng: random.Random, table: Table) -> list[list[str]]:
    order = sorted(table.columns) if rng.random() < 0.3 else list(table.columns)
    if rng.random() < 0.4:
        rng.shuffle(order)
    if table.ragged:
        order.append(order.pop(order.index("notes")))
    rows = [list(row) for row in zip(*(table.columns[name] for name in order), strict=True)]
    if rng.random() < 0.3:
        rng.shuffle(rows)
    if table.ragged:
        rows[-1] = rows[-1][:-1] if table.ragged < 0 else [*rows[-1], "more"]
    header = [table.headers.get(name, name) for name in order]
    return [header, *rows] if table.has_header else rows


def _text(rng: random.Random, rows: list[list[str]], dialect: Dialect) -> str:
    stream = io.StringIO()
    writer = csv.writer(
        stream,
        delimiter=dialect.delimiter,
        lineterminator=dialect.line_end,
        quoting=dialect.quoting,
    )
    for cells in rows:
        row = [*cells, "", ""] if dialect.blank == "wide" else cells
        writer.writerow([f"{cell} " for cell in row] if dialect.blank == "padded" else row)
        if dialect.blank == "empty" and rng.random() < 0.3:
            stream.write(dialect.line_end)
        if dialect.blank == "delimiters" and rng.random() < 0.3:
            stream.write(dialect.delimiter * (len(row) - 1) + dialect.line_end)
    return stream.getvalue()


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _name_style(rng):
    return rng.choice(
        [
            lambda n: f"img{n:03}",
            lambda n: f"{n}",
            lambda n: f"photo ({n})",
            lambda n: f"a.b {n}",
            lambda n: f"é{n}",
            lambda n: f"{n:032x}",
            lambda n: f"x, {n}",
            lambda n: f"#{n}",
            lambda n: f"-{n}",
            lambda n: f"{n:04}",
        ]
    )


def table_specimen(seed: int) -> Specimen:
    """Composes a table: the form of paths and one meaning in turn, everything else by chance."""
    rng = random.Random(seed)
    style = _name_style(rng)
    pool = rng.choice(_POOLS)
    count = rng.randint(6, 14)
    labels = [pool[number % len(pool)] for number in range(count)]
    table = Table(Specimen(""), [style(number) for number in range(count)], labels, {}, {})
    table.columns = {"image": [], "label": list(labels)}
    table.count()
    # Every other one has paths that lead to files, so that the meaning shows, which comes in the
    # next round with any.
    path = PATHS[seed // 2 % len(PATHS)] if seed % 2 else rng.choice(PATHS[:8])
    meaning = MEANINGS[(seed + seed // len(MEANINGS)) % len(MEANINGS)]
    path(rng, table)
    if table.folder:
        for name in table.names:
            table.specimen.files[table.file_of(name)] = table.specimen.picture()
    more = [
        one
        for one in (more_columns, group_column)
        if one is not meaning and meaning not in NAMELESS and rng.random() < 0.2
    ]
    for one in (*more, meaning):
        one(rng, table)
    table.specimen.features += [one.__name__ for one in (path, meaning, *more)]
    _write(rng, table)
    return table.specimen
