"""What cells look like: a header or an image, pixels, numbers, yes or no."""

import collections
import re
from collections.abc import Sequence

from kerastl.data.table_names import KEPT, KNOWN, LEFT_OUT, NO, YES, is_missing, key_of, words_of
from kerastl.data.table_paths import is_image_name
from kerastl.data.table_rows import GIVE_ARRAYS, Wrong, flat_sides
from kerastl.errors import shorten

# So many numbers in a row are pixels, or what a network made of them.
_MANY_NUMBERS = 64
# If their columns are numbered, so many suffice.
_FEW_PIXELS = 16
_NUMBERS = re.compile(rf"[\[(\s]*(-?\d+(\.\d*)?([\s,;]+|[\])\s]*$)){{{_MANY_NUMBERS},}}")
# A class and four or more shares of the width and the height.
_BOX = re.compile(r"\d+([ ,]+[01]?\.\d+){4,}")
_ENCODED = re.compile(r"data:image/|[A-Za-z0-9+/_-]{400}")
_PATH_AND_MORE = re.compile(r"\S.*\.(png|jpe?g|bmp|gif|webp|tiff?)[ \t]+[^.\s]+", re.IGNORECASE)
# With a comma where many languages have one.
_NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.IGNORECASE)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of some rows names columns, rather than an image."""
    first, *others = rows
    if any(map(is_image_name, first)):
        return False
    if any(key_of(cell) in KNOWN for cell in first):
        return True
    # A name does not come again among its values; a class, a split or a patient does.
    return not any(
        cell and any(row[place : place + 1] == [cell] for row in others)
        for place, cell in enumerate(first)
    )


def refuse_pixels(rows: Sequence[Sequence[str]], wrong: Wrong) -> None:
    """Refuses a table that holds images themselves, or boxes in one, in place of their paths.

    Raises:
        UsageError: If its first rows do.
    """
    body = rows[1:] or rows
    cells = [cell for row in body for cell in row]
    if any(map(is_image_name, cells)):
        return
    if all(_BOX.fullmatch(" ".join(row)) for row in body):
        raise wrong(
            "holds boxes or outlines in an image, as YOLO writes them, and no paths",
            "Give a table with the path and the class of each image, or a folder for each class",
        )
    if found := next((cell for cell in cells if _NUMBERS.match(cell)), ""):
        count = len(re.findall(r"-?\d+(\.\d*)?", found))
        raise wrong(
            f"holds pixels ({count} numbers in a cell{_say_sides(count)}) and no paths", GIVE_ARRAYS
        )
    if any(map(_ENCODED.match, cells)):
        raise wrong("holds whole images as text and no paths", "Save each as a file")
    columns = list(zip(*body, strict=False))
    numbers = [column for column in columns if all(map(is_number, column))]
    is_many = len(numbers) >= _MANY_NUMBERS or _count_numbered(rows[0]) >= _FEW_PIXELS
    if len(numbers) >= _FEW_PIXELS and is_many and not all(map(is_yes_or_no, numbers)):
        # Beside the pixels there is a label, before or behind them.
        sides = next(filter(None, map(_say_sides, (len(numbers), len(numbers) - 1))), "")
        raise wrong(
            f"holds pixels or other numbers in {len(numbers)} columns{sides} and no paths",
            GIVE_ARRAYS,
        )


def _say_sides(count: int) -> str:
    sides = flat_sides(count)
    return f", as of images of {sides}" if sides else ""


def refuse_blanks(rows: Sequence[Sequence[str]], wrong: Wrong) -> None:
    """Refuses a table with blanks between its cells and within its paths.

    Raises:
        UsageError: If its first rows look like that.
    """
    body = rows[1:] or rows
    if all(len(row) == 1 and _PATH_AND_MORE.fullmatch(row[0]) for row in body):
        raise wrong(
            f"has blanks between its cells and within its paths, as in {shorten(body[0][0])!r}",
            "Put commas or tabs between the cells",
        )


def _count_numbered(names: Sequence[str]) -> int:
    """Counts the names that differ by their numbers alone, as p0, p1 and 1x1, 1x2."""
    counts = collections.Counter(
        re.sub(r"\d+", "", name) for name in names if re.search(r"\d", name)
    )
    return max(counts.values(), default=0)


def is_number(cell: str) -> bool:
    """Whether a cell holds a number, whole or not."""
    return _NUMBER.fullmatch(cell) is not None


def is_yes_or_no(cells: Sequence[str]) -> bool:
    """Whether all cells are yes or no, in one of the usual ways."""
    return {cell.lower() for cell in set(cells)} <= YES | NO


def is_yes(cell: str) -> bool:
    """Whether a cell means yes."""
    return cell.lower() in YES


def count_left_out(name: str, cells: Sequence[str]) -> int:
    """Counts the rows that a column says are not to be used, if it says so of some of them."""
    words, filled = {*words_of(name)}, [cell for cell in cells if not is_missing(cell)]
    if is_yes_or_no(filled):
        is_out = words & LEFT_OUT and not words & {"not", "non"}
        count = sum(is_yes(cell) == bool(is_out) for cell in filled)
        count = count if is_out or words & KEPT else 0
    else:
        count = sum(key_of(cell) in LEFT_OUT for cell in filled)
    return count if count < len(cells) else 0


def is_whole(cell: str) -> bool:
    """Whether a cell holds a whole number, with zeros behind a point perhaps."""
    return is_number(cell) and number_of(cell).is_integer()


def number_of(cell: str) -> float:
    """Returns the number that a cell holds, see `is_number`."""
    return float(cell.replace(",", "."))


def say_the_same(cells: Sequence[str], others: Sequence[str]) -> bool:
    """Whether each value of a column stands for one value of another."""
    pairs = set(zip(cells, others, strict=True))
    return len(pairs) == len(set(cells)) == len(set(others))
