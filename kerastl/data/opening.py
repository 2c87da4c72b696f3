"""From the name of a data set to its splits: read, audited, split and described."""

import dataclasses

import numpy as np

from kerastl.data.audit import audit
from kerastl.data.finding import given_or_found
from kerastl.data.fixes import apply_fixes, changed_test_words, name_splits
from kerastl.data.fixes_file import forgotten_words, read_fixes
from kerastl.data.kept import PixelCache
from kerastl.data.source import Source
from kerastl.data.splits import Splits, count_per_class, describe_shared, make_splits
from kerastl.data.splits_file import read_earlier
from kerastl.data.teachers import find_teacher
from kerastl.errors import bad_value
from kerastl.progress import Progress, count_of
from kerastl.settings import ImageSettings, ReadSettings

# Classes that are shown one by one.
_MAX_CLASSES_SHOWN = 20


def open_data(
    settings: ReadSettings, source: Source | None, progress: Progress, *, needed_again: bool = False
) -> Splits:
    """Opens the data, audits every image, and splits them.

    Without a `source` from Python it opens the data set that `settings.dataset` names. For
    `needed_again` see `PixelCache`.

    Raises:
        UsageError: If the data cannot be used as they are.
        KerastlError: If they are not there and cannot be downloaded.
    """
    # Before the audit, which may take long.
    earlier = read_earlier(settings.splits_from) if settings.splits_from else {}
    source = open_source(settings, progress, source=source, needed_again=needed_again)
    if earlier:
        known = sum(example in earlier for example in source.examples)
        if not known:
            raise bad_value(
                "splits_from",
                settings.splits_from,
                f"names no image of {source.name}",
                "Give the splits.csv of a run on the same data",
            )
        rest = ", the others are new" if known < len(source) else ""
        images = count_of(len(source), "image")
        progress.line(f"Splits: {known} of {images} as in {settings.splits_from}{rest}.")
        for line in forgotten_words(settings.splits_from, settings.fixes):
            progress.line(line)
    splits = name_splits(make_splits(source, settings, earlier=earlier), earlier)
    describe(splits, progress)
    for line in changed_test_words(splits, earlier):
        progress.line(line)
    if settings.teacher:
        splits = dataclasses.replace(splits, teacher=find_teacher(settings.teacher, splits))
    return splits


def open_source(
    settings: ReadSettings,
    progress: Progress,
    *,
    source: Source | None = None,
    needed_again: bool = False,
) -> Source:
    """Does what `open_data` does up to the audit, without splitting."""
    memory, fixes = settings.memory_path, read_fixes(settings.fixes) if settings.fixes else None
    source = given_or_found(source, settings, progress)
    if fixes is not None:
        source = apply_fixes(source, fixes, settings.fixes)
        if source.fixed:
            progress.line(source.fixed.line())
    source = audit(source, settings, memory=memory, progress=progress)
    if memory is None:
        return source
    kept = PixelCache(
        memory, settings.cache_limit_gb, dataset=source.name, needed_again=needed_again
    )
    return dataclasses.replace(source, kept=kept)


def describe(splits: Splits, progress: Progress) -> None:
    """Reports the images of each class and split."""
    source = splits.source
    counts = {
        name: count_per_class(source, indices) for name, indices in splits.items() if len(indices)
    }
    totals = ", ".join(f"{name} {int(count.sum())}" for name, count in counts.items())
    progress.line(
        f"{source.name}: {len(source.class_names)} classes, {len(source)} images: {totals}."
    )
    for label, class_name in enumerate(source.class_names[:_MAX_CLASSES_SHOWN]):
        of_class = ", ".join(f"{name} {count[label]}" for name, count in counts.items())
        progress.line(f"  {class_name}: {of_class}")
    if others := source.class_names[_MAX_CLASSES_SHOWN:]:
        ranges = ", ".join(
            f"{name} {count[_MAX_CLASSES_SHOWN:].min()} to {count[_MAX_CLASSES_SHOWN:].max()}"
            for name, count in counts.items()
        )
        progress.line(f"  {len(others)} more, each: {ranges}")
    for line in describe_shared(splits):
        progress.line(line)


def resized_sides(splits: Splits, images: ImageSettings) -> np.ndarray:
    """Returns the side of each training image that is resized to `images.image_size`.

    In pixels, int64 (images,), the shorter one unless images are padded. The source is audited.
    """
    sides = splits.source.sides
    assert sides is not None
    along = np.max if images.fit == "pad" else np.min
    chosen: np.ndarray = along(sides[splits.train], axis=1)
    return chosen


def describe_sizes(splits: Splits, images: ImageSettings, progress: Progress) -> None:
    """Reports how far small images are enlarged."""
    sides = resized_sides(splits, images)
    small = sides[sides < images.image_size]
    if len(small):
        median = float(np.median(small))
        share = "" if len(small) == len(sides) else f" ({len(small)} of {len(sides)})"
        progress.line(
            f"Images of {median:.0f} px{share} are enlarged {images.image_size / median:.3g} times "
            f"to {images.image_size} px."
        )
