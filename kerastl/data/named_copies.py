"""Copies of images, and shots of one burst, by the names of their files.

Programs of augmentation and cameras write such names.
"""

import collections
import pathlib
import re
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from kerastl.split_names import TRAIN

# Roboflow: x_jpg.rf.<hash>.jpg; Augmentor: cat_original_x.jpg_<UUID>.jpg; and
# `ImageDataGenerator(save_prefix="aug")` of Keras: aug_<place of the image>_<number by chance>.png.
_ROBOFLOW = re.compile(r"(?P<original>.+?)([_.-](jpe?g|png|bmp|webp|gif))?\.rf\.[0-9a-z]{20,}")
_AUGMENTOR = re.compile(
    r".+_original_(?P<original>.+?)(\.\w{3,4})?_[0-9a-f]{8}(-[0-9a-f]{4,12}){4}"
)
_KERAS = re.compile(r"aug\w*?_(?P<original>\d+)_\d{4,7}")
# Shots of a burst, of which one may be the original: IMG_3448_BURST2 beside IMG_3448; Huawei's
# IMG_20240101_120000_BURST001_COVER; LG's 20240101_120000_Burst01; and IMG_BURST_20240101_120000_1.
_BURST = re.compile(r"(?P<original>.+?)[ _.-]+burst[ _.-]?\d{1,4}([ _.-]?cover)?")
_BURST_BEFORE = re.compile(r"(?P<original>.*burst_?\d{8}_?\d{6,9})_\d{1,4}([ _.-]?cover)?")
# One time for all of a burst: Google's 00001IMG_00001_BURST20240101120000000_COVER, and Sony's
# DSC_0001_BURST20240101120000000.
_BURST_TIME = re.compile(r".*(?P<original>burst_?20\d{12,15})([ _.-]?cover)?")
# Samsung: 20240101_120000_001; and all that a Pixel makes of one shot: PXL_20240101_120000000.MP,
# or with .PORTRAIT-01.COVER.
_SAMSUNG = re.compile(r"(?P<original>20\d{6}_\d{6})_\d{3}")
_PIXEL = re.compile(r"(?P<original>pxl_20\d{6}_\d{9})[.~].+")
_PROGRAMS = (_ROBOFLOW, _AUGMENTOR, _KERAS)
_CAMERAS = (_BURST_TIME, _BURST_BEFORE, _BURST, _SAMSUNG, _PIXEL)
# Words for a change, often with its number, and what is written beside some of them.
_CHANGE = re.compile(
    r"(aug(m|mented|mentation)?|rot(ate|ated|ation)?|[hv]?flip(ped|lr|ud|h|v)?|[hv]?mirror(ed)?|"
    r"blur(red)?|nois[ey]|bright(ness|en|ened)?|contrast|darken(ed)?|shear(ed)?|zoom(ed)?|"
    r"crop(ped)?|translat(e|ed|ion)|shift(ed)?|jitter(ed)?|elastic|cutout|gamma|hue|saturation|"
    r"equali[sz]ed?|sharpen(ed)?|transform(ed)?)\d*|\d+deg(rees)?"
)
_BESIDE = frozenset(
    [
        *("horizontal", "vertical", "lr", "ud", "h", "v"),
        *("gaussian", "salt", "pepper", "random", "color"),
    ]
)
# Without their original, more of one name are rather numbered images than copies of one.
_MOST = 64


class _Name(NamedTuple):
    """What a file's name says: the words of it, and those of its original, or that these may be."""

    own: str
    originals: tuple[str, ...] = ()
    is_sure: bool = False


def find_named_copies(
    examples: Sequence[str], labels: Sequence[int], splits: Sequence[str]
) -> Iterator[list[int]]:
    """Yields groups (two or more) of positions of an image and copies of it, by their names.

    Shots of one burst are copies of each other.

    They are of one class, and of one split unless those outside training are copies themselves.
    """
    names = [_read(pathlib.PurePath(example).stem.lower()) for example in examples]
    known: dict[str, set[int]] = collections.defaultdict(set)
    for name, label in zip(names, labels, strict=True):
        if not name.originals:
            known[name.own].add(label)
    groups: dict[tuple[str, int], list[int]] = collections.defaultdict(list)
    for place, (name, label) in enumerate(zip(names, labels, strict=True)):
        if original := _find_original(name, {one for one in name.originals if label in known[one]}):
            groups[original, label].append(place)
    copies = {place for place, name in enumerate(names) if name.originals}
    has_originals = any(
        not name.originals and split == TRAIN for name, split in zip(names, splits, strict=True)
    )
    for (original, label), places in groups.items():
        alone = not places[1:] or copies.isdisjoint(places)
        if not alone and (len(places) <= _MOST or label in known[original]):
            yield from _by_split(places, copies, splits, has_originals=has_originals)


def _by_split(
    places: Sequence[int],
    copies: AbstractSet[int],
    splits: Sequence[str],
    *,
    has_originals: bool,
) -> Iterator[list[int]]:
    """Yields all if a copy is outside training, or the original alone is, unlike those of others.

    Otherwise numbered images may be counted anew in each split.
    """
    train = [place for place in places if splits[place] == TRAIN]
    others = [place for place in places if splits[place] != TRAIN]
    is_alone = has_originals and bool(train) and copies >= set(train)
    if not copies.isdisjoint(others) or (others and is_alone):
        yield list(places)
    elif train[1:] and not copies.isdisjoint(train):
        yield train


def _find_original(name: _Name, known: Collection[str]) -> str:
    """Returns the name of a file's original; empty where that is too little to know it by."""
    if not name.originals:
        return name.own
    first = next((one for one in name.originals if one in known), name.originals[0])
    is_name = name.is_sure or first in known or re.search(r"\d", first)
    return first if is_name else ""


def _read(stem: str) -> _Name:
    for pattern in (*_PROGRAMS, *_CAMERAS):
        if found := pattern.fullmatch(stem):
            original = _join(_words(found["original"]))
            return _Name(stem, (original,), is_sure=pattern in _PROGRAMS)
    words = _words(stem)
    is_change = [_CHANGE.fullmatch(word) is not None for word in words]
    if not any(is_change):
        return _Name(_join(words))
    near = [False, *is_change, False]
    kept = [
        (word, place > 0 and is_change[place - 1] and word.isdecimal())
        for place, word in enumerate(words)
        if not is_change[place] and not (word in _BESIDE and (near[place] or near[place + 2]))
    ]
    without_number = [word for word, is_its_number in kept if not is_its_number]
    forms = [without_number, [word for word, _ in kept]]
    if without_number[1:] and without_number[-1].isdecimal():
        forms.append(without_number[:-1])
    return _Name(stem, tuple(dict.fromkeys(filter(None, map(_join, forms)))) or ("",))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


def _join(words: Sequence[str]) -> str:
    return "_".join(words)
