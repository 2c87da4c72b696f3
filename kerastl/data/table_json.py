"""Tables in JSON: objects in lines or in a list, columns, or classes by path and the reverse."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from kerastl.data.table_names import KNOWN, USUAL, key_of
from kerastl.data.table_paths import is_image_name
from kerastl.data.table_rows import Wrong

_STARTS = re.compile(r"\s*(\{\s*[\"}]|\[\s*[\[{\]])")
_SPACE = re.compile(r"[\s,]*")
_SAVE_AS_CSV = "Write a CSV file with the path and the class of each image"
# Keys by which the files of annotation tools are known, what they are, and what to do.
_TOOLS = (
    ({"images", "annotations"}, "COCO's annotations without names of categories", _SAVE_AS_CSV),
    (
        {"data", "annotations"},
        "a Label Studio project without choices",
        "Export it from there as CSV or JSON-MIN",
    ),
    ({"shapes", "imagePath"}, "a LabelMe file of one image", _SAVE_AS_CSV),
    ({"_via_img_metadata"}, "a VIA project", "Export its annotations from there as CSV"),
    ({"data_row", "projects"}, "a Labelbox export", _SAVE_AS_CSV),
    ({"info", "samples"}, "a FiftyOne data set", _SAVE_AS_CSV),
)
_CLASSES = frozenset(name for tier in USUAL["label"] for name in tier.split())
# One row: the line that it begins in, and its values by column.
_Record = tuple[int, dict[str, Any]]


def is_json(text: str) -> bool:
    """Whether a text begins as an object or a list of JSON does."""
    return _STARTS.match(text) is not None


def read_json(text: str, wrong: Wrong) -> Iterator[tuple[int, list[str]]]:
    """Yields the names of the columns, then each record: its line, and its values as texts.

    Raises:
        UsageError: If it is broken, or no table of one record an image.
    """
    records = list(_read_records(text, wrong))
    if rows := _read_tool(records):
        records = rows
    _refuse_tools(records[:1], wrong)
    if len(records) == 1:
        turned = _turn(records[0][1])
        records = records if turned is None else turned
    records = [(line, one) for line, record in records for one in _unfold(record)]
    names = list(dict.fromkeys(name for _, record in records for name in record))
    if not names:
        raise wrong("has no rows", "Give a row for each image")
    yield records[0][0], names
    for line, record in records:
        yield line, [_as_text(record.get(name)) for name in names]


def _read_records(text: str, wrong: Wrong) -> Iterator[_Record]:
    """Yields the objects of a list, or those that follow each other."""
    decoder = json.JSONDecoder()
    place, end = 0, len(text)
    is_list = text.lstrip().startswith("[")
    if is_list:
        place, end = text.index("[") + 1, len(text.rstrip().removesuffix("]"))
    line = 1
    while (start := _skip(text, place)) < end:
        line += text.count("\n", place, start)
        try:
            value, stop = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            raise wrong(f"is JSON that is broken in line {line}", "Write it again") from error
        if not isinstance(value, dict):
            raise wrong(
                f"is JSON without names of columns in line {line}",
                'Write an object for each image, as {"image": "1.png", "label": "cat"}',
            )
        yield line, value
        line += text.count("\n", start, stop)
        place = stop


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _read_tool(records: Sequence[_Record]) -> list[_Record]:
    """Makes rows of what an annotation tool has written of whole images; none of other files."""
    for keys, read in _READERS:
        # What lacks a part of it is for `_refuse_tools` to name.
        with contextlib.suppress(KeyError, TypeError, AttributeError):
            if all(keys <= set(record) for _, record in records):
                rows = [(line, row) for line, record in records for row in read(record)]
                return rows if any(row.get("label", True) for _, row in rows) else []
    return []


def _rows_of_coco(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the class of each annotation, https://cocodataset.org/#format-data."""
    names = {one["id"]: one["name"] for one in record["categories"]}
    paths = {one["id"]: one["file_name"] for one in record["images"]}
    empty = dict.fromkeys(paths)
    for one in record["annotations"]:
        empty.pop(one["image_id"], None)
        box = {"bbox": one["bbox"]} if one.get("bbox") else {}
        yield {"image": paths[one["image_id"]], "label": names[one["category_id"]], **box}
    yield from ({"image": paths[image], "label": ""} for image in empty)


def _rows_of_label_studio(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the choices of each annotator, https://labelstud.io/guide/task_format."""
    texts = [value for value in record["data"].values() if isinstance(value, str)]
    path = next(filter(is_image_name, texts), texts[0])
    kept = [one for one in record["annotations"] if not one.get("was_cancelled")]
    for annotation in kept or [{"result": []}]:
        values = [one["value"] for one in annotation["result"] if one["type"] == "choices"]
        choices = [choice for value in values for choice in value["choices"]]
        yield {"image": path, "label": choices if choices[1:] else "".join(choices)}


# Keys by which files of whole images are known, and what makes rows of one.
_READERS: tuple[tuple[set[str], Callable[[dict[str, Any]], Iterable[dict[str, Any]]]], ...] = (
    ({"images", "annotations", "categories"}, _rows_of_coco),
    ({"data", "annotations"}, _rows_of_label_studio),
    ({"_via_img_metadata"}, lambda record: record["_via_img_metadata"].values()),
)


def _refuse_tools(records: Sequence[_Record], wrong: Wrong) -> None:
    for _, record in records:
        for keys, kind, advice in _TOOLS:
            if keys <= set(record):
                raise wrong(f"is {kind} in JSON, not a table", advice)


def _turn(record: dict[str, Any]) -> list[_Record] | None:
    """Makes rows of the only object of a file, which may hold them by path, class or column.

    None if it is a row itself.
    """
    values = list(record.values())
    are_objects = all(isinstance(one, dict) for one in values)
    if are_objects and any(map(_has_known, values)):
        return [(1, {"image": path} | row) for path, row in record.items()]
    if are_objects:
        values = [list(one.values()) for one in values]
    are_lists = all(isinstance(one, list) for one in values)
    if _has_known(record):
        if not are_lists or len(set(map(len, values))) > 1:
            return None
        rows = zip(*values, strict=True)
        return [(1, dict(zip(record, row, strict=True))) for row in rows]
    if all(map(is_image_name, record)):
        return [(1, {"image": path, "label": label}) for path, label in record.items()]
    pairs = zip(record, values if are_lists else [], strict=False)
    return [(1, {"image": path, "label": name}) for name, paths in pairs for path in paths]


def _unfold(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields a record for each object in a list of objects that have the classes of an image."""
    found = [name for name, value in record.items() if isinstance(value, list) and _label(*value)]
    if len(found) != 1 or _label(record):
        yield record
        return
    rest = {name: value for name, value in record.items() if name not in found}
    yield from (one | rest for one in record[found[0]])


def _label(*values: Any) -> bool:
    """Whether values are objects with a name for classes in each, and there are some."""
    return bool(values) and all(
        isinstance(one, dict) and any(key_of(name) in _CLASSES for name in one) for one in values
    )


def _has_known(record: dict[str, Any]) -> bool:
    return any(key_of(name) in KNOWN for name in record)


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
