"""Tables in JSON: rows in lines or lists, columns, or classes by path; whole or by split."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kerastl.data.annotation_tools import Record, Row, are_of_via, read_tool, rows_of_via_images
from kerastl.data.split_words import split_named
from kerastl.data.table_names import KNOWN, SPLITTING, USUAL, key_of, words_of
from kerastl.data.table_paths import is_image_name
from kerastl.data.table_rows import SAMPLE_ROWS, Wrong
from kerastl.data.table_shape import has_header

_STARTS = re.compile(r"\s*(\{\s*[\"}]|\[\s*[\[{\]])")
_SPACE = re.compile(r"[\s,]*")
_CLASSES = frozenset(name for tier in USUAL["label"] for name in tier.split())
# What the names of the classes are called, if rows have their numbers.
_NAMES = frozenset(("names", "labelnames", "categorynames", "idtolabel", "id2label")) | _CLASSES


def is_json(text: str) -> bool:
    """Whether a text begins as an object or a list of JSON does."""
    return _STARTS.match(text) is not None


def read_json(text: str, wrong: Wrong) -> Iterator[tuple[int, list[str]]]:
    """Yields the names of the columns, then each record: its line, and its values as texts.

    Raises:
        UsageError: If it is broken, or no table of one record an image.
    """
    records = list(_read_records(text, wrong))
    if of_tool := read_tool(records, wrong):
        records = of_tool
    elif len(records) == 1:
        line, record = records[0]
        records = [(line, row) for row in _rows_of(record)]
    rows = [(line, _flatten(one)) for line, row in records for one in _unfold(row)]
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    if not names:
        raise wrong("has no rows", "Give a row for each image")
    yield rows[0][0], names
    for line, row in rows:
        yield line, [_as_text(row.get(name)) for name in names]


def _read_records(text: str, wrong: Wrong) -> Iterator[Record]:
    """Yields the objects of a list, or those that follow each other; lists come with names."""
    decoder = json.JSONDecoder()
    place, end = 0, len(text)
    is_list = text.lstrip().startswith("[")
    if is_list:
        place, end = text.index("[") + 1, len(text.rstrip().removesuffix("]"))
    line, lists = 1, []
    while (start := _skip(text, place)) < end:
        line += text.count("\n", place, start)
        try:
            value, stop = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            raise wrong(f"is JSON that is broken in line {line}", "Write it again") from error
        if isinstance(value, list):
            lists.append((line, value))
        elif isinstance(value, dict) and not lists:
            yield line, value
        else:
            raise wrong(
                f"is JSON without names of columns in line {line}",
                'Write an object for each image, as {"image": "1.png", "label": "cat"}',
            )
        line += text.count("\n", start, stop)
        place = stop
    rows = _name_cells([value for _, value in lists])
    # The first list may be the header.
    yield from zip([line for line, _ in lists[len(lists) - len(rows) :]], rows, strict=True)


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _name_cells(rows: Sequence[Sequence[Any]]) -> list[Row]:
    """Makes rows of lists, of which the first may have the names of the columns."""
    if not rows:
        return []
    texts = [list(map(_as_text, row)) for row in rows[:SAMPLE_ROWS]]
    width = max(map(len, rows))
    names = [f"column {number}" for number in range(1, width + 1)]
    if len(rows) > 1 and len(texts[0]) == width == len({*texts[0]}) and has_header(texts):
        names, rows = texts[0], rows[1:]
    return [dict(zip(names, row, strict=False)) for row in rows]


def _rows_of(record: Row) -> list[Row]:
    """Makes rows of an object that holds them; it is one itself otherwise."""
    if are_of_via(record):
        return list(rows_of_via_images(record))
    if holders := _find_splits(record):
        return [
            row | {"split": name}
            for name in holders
            for row in _name_classes(_rows_inside(record[name]), record)
        ]
    if table := _find_table(record):
        return _name_classes(_rows_inside(record[table], record.get("columns")), record)
    if _are_of_fiftyone(record):
        numbers = _names_by_number(record["classes"])
        return [
            {"image": image, "label": numbers.get(str(label), label)}
            for image, label in record["labels"].items()
        ]
    turned = _turn(record)
    return [record] if turned is None else turned


def _are_of_fiftyone(record: Row) -> bool:
    """Whether an object has the names of classes, and the class of each image by its name."""
    parts = {"classes": list, "labels": dict}
    return record.keys() >= parts.keys() and all(
        isinstance(record[name], kind) for name, kind in parts.items()
    )


def _find_splits(record: Row) -> list[str]:
    """Finds the keys that name splits or folds and hold rows, if nothing else in it holds any."""
    holding = [name for name, value in record.items() if isinstance(value, (dict, list)) and value]
    named = [
        name for name in holding if split_named(name) or {*words_of(name)} & (SPLITTING | {"set"})
    ]
    # Names of classes may lie beside it; a class called train lies beside other classes.
    others = [name for name in holding if name not in named and key_of(name) not in _NAMES]
    return named if len(named) > 1 or not others else []


def _find_table(record: Row) -> str:
    """Finds the one key that holds a list of rows, if the object is no row itself."""
    if any(isinstance(value, str) and is_image_name(value) for value in record.values()):
        return ""
    holding = [
        name
        for name, value in record.items()
        if isinstance(value, list)
        and value
        and all(isinstance(one, (dict, list)) for one in value)
        and not (key_of(name) in _NAMES and _names_by_number(value))
    ]
    return holding[0] if len(holding) == 1 else ""


def _rows_inside(value: Any, names: Any = None) -> list[Row]:
    """Makes rows of what one key holds: objects, lists of cells, paths, or these by class."""
    if isinstance(value, dict):
        turned = _turn(value)
        return [value] if turned is None else turned
    lists = [one for one in value if isinstance(one, list)]
    if lists and isinstance(names, list):
        lists.insert(0, names)
    paths = [{"image": one} for one in value if isinstance(one, str)]
    return [*(one for one in value if isinstance(one, dict)), *_name_cells(lists), *paths]


def _name_classes(rows: list[Row], record: Row) -> list[Row]:
    """Adds the names of the classes where the rows have numbers and the file has their names."""
    rows = [one for row in rows for one in _unfold(row)]
    columns = [
        column
        for column in dict.fromkeys(name for row in rows for name in row)
        if key_of(column) in _CLASSES
    ]
    for key, value in record.items():
        names = _names_by_number(value) if key_of(key) in _NAMES else {}
        for column in columns:
            if names and all(str(row.get(column)) in names for row in rows):
                return [row | {"class_name": names[str(row[column])]} for row in rows]
    return rows


def _names_by_number(value: Any) -> dict[str, str]:
    """Returns the names of classes by number, from a list, an object, or objects with IDs."""
    while isinstance(value, dict) and (inner := [one for one in value if key_of(one) in _NAMES]):
        value = value[inner[0]]
    listed = value if isinstance(value, list) else []
    if listed and all(isinstance(one, dict) and "name" in one for one in listed):
        value = {one.get("id", place): one["name"] for place, one in enumerate(listed)}
    pairs = value.items() if isinstance(value, dict) else enumerate(listed)
    return {str(number): name for number, name in pairs if isinstance(name, str)}


def _turn(record: Row) -> list[Row] | None:
    """Makes rows of an object that holds them by path, class or column; None if it is a row."""
    values = list(record.values())
    are_objects = all(isinstance(one, dict) for one in values)
    if are_objects and any(map(_has_known, values)):
        return [{"image": path} | row for path, row in record.items()]
    if are_objects:
        values = [list(one.values()) for one in values]
    are_lists = all(isinstance(one, list) for one in values)
    if _has_known(record):
        if not are_lists or len(set(map(len, values))) > 1:
            return None
        rows = zip(*values, strict=True)
        return [dict(zip(record, row, strict=True)) for row in rows]
    if all(map(is_image_name, record)):
        return [{"image": path, "label": label} for path, label in record.items()]
    if not are_lists:
        return None
    return [
        (one if isinstance(one, dict) else {"image": one}) | {"label": name}
        for name, inside in zip(record, values, strict=True)
        for one in inside
    ]


def _unfold(record: Row) -> Iterator[Row]:
    """Yields a record for each object in a list of objects that have the classes of an image."""
    found = [name for name, value in record.items() if isinstance(value, list) and _label(*value)]
    if len(found) != 1 or _label(record):
        yield record
        return
    rest = {name: value for name, value in record.items() if name not in found}
    yield from (one | rest for one in record[found[0]])


def _flatten(record: Row) -> Row:
    """Gives what objects within a row hold columns of their own, as cloud services nest them.

    A column with a usual name keeps its object, which may be a class with more than its name, or
    the path of an image.
    """
    flat: Row = {}
    for name, value in record.items():
        if (
            isinstance(value, dict)
            and isinstance(value.get("path"), str)
            and not value.get("bytes")
        ):
            flat[name] = value["path"]
        elif not isinstance(value, dict) or key_of(name) in KNOWN:
            flat[name] = value
        else:
            plain = {key: one for key, one in value.items() if not isinstance(one, (dict, list))}
            flat |= {f"{name}.{key}": one for key, one in plain.items()} or {name: value}
    return flat


def _label(*values: Any) -> bool:
    """Whether values are objects with a name for classes in each, and there are some."""
    return bool(values) and all(
        isinstance(one, dict) and any(key_of(name) in _CLASSES for name in one) for one in values
    )


def _has_known(record: Mapping[str, Any]) -> bool:
    return any(key_of(name) in KNOWN for name in record)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
