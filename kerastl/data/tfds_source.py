"""Image classification sets of TensorFlow Datasets, read by position from their own files."""

import contextlib
import logging
import os
import pathlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from kerastl.data.content import hash_all
from kerastl.data.reading import plain, untuned
from kerastl.data.source import Source
from kerastl.data.split_words import SPLIT_WORDS
from kerastl.errors import KerastlError, bad_value, closest, first_line
from kerastl.progress import Progress
from kerastl.settings import DataSettings
from kerastl.split_names import TRAIN

# A TFRecord is a length of 8 bytes and its checksum of 4, the content, and a checksum of 4,
# https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
_BYTES_BEFORE_RECORD = 12
_BYTES_AFTER_RECORD = 4

# Records in memory while a file is read through.
_RECORDS_AT_ONCE = 256


def open_source(
    place: str, data: DataSettings, *, memory: pathlib.Path | None, progress: Progress
) -> Source:
    """Opens a data set, see `read_tfds`, as `kerastl.data_sources` describes."""
    del memory  # The files are read through in any case, to find where the images are.
    return read_tfds(place, data_dir=data.tfds_dir, progress=progress)


def read_tfds(name: str, *, data_dir: str, progress: Progress) -> Source:
    """Opens a prepared set, or downloads and prepares it first.

    Args:
        name: A name of TFDS, with `:VERSION` or `/CONFIG` where wanted.
        data_dir: Where TFDS keeps prepared sets; empty for its own default.
        progress: Where to report.

    Raises:
        UsageError: If TFDS knows no such set or version, or its examples are not one image
            and one label.
        KerastlError: If the set is not prepared and cannot be downloaded.
    """
    builder = _builder(name, data_dir)
    with _quiet_logs():
        is_prepared = builder.is_prepared()
    if not is_prepared:
        _download(builder, name, progress)
    image_key, label_key = _find_features(builder, name)
    files = _RecordFiles()
    examples: list[str] = []
    given_splits: list[str] = []
    for split, ours in _find_splits(builder, name, progress).items():
        for path in builder.info.splits[split].filepaths:
            files.add(pathlib.Path(path), image_key, label_key)
        num_new = len(files.labels) - len(examples)
        examples += [f"{split}[{index}]" for index in range(num_new)]
        given_splits += [ours] * num_new
    labels, given = np.array(files.labels, np.int64), np.array(given_splits)
    # TFDS gives -1 where the labels of a split are secret.
    secret = [split for split in np.unique(given).tolist() if (labels[given == split] == -1).all()]
    if secret:
        progress.line(f"{builder.info.full_name}: no labels, so not used: {', '.join(secret)}.")
    kept = np.flatnonzero(~np.isin(given, secret))
    return Source(
        name=f"tfds:{builder.info.full_name}",
        class_names=tuple(builder.info.features[label_key].names),
        examples=[examples[index] for index in kept],
        labels=labels[kept],
        hashes=files.hashes()[kept],
        given_splits=given[kept],
        load=lambda index: files.load(kept[index]),
    )


def _find_splits(builder: Any, name: str, progress: Progress) -> dict[str, str]:
    """Returns TFDS's name of each split that is used -> ours."""
    splits = {split: SPLIT_WORDS[split] for split in builder.info.splits if split in SPLIT_WORDS}
    left_out = sorted(set(builder.info.splits) - set(splits))
    if left_out:
        progress.line(f"{builder.info.full_name}: splits not used: {', '.join(left_out)}.")
    if TRAIN not in splits:
        raise bad_value("dataset", f"tfds:{name}", "has no split named train", "Choose another")
    return splits


class _RecordFiles:
    """Positions of the images in TFRecord files, so that they can be read in any order.

    Shuffling over the whole split needs that; a shuffle buffer of the whole split would
    hold every image in memory.
    """

    def __init__(self) -> None:
        self.labels: list[int] = []
        self._paths: list[pathlib.Path] = []
        self._file_numbers: list[int] = []
        self._offsets: list[int] = []
        self._lengths: list[int] = []
        self._hashes: list[np.ndarray] = []

    def add(self, path: pathlib.Path, image_key: str, label_key: str) -> None:
        """Reads through one file and notes the labels of its images and where they are."""
        features = {
            image_key: tf.io.FixedLenFeature([], tf.string),
            label_key: tf.io.FixedLenFeature([], tf.int64),
        }
        offset = 0
        records = tf.data.TFRecordDataset(str(path)).batch(_RECORDS_AT_ONCE)
        parsed = records.map(plain(lambda batch: (batch, tf.io.parse_example(batch, features))))
        try:
            for batch, values in untuned(parsed).as_numpy_iterator():
                images = values[image_key]
                for record, image in zip(batch, images, strict=True):
                    self._file_numbers.append(len(self._paths))
                    self._offsets.append(offset + _BYTES_BEFORE_RECORD + record.index(image))
                    self._lengths.append(len(image))
                    offset += _BYTES_BEFORE_RECORD + len(record) + _BYTES_AFTER_RECORD
                self.labels += values[label_key].tolist()
                self._hashes.append(hash_all(images))
        except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
            raise KerastlError(
                f"{path}: cannot be read to its end ({first_line(error)}). "
                "Remove the folder that holds it and let TFDS prepare the data again."
            ) from error
        self._paths.append(path)

    def hashes(self) -> np.ndarray:
        return np.concatenate(self._hashes)

    def load(self, index: int) -> bytes:
        # Opened for each image: large sets have more files than a process may hold open.
        with open(self._paths[self._file_numbers[index]], "rb", buffering=0) as file:
            return os.pread(file.fileno(), self._lengths[index], self._offsets[index])


