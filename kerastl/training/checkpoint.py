"""What a training goes on from, as a file of NumPy's.

`state` in it is the text of a JSON object, as bytes; `GROUP.NNNNN` are the arrays of a list, in
order. https://numpy.org/doc/stable/reference/generated/numpy.savez.html
"""

import dataclasses
import io
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kerastl.checked_files import Versions
from kerastl.progress import Progress

_STATE = "state"


@dataclasses.dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a training goes on from.

    Attributes:
        state: What is not an array, as JSON has it.
        arrays: Lists of arrays by name.
    """

    state: Mapping[str, Any]
    arrays: Mapping[str, Sequence[np.ndarray]] = dataclasses.field(default_factory=dict)

    def get(self, group: str) -> Sequence[np.ndarray]:
        """Returns a list of arrays, empty if there is none of this name."""
        return self.arrays.get(group, ())

    def to_bytes(self) -> bytes:
        """Returns the content of the file."""
        text = json.dumps(self.state).encode()
        values: dict[str, Any] = {
            f"{group}.{place:05}": value
            for group, arrays in self.arrays.items()
            for place, value in enumerate(arrays)
        }
        file = io.BytesIO()
        values[_STATE] = np.frombuffer(text, np.uint8)
        np.savez(file, **values)
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Checkpoint":
        """Reads back what `to_bytes` has written."""
        groups: dict[str, list[np.ndarray]] = {}
        with np.load(io.BytesIO(content)) as values:
            state = json.loads(values[_STATE].tobytes())
            for name in sorted(values.files):
                if name != _STATE:
                    groups.setdefault(name.rpartition(".")[0], []).append(values[name])
        return cls(state, groups)


def copy_values(variables: Iterable[Any]) -> list[np.ndarray]:
    """Copies the values of variables, TensorFlow's or Keras's."""
    # What TensorFlow gives may be the memory of the variable itself.
    return [np.array(tf.convert_to_tensor(variable).numpy()) for variable in variables]


def read_checkpoint(versions: Versions, progress: Progress) -> Checkpoint | None:
    """Reads the newest checkpoint that is whole; None if there is none.

    `progress` gets a line about each that is damaged.

    Raises:
        KerastlError: If one cannot be read.
    """
    damaged = False
    for path, content in versions.read():
        if content is not None:
            if damaged:
                progress.line(f"The one before, {_short(path)}, is used.")
            return Checkpoint.from_bytes(content)
        damaged = True
        progress.line(f"Checkpoint {_short(path)} is damaged: it fails its checksum.")
    return None


def _short(path: pathlib.Path) -> str:
    return f"{path.name[:15]}..."
