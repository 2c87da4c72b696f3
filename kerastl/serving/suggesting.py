"""Chooses the images worth labeling next: those the model is unsure of, different from each other.

As https://arxiv.org/abs/1901.05954 does, it takes the most uncertain images first, some times as
many as are wanted. Of these it chooses by the greedy algorithm for k centers on their features
(https://arxiv.org/abs/1708.00489, algorithm 1), each distance times the uncertainty of the image:
no image is chosen beside one that is like it. docs/how_to/label_next.md compares it.
"""

import concurrent.futures
import itertools
import os
import pathlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from kerastl import native_messages
from kerastl.data.content import hash_content
from kerastl.data.duplicates import find_duplicates, find_near_duplicates
from kerastl.data.inspection import Inspection, inspect_content
from kerastl.outputs.artifact import CORES, Artifact
from kerastl.outputs.opening import open_artifact
from kerastl.progress import Progress, count_of
from kerastl.serving.image_paths import check_names, find_images
from kerastl.serving.in_memory import InMemory
from kerastl.serving.options import MOST_SUGGESTIONS, SuggestOptions
from kerastl.serving.predictor import Answer, compute_answers
from kerastl.serving.read_ahead import ReadFile, read_batches
from kerastl.serving.run_images import find_run_images, read_run_images
from kerastl.serving.suggestions import Suggestion, Suggestions
from kerastl.training.whitening import of_length_1

# Uncertain images to choose from, for each that is wanted.
CANDIDATES = 10
# Digits of the uncertainty, so that rounding changes no order.
_DIGITS = 6
_Problem = tuple[pathlib.Path, str]


class _Photo(NamedTuple):
    """What is kept of an image: its path, the label of its guess, and how sure that is."""

    path: str
    label: int
    confidence: float
    uncertainty: float


class _Candidates(NamedTuple):
    """Uncertain images that all look different, the most uncertain first.

    Attributes:
        photos: The images.
        features: Of length 1, float32 (images, channels).
        num_duplicates: Images left out, as they look like one of these.
        problems: Files that cannot be used.
    """

    photos: list[_Photo]
    features: np.ndarray
    num_duplicates: int
    problems: list[_Problem]


class _New:
    """Tells images that have no label yet from those of the model's run, by their content."""

    def __init__(self, labeled: Collection[str]) -> None:
        self._labeled = labeled
        self.num_labeled = 0

    def __call__(self, file: ReadFile) -> bool:
        _, content = file
        if isinstance(content, str) or hash_content(content).hex() not in self._labeled:
            return True
        self.num_labeled += 1
        return False


@native_messages.sieving()
def suggest(
    model: pathlib.Path,
    images: Iterable[str | InMemory],
    options: SuggestOptions,
    progress: Progress,
) -> Suggestions:
    """Suggests images; see `kerastl.suggest`.

    Of each image a few hundred bytes are kept. Features are computed again for those that may be
    chosen, so that memory does not hold those of all.

    Raises:
        UsageError: If `images` are none.
        KerastlError: If the model cannot be opened.
    """
    images = [*images]
    check_names(images, image_column=options.image_column)
    artifact = open_artifact(model)
    files = find_images(images, image_column=options.image_column)
    new = _New(read_run_images(find_run_images(artifact)) or {})
    answers = compute_answers(artifact, _whole_batches(files, options.batch_size, new))
    photos, problems = _look_at_all(answers, progress)
    num_files = len(photos) + len(problems) + new.num_labeled
    in_memory = {str(one.path): one for one in images if isinstance(one, InMemory)}
    found = _find_candidates(artifact, photos, in_memory, options)
    weights = np.array([photo.uncertainty for photo in found.photos])
    places = choose_different(found.features, weights, options.count)
    names = artifact.class_names
    return Suggestions(
        tuple(
            Suggestion(pathlib.Path(path), names[label], confidence, uncertainty)
            for path, label, confidence, uncertainty in map(found.photos.__getitem__, places)
        ),
        num_files,
        new.num_labeled,
        found.num_duplicates,
        tuple(problems + found.problems),
    )