def _builder(name: str, data_dir: str) -> Any:
    base = name.split("/", maxsplit=1)[0].split(":", maxsplit=1)[0]
    with _quiet_logs():
        try:
            return tfds.builder(name, data_dir=data_dir or None)
        except tfds.core.DatasetNotFoundError as error:
            near = closest(base, tfds.list_builders())
            advice = f"Did you mean 'tfds:{near[0]}'? " if near else ""
            raise bad_value(
                "dataset",
                f"tfds:{name}",
                "is not a data set of TFDS",
                f"{advice}All are listed at https://www.tensorflow.org/datasets/catalog/overview",
            ) from error
        # An unknown version, configuration or argument, a misspelled name, and a namespace whose
        # package is missing.
        except (AssertionError, ValueError, TypeError, ImportError) as error:
            raise bad_value(
                "dataset", f"tfds:{name}", _reason(error), "Choose one that exists"
            ) from error


def _find_features(builder: Any, name: str) -> tuple[str, str]:
    if builder.info.file_format.value != "tfrecord":
        raise bad_value(
            "dataset",
            f"tfds:{name}",
            f"is prepared as {builder.info.file_format.value}",
            "Prepare it as tfrecord, which is the default of TFDS",
        )
    # Sorted, since TFDS gives them in another order each time.
    features = dict(sorted(builder.info.features.items()))
    images = [key for key in features if isinstance(features[key], tfds.features.Image)]
    labels = [key for key in features if isinstance(features[key], tfds.features.ClassLabel)]
    supervised = builder.info.supervised_keys
    if supervised and supervised[0] in images and supervised[1] in labels:
        return supervised[0], supervised[1]
    if len(images) != 1 or len(labels) != 1:
        raise bad_value(
            "dataset",
            f"tfds:{name}",
            f"is not an image classification set (images: {', '.join(images) or 'none'}; "
            f"class labels: {', '.join(labels) or 'none'})",
            "Choose one whose examples are an image and a class label",
        )
    return images[0], labels[0]


def _download(builder: Any, name: str, progress: Progress) -> None:
    place = f"no prepared data for {builder.info.full_name} in {builder.data_dir}"
    advice = (
        "Give the folder that holds prepared data as --tfds_dir, or prepare it where there is a "
        f"network: tfds build {name.split(':', maxsplit=1)[0]}"
    )
    # TFDS itself tries for minutes before it gives up.
    if not _has_network(builder.info.homepage):
        raise KerastlError(
            f"dataset='tfds:{name}': {place}, and no network to download it. {advice}."
        )
    progress.line(f"Downloading {builder.info.full_name} to {builder.data_dir}.")
    try:
        with _quiet_logs():
            builder.download_and_prepare()
    # Hosts fail in many ways; the advice is the same, and the original reason is included.
    except Exception as error:
        raise KerastlError(
            f"dataset='tfds:{name}': {place}, and the download failed "
            f"({type(error).__name__}: {first_line(error)}). {advice}."
        ) from error


def _has_network(homepage: str) -> bool:
    if urllib.request.getproxies():
        return True  # The proxy finds the hosts; there is nothing to look up here.
    hosts = [urllib.parse.urlsplit(homepage).hostname, "storage.googleapis.com"]
    for host in filter(None, hosts):
        with contextlib.suppress(OSError):
            socket.getaddrinfo(host, 443)
            return True
    return False


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("absl", "urllib3")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _reason(error: BaseException) -> str:
    # TFDS puts 'Failed to construct dataset NAME, builder_kwargs "{...}": ' before the text of most
    # errors, and keeps the text alone nowhere.
    text = str(error).strip().splitlines()[0]
    return text.rsplit('}": ', 1)[-1].split(". ")[0].rstrip(".")[:200]
