"""LiteRT files beyond what a converter writes: labels and normalization, and what they need.

The task libraries for phones read class names and normalization from a file itself, as described in
https://ai.google.dev/edge/litert/conversion/tensorflow/metadata: a flatbuffer of its own in a
buffer of the model, and the list of classes in a ZIP archive behind it. Runtimes that only compute
see neither. The model is not packed anew: a new root is put before it, so that its weights stay
where and as they are.
"""

import dataclasses
import io
import pathlib
import types
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers.number_types import Uint32Flags
from flatbuffers.table import Table

LABELS = "labels.txt"
_METADATA, _MIN_RUNTIME_VERSION = "TFLITE_METADATA", b"min_runtime_version"
# Weights begin at multiples of this.
_ALIGNMENT = 16

# Fields of a model in their order, from
# https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs
_VERSION, _BUFFERS, _ENTRIES = 0, 4, 6
# More than there are; all but the version are places of something.
_MOST_FIELDS = 16
_NONE: Mapping[int, int] = types.MappingProxyType({})

# Fields of the tables of metadata in their order, as far as they are used; a union also has its
# type. From
# https://github.com/google-ai-edge/mediapipe/blob/master/mediapipe/tasks/metadata/metadata_schema.fbs
_MODEL = "name description version subgraphs author license files min_parser_version"
_TENSOR = "name description dimensions content process_units stats files"
_RGB, _IMAGE_PROPERTIES, _NORMALIZATION_OPTIONS, _AXIS_LABELS = 1, 2, 1, 2


@dataclasses.dataclass(frozen=True)
class LitertNeeds:
    """The runtime that a file names.

    Attributes:
        min_runtime_version: The oldest TensorFlow Lite; empty if not named.
        operator_versions: Name of an operation -> the highest version of it.
        takes_floats: Whether input and output are numbers of 32 bits.
        output_scale: What a step of the output is worth; 1 for floats.
        output_zero: The number that stands for 0.
    """

    min_runtime_version: str
    operator_versions: dict[str, int]
    takes_floats: bool
    output_scale: float = 1.0
    output_zero: int = 0


def read_needs(path: pathlib.Path) -> LitertNeeds:
    """Reads what a file needs."""
    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    entries = (model.Metadata(index) for index in range(model.MetadataLength()))
    versions = [
        model.Buffers(entry.Buffer()).DataAsNumpy().tobytes().rstrip(b"\0").decode()
        for entry in entries
        if entry.Name() == _MIN_RUNTIME_VERSION
    ]
    names = {code: name for name, code in vars(schema.BuiltinOperator).items()}
    operators: dict[str, int] = {}
    for index in range(model.OperatorCodesLength()):
        one = model.OperatorCodes(index)
        name = names[_code(one)]
        operators[name] = max(one.Version(), operators.get(name, 0))
    graph = model.Subgraphs(0)
    output = graph.Tensors(graph.Outputs(0))
    kinds = {graph.Tensors(graph.Inputs(0)).Type(), output.Type()}
    if kinds == {schema.TensorType.FLOAT32}:
        return LitertNeeds("".join(versions), operators, takes_floats=True)
    steps = output.Quantization()
    scale, zero = float(steps.Scale(0)), int(steps.ZeroPoint(0))
    return LitertNeeds("".join(versions), operators, False, scale, zero)


def list_outputs(content: bytes, since: str) -> list[str]:
    """Lists the names of what the last operation of a kind, and those after it, put out."""
    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    operators = [graph.Operators(index) for index in range(graph.OperatorsLength())]
    codes = [_code(model.OperatorCodes(one.OpcodeIndex())) for one in operators]
    last = max(np.flatnonzero(np.array(codes) == getattr(schema.BuiltinOperator, since)))
    return [
        graph.Tensors(output).Name().decode()
        for one in operators[last:]
        for output in one.OutputsAsNumpy()
    ]


def _code(operator: Any) -> int:
    # The older field holds codes up to 127.
    return int(max(operator.BuiltinCode(), operator.DeprecatedBuiltinCode()))


def add_metadata(path: pathlib.Path, labels: str) -> None:
    """Adds the classes, one a line in the order of the output, and that pixels stay as they are."""
    content = io.BytesIO(_add_entry(path.read_bytes(), _METADATA, _describe()))
    with zipfile.ZipFile(content, "a") as archive:
        # Stored, as the libraries read it from memory, and with the same date every time.
        archive.writestr(zipfile.ZipInfo(LABELS), labels)
    path.write_bytes(content.getvalue())


