"""A `Source` from labelled image files in folders or named by a table."""

import numpy as np

from kerastl.config import Config
from kerastl.data.facts import digest_files
from kerastl.data.files import list_folder, list_table
from kerastl.data.sources import Source, number_groups, read_file
from kerastl.progress import Progress


def read_files(config: Config, progress: Progress) -> Source:
    """Lists the files of `config.dataset` and hashes each.

    Raises:
        UsageError: If the folder or table cannot be read as one.
    """
    kind, _, place = config.dataset.partition(":")
    if kind == "folder":
        listing = list_folder(place)
    else:
        names = ("image", "label", "split", "group")
        columns = {name: getattr(config, f"{name}_column") for name in names}
        listing = list_table(place, columns=columns)
    paths = [file.path for file in listing.files]
    labels = {class_name: label for label, class_name in enumerate(listing.class_names)}
    return Source(
        name=config.dataset,
        class_names=listing.class_names,
        examples=[file.example for file in listing.files],
        labels=np.array([labels[file.class_name] for file in listing.files], np.int64),
        digests=digest_files(paths, memory=config.memory_path, progress=progress),
        given_splits=np.array([file.split for file in listing.files]),
        load=lambda index: read_file(paths[index]),
        groups=number_groups(file.group for file in listing.files),
        ignored=listing.ignored,
        has_files=True,
        findings=listing.findings,
    )
