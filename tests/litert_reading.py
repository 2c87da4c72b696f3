"""Reads the metadata of a LiteRT file as its schema says, without what wrote it."""

import zipfile
from types import SimpleNamespace

import flatbuffers
import numpy as np
from flatbuffers import number_types
from flatbuffers.table import Table


class Node:
    """A table of a flatbuffer, whose fields are read by their number in the schema."""

    def __init__(self, content, place):
        self._table = Table(content, place)

    def _place(self, slot):
        offset = self._table.Offset(4 + 2 * slot)
        assert offset, f"field {slot} is not there"
        return offset

    def number(self, slot, flags=number_types.Uint8Flags):
        return self._table.Get(flags, self._table.Pos + self._place(slot))

    def text(self, slot):
        return self._table.String(self._table.Pos + self._place(slot)).decode()

    def child(self, slot):
        return Node(self._table.Bytes, self._table.Indirect(self._table.Pos + self._place(slot)))

    def children(self, slot):
        start, count = (
            find(self._place(slot)) for find in (self._table.Vector, self._table.VectorLen)
        )
        places = (self._table.Indirect(start + 4 * index) for index in range(count))
        return [Node(self._table.Bytes, place) for place in places]

    def array(self, slot, flags=number_types.Float32Flags):
        return self._table.GetVectorAsNumpy(flags, self._place(slot))


def read_metadata(path):
    """Reads labels and normalization where MediaPipe and the task library look for them."""
    content = path.read_bytes()
    assert flatbuffers.util.BufferHasIdentifier(content, 0, b"TFL3")
    model = Node(content, int.from_bytes(content[:4], "little"))
    numbers = {
        entry.text(0): entry.number(1, number_types.Uint32Flags) for entry in model.children(6)
    }
    raw = model.children(4)[numbers["TFLITE_METADATA"]].array(0, number_types.Uint8Flags).tobytes()
    assert flatbuffers.util.BufferHasIdentifier(raw, 0, b"M001")
    (graph,) = Node(raw, int.from_bytes(raw[:4], "little")).children(3)
    (image,), (output,) = graph.children(2), graph.children(3)
    (unit,) = image.children(4)
    (labels,) = output.children(6)
    # A union of this type is of images, of normalization; a file of labels; a color of RGB.
    assert (image.child(3).number(0), unit.number(0), labels.number(2)) == (2, 1, 2)
    assert image.child(3).child(1).number(0) == 1
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo(labels.text(0))
        assert info.compress_type == zipfile.ZIP_STORED
        lines = archive.read(info).decode().splitlines()
    return SimpleNamespace(
        entries=set(numbers),
        mean=unit.child(1).array(0).tolist(),
        deviation=unit.child(1).array(1).tolist(),
        highest=np.concatenate([image.child(5).array(0), output.child(5).array(0)]).tolist(),
        labels=lines,
    )