class _Table:
    """A table of a flatbuffer: strings, small whole numbers, tables, and lists of floats or tables.

    `fields` are the names of its fields in their order, up to the last that is used.
    """

    def __init__(self, fields: str, **values: Any) -> None:
        names = fields.split()
        self.values = {names.index(name): value for name, value in values.items()}


def _describe() -> bytes:
    # The network scales pixels itself.
    unchanged = _Table("mean deviation", mean=[0.0], deviation=[1.0])
    image = _Table(
        _TENSOR,
        name="images",
        description="RGB in 0..255",
        content=_Table(
            "type properties", type=_IMAGE_PROPERTIES, properties=_Table("color", color=_RGB)
        ),
        process_units=[_Table("type options", type=_NORMALIZATION_OPTIONS, options=unchanged)],
        stats=_Table("max min", max=[255.0], min=[0.0]),
    )
    probabilities = _Table(
        _TENSOR,
        name="probabilities",
        stats=_Table("max min", max=[1.0], min=[0.0]),
        files=[_Table("name description type", name=LABELS, type=_AXIS_LABELS)],
    )
    graph = _Table("name description inputs outputs", inputs=[image], outputs=[probabilities])
    model = _Table(_MODEL, name="image classifier", subgraphs=[graph], min_parser_version="1.0.0")
    builder = flatbuffers.Builder()
    builder.Finish(_write(builder, model), file_identifier=b"M001")
    return bytes(builder.Output())


def _write(builder: flatbuffers.Builder, value: Any) -> int:
    """Writes what a field may hold, and returns its place."""
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, list):
        if isinstance(value[0], float):
            return int(builder.CreateNumpyVector(np.array(value, np.float32)))
        return _write_list(builder, [_write(builder, item) for item in value])
    places = {
        slot: child if isinstance(child, int) else _write(builder, child)
        for slot, child in value.values.items()
    }
    builder.StartObject(1 + max(places))
    for slot, place in places.items():
        if isinstance(value.values[slot], int):
            builder.PrependInt8Slot(slot, place, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, place, 0)
    return int(builder.EndObject())


def _write_list(builder: flatbuffers.Builder, places: Sequence[int]) -> int:
    builder.StartVector(4, len(places), 4)
    # A flatbuffer is built from its end.
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())


def _add_entry(content: bytes, name: str, entry: bytes) -> bytes:
    """Adds an entry of metadata to a model, whose own bytes follow the new ones unchanged.

    Places in a flatbuffer are distances to what follows, so everything but the root and the two
    lists that grow stays valid.
    """
    builder = flatbuffers.Builder(len(content) + len(entry))
    builder.Prep(_ALIGNMENT, len(content))
    # A builder counts places from the end; the length of a vector comes before it.
    end = builder.CreateByteVector(content) - 4
    root = Table(content, int.from_bytes(content[:4], "little"))
    offsets = {slot: root.Offset(4 + 2 * slot) for slot in range(_MOST_FIELDS)}
    fields = {
        slot: end - root.Indirect(root.Pos + offset)
        for slot, offset in offsets.items()
        if offset and slot != _VERSION
    }
    lists = {
        slot: [
            end - root.Indirect(root.Vector(offsets[slot]) + 4 * index)
            for index in range(root.VectorLen(offsets[slot]))
        ]
        for slot in (_BUFFERS, _ENTRIES)
    }
    builder.Prep(_ALIGNMENT, len(entry))
    data = builder.CreateByteVector(entry)
    title = builder.CreateString(name)
    number = len(lists[_BUFFERS])
    lists[_BUFFERS].append(_write_fields(builder, {0: data}))
    lists[_ENTRIES].append(_write_fields(builder, {0: title}, {1: number}))
    fields |= {slot: _write_list(builder, places) for slot, places in lists.items()}
    version = root.Get(Uint32Flags, root.Pos + offsets[_VERSION])
    builder.Finish(_write_fields(builder, fields, {_VERSION: version}), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _write_fields(
    builder: flatbuffers.Builder,
    places: Mapping[int, int],
    numbers: Mapping[int, int] = _NONE,
) -> int:
    """Writes a table of what is at places, and of whole numbers of 32 bits."""
    builder.StartObject(1 + max([*places, *numbers]))
    for slot, place in places.items():
        builder.PrependUOffsetTRelativeSlot(slot, place, 0)
    for slot, number in numbers.items():
        builder.PrependUint32Slot(slot, number, 0)
    return int(builder.EndObject())
