"""Rows from the JSON files of annotation tools, for those that have classes of whole images."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kerastl.data.table_names import KNOWN, SIZES, USUAL, key_of
from kerastl.data.table_paths import is_image_name
from kerastl.data.table_rows import Wrong
from kerastl.errors import name_some
from kerastl.progress import count_of

# An object of JSON, and one with the line that it begins in.
Row = dict[str, Any]
Record = tuple[int, Row]
_Reader = Callable[[Sequence[Row], Wrong], Iterable[Row]]

_SAVE_AS_CSV = "Write a CSV file with the path and the class of each image"
# Keys by which other files are known, what they are, and what to do.
_OTHERS = (
    ({"images", "annotations"}, "COCO's annotations without its categories", _SAVE_AS_CSV),
    (
        {"images", "categories"},
        "COCO's list of images without their annotations",
        "Give the file that has the annotations, too",
    ),
    (
        {"data", "annotations"},
        "a Label Studio project without choices",
        "Export it from there as CSV or JSON-MIN",
    ),
    ({"_via_img_metadata"}, "a VIA project", "Export its annotations from there as CSV"),
    ({"data_row", "projects"}, "a Labelbox export", _SAVE_AS_CSV),
)
# Where COCO's images may have their paths.
_PATH_KEYS = ("file_name", "filename", "path", "coco_url")


def read_tool(records: Sequence[Record], wrong: Wrong) -> list[Record]:
    """Makes rows of what a tool has written; none of other files.

    Raises:
        UsageError: If it contradicts itself, or is of a tool whose files have no classes of images.
    """
    objects = [record for _, record in records]
    for keys, read in _READERS:
        if objects and all(keys <= set(record) for record in objects):
            try:
                rows = list(read(objects, wrong))
            except (KeyError, TypeError, AttributeError, IndexError):
                break  # What lacks a part of it is named below.
            if any(row.get("label", True) for row in rows):
                return [(records[0][0], row) for row in rows]
    for keys, kind, advice in _OTHERS:
        if objects and keys <= set(objects[0]):
            raise wrong(f"is {kind} in JSON, not a table", advice)
    return []


def _rows_of_coco(records: Sequence[Row], wrong: Wrong) -> Iterator[Row]:
    """Yields the class of each annotation, https://cocodataset.org/#format-data."""
    for record in records:
        names = {str(one["id"]): one["name"] for one in record["categories"]}
        images = {str(one["id"]): _image_of_coco(one) for one in record["images"]}
        if bare := [number for number, image in images.items() if not image["image"]]:
            raise wrong(
                f"is COCO's annotations with {count_of(len(bare), 'image')} without a file name, "
                f"as of the id {name_some(bare, 2)}",
                'Give each a "file_name"',
            )
        for key, known, what in (
            ("image_id", images, "images"),
            ("category_id", names, "categories"),
        ):
            used = dict.fromkeys(str(one[key]) for one in record["annotations"])
            if strange := [number for number in used if number not in known]:
                raise wrong(
                    f"is COCO's annotations with {what} that are not in its list, as {key} "
                    f"{name_some(strange, 2)}",
                    f"Add them to its {what}, or remove their annotations",
                )
        empty = dict.fromkeys(images)
        for one in record["annotations"]:
            number = str(one["image_id"])
            empty.pop(number, None)
            box = {"bbox": one["bbox"]} if one.get("bbox") else {}
            yield images[number] | {"label": names[str(one["category_id"])]} | box
        yield from (images[number] | {"label": ""} for number in empty)


def _image_of_coco(image: Row) -> Row:
    """Returns an image's path, and what else is known of it, as camera traps have places."""
    path = next((image[key] for key in _PATH_KEYS if image.get(key)), "")
    more = {
        name: value
        for name, value in image.items()
        if key_of(name) not in (KNOWN - {*USUAL["split"][0].split()}) | SIZES
        and not isinstance(value, (dict, list))
        and "url" not in name
    }
    return {"image": path} | more


def _rows_of_label_studio(records: Sequence[Row], wrong: Wrong) -> Iterator[Row]:
    """Yields the choices of each annotator, https://labelstud.io/guide/task_format.

    Each question has a column, called label if there is only one.
    """
    del wrong
    rows = [row for record in records for row in _answers(record)]
    questions = dict.fromkeys(name for _, answers in rows for name in answers)
    column = dict.fromkeys(questions, "label") if len(questions) == 1 else {q: q for q in questions}
    for path, answers in rows:
        choices = {column[name]: chosen for name, chosen in answers.items()}
        yield {"image": path} | dict.fromkeys(column.values() or ["label"], "") | choices


def _answers(record: Row) -> Iterator[tuple[str, dict[str, Any]]]:
    texts = [value for value in record["data"].values() if isinstance(value, str)]
    path = next(filter(is_image_name, texts), texts[0])
    kept = [one for one in record["annotations"] if not one.get("was_cancelled")]
    for annotation in kept or [{"result": []}]:
        chosen: dict[str, list[str]] = defaultdict(list)
        for one in annotation["result"]:
            if one["type"] == "choices":
                chosen[one.get("from_name", "label")] += one["value"]["choices"]
        yield path, {name: one if one[1:] else "".join(one) for name, one in chosen.items()}


def _rows_of_via(records: Sequence[Row], wrong: Wrong) -> Iterator[Row]:
    """Yields the attributes of each image and each of its regions, with a column for each name."""
    del wrong
    for record in records:
        yield from rows_of_via_images(record["_via_img_metadata"])


def rows_of_via_images(images: Mapping[str, Row]) -> Iterator[Row]:
    """Yields the attributes of each image and each of its regions, see `are_of_via`."""
    for image in images.values():
        row = {"image": image["filename"]} | image.get("file_attributes", {})
        regions = image.get("regions") or [{}]
        for region in regions.values() if isinstance(regions, dict) else regions:
            box = {"bbox": region["shape_attributes"]} if region.get("shape_attributes") else {}
            yield row | region.get("region_attributes", {}) | box


def are_of_via(record: Row) -> bool:
    """Whether an object holds VIA's images by name, without the rest of its project."""
    keys = {"filename", "regions"}
    return bool(record) and all(
        isinstance(one, dict) and keys <= set(one) for one in record.values()
    )


# Keys by which files of whole images are known, and what makes rows of one.
_READERS: tuple[tuple[set[str], _Reader], ...] = (
    ({"images", "annotations", "categories"}, _rows_of_coco),
    ({"data", "annotations"}, _rows_of_label_studio),
    ({"_via_img_metadata"}, _rows_of_via),
)