def choose_different(features: np.ndarray, weights: np.ndarray, count: int) -> list[int]:
    """Chooses images one by one: the farthest from those chosen, times its weight.

    Args:
        features: Float32 (images, channels).
        weights: Float64 (images,), at least 0; the first image is one of the highest.
        count: Images to choose, or all of fewer.

    Returns:
        Their positions, in the order in which they were chosen.
    """
    chosen: list[int] = []
    distances = np.ones(len(features))
    is_left = np.ones(len(features), bool)
    for _ in range(min(count, len(features))):
        chosen.append(int(np.argmax(np.where(is_left, weights * distances, -1))))
        is_left[chosen[-1]] = False
        gaps = np.linalg.norm(features - features[chosen[-1]], axis=1)
        distances = gaps if len(chosen) == 1 else np.minimum(distances, gaps)
    return chosen


def _look_at_all(
    answers: Iterable[Answer], progress: Progress
) -> tuple[list[_Photo], list[_Problem]]:
    """Returns the images, the most uncertain first, and the files that cannot be used."""
    photos: list[_Photo] = []
    problems: list[_Problem] = []
    for answer in answers:
        if answer.problem:
            problems.append((answer.path, answer.problem))
        else:
            photos.append(_describe(answer))
        progress.status(f"{count_of(len(photos) + len(problems), 'image')} looked at")
    photos.sort(key=lambda photo: (-photo.uncertainty, photo.path))
    return photos, problems


def _find_candidates(
    artifact: Artifact,
    photos: Sequence[_Photo],
    in_memory: Mapping[str, InMemory],
    options: SuggestOptions,
) -> _Candidates:
    """Reads the most uncertain images until there are enough that look different."""
    # `count` is MOST_SUGGESTIONS at most.
    wanted = min(len(photos), CANDIDATES * options.count, MOST_SUGGESTIONS)
    kept: list[_Photo] = []
    features: list[np.ndarray] = []
    looks: list[Inspection] = []
    problems: list[_Problem] = []
    num_read = 0
    while len(kept) < wanted and num_read < len(photos):
        part = photos[num_read : num_read + wanted - len(kept)]
        num_read += len(part)
        again = (in_memory.get(one.path, pathlib.Path(one.path)) for one in part)
        looked = _look(artifact, again, options.batch_size)
        for photo, (answer, look) in zip(part, looked, strict=True):
            if problem := answer.problem or look.problem:
                problems.append((answer.path, problem))
                continue
            kept.append(photo)
            features.append(answer.outputs["features"])
            looks.append(look)
        places = _first_of_each(looks)
        kept = [kept[place] for place in places]
        features = [features[place] for place in places]
        looks = [looks[place] for place in places]
    num_duplicates = num_read - len(kept) - len(problems)
    stacked = np.stack(features) if features else np.zeros((0, 1), np.float32)
    return _Candidates(kept, of_length_1(stacked), num_duplicates, problems)


def _look(
    artifact: Artifact, images: Iterable[pathlib.Path | InMemory], batch_size: int
) -> Iterator[tuple[Answer, Inspection]]:
    """Reads images again; yields what the model gives for each, and how it looks."""
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        for batch in _whole_batches(images, batch_size):
            # Of a file that cannot be read any more, the content is the reason.
            contents = [one if isinstance(one, bytes) else b"" for _, one in batch]
            yield from zip(
                compute_answers(artifact, [batch]), pool.map(inspect_content, contents), strict=True
            )


def _first_of_each(looks: Sequence[Inspection]) -> list[int]:
    """Returns the positions of images, without those that look like an earlier one."""
    groups = (*find_duplicates(looks), *find_near_duplicates(looks))
    left_out = {place for group in groups for place in sorted(group)[1:]}
    return [place for place in range(len(looks)) if place not in left_out]


def _whole_batches(
    paths: Iterable[pathlib.Path | InMemory],
    size: int,
    is_wanted: Callable[[ReadFile], bool] | None = None,
) -> Iterator[list[ReadFile]]:
    """Reads files in batches that do not depend on how fast they come: a model rounds by batch."""
    every = itertools.chain.from_iterable(read_batches(paths, size))
    files = filter(is_wanted, every) if is_wanted else every
    while batch := list(itertools.islice(files, size)):
        yield batch


def _describe(answer: Answer) -> _Photo:
    probabilities = answer.outputs["probabilities"]
    second, first = np.sort(probabilities)[-2:].tolist()
    uncertainty = round(1 - (first - second), _DIGITS)
    return _Photo(os.fspath(answer.path), int(np.argmax(probabilities)), first, uncertainty)
