"""Tries the promises on pictures that come with scikit-learn and weights that come with kerastl."""

import collections
import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kerastl.checkup.diagnosis import Finding, promise
from kerastl.comparison.files import compare_files
from kerastl.config import Config
from kerastl.data.builtin import read_digits
from kerastl.data.splits_file import read_earlier
from kerastl.errors import KerastlError
from kerastl.extras import install_command
from kerastl.outputs.directories import RunFile, read_json
from kerastl.outputs.receipt import describe_machine
from kerastl.result import Result

# Digits to train on and to evaluate, and how many of them have a copy under another name.
_IMAGES, _COPIES = 140, 20


def look_at_machine() -> Iterator[Finding]:
    """Names what TensorFlow computes on, and the versions of packages."""
    machine = describe_machine()
    devices = ", ".join(machine["device"])
    if drivers := machine["drivers"]:
        text = f"{devices}, {', '.join(f'{name} {drivers[name]}' for name in drivers)}"
    else:
        text = f"{devices}, no GPU; for one, {install_command('gpu')} gives CUDA's libraries"
    yield Finding("device", text, is_well=True)
    words = [f"{name} {version}" for name, version in machine["versions"].items()]
    yield Finding("versions", ", ".join(words), is_well=True)


def try_promises(
    folder: pathlib.Path, *, run: Callable[[Config], Result], export: Callable[..., Any]
) -> Iterator[Finding]:
    """Trains, exports, and trains again below an empty folder; needs no network."""
    pictures, run_dir = folder / "pictures", folder / "run"
    _write_pictures(pictures)
    config = Config(
        dataset=f"folder:{pictures}",
        run_dir=str(run_dir),
        cache_dir=str(folder / "cache"),
        weights="bundled",
        batch_size=20,
        head_epochs=3,
        finetune_epochs=1,
        unfreeze_from="block_16",
    )
    # Without what the first has stored.
    again = dataclasses.replace(
        config, run_dir=str(folder / "again"), cache_dir=str(folder / "other_cache")
    )
    yield promise(
        "frozen weights stay as they are",
        lambda: _describe_checks(run(config).run_dir),
    )
    yield promise(
        "exports predict as the trained model does",
        lambda: _describe_parity(export(run_dir, export_dir=str(folder / "exports")).formats),
    )
    yield promise("splits share no picture", lambda: _find_copies(pictures, run_dir))
    yield promise(
        "a run repeats bit for bit",
        lambda: _describe_same(run_dir, run(again).run_dir),
    )


def _write_pictures(folder: pathlib.Path) -> None:
    digits = read_digits()
    for number in range(_IMAGES + _COPIES):
        index = number % _IMAGES
        place = folder / digits.class_names[digits.labels[index]] / f"{number}.bmp"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(digits.read(index))


def _describe_checks(run_dir: pathlib.Path) -> str:
    checks = [check["text"] for check in read_json(run_dir, RunFile.RECEIPT)["checks"]]
    return "; ".join(text for text in checks if "frozen weights bit-identical" in text)


def _describe_parity(formats: Mapping[str, Any]) -> str:
    found = formats["savedmodel"]
    return (
        f"opened in a fresh process, they differ by {found['largest_difference']:.1e} of "
        f"probability at most, on {found['num_images']} pictures"
    )


def _find_copies(pictures: pathlib.Path, run_dir: pathlib.Path) -> str:
    splits = collections.defaultdict(set)
    for example, split in read_earlier(str(run_dir / RunFile.SPLITS)).items():
        splits[(pictures / example).read_bytes()].add(split)
    divided = sum(len(found) > 1 for found in splits.values())
    if divided:
        raise KerastlError(f"{divided} pictures are in several splits. Report it: this is a bug.")
    return f"{_COPIES} copies are where their originals are"


def _describe_same(first: pathlib.Path, again: pathlib.Path) -> str:
    files = list(compare_files(first, again))
    for each in files:
        if each.difference:
            raise KerastlError(f"{each.name} {each}. Report it with the versions above.")
    return f"all {len(files)} files are identical"
