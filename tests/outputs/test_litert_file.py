"""Metadata of LiteRT files, on a small file that no converter made."""

import flatbuffers
import numpy as np
import pytest

from litert_reading import read_metadata

litert_file = pytest.importorskip("kerastl.outputs.litert_file")
interpreter = pytest.importorskip("ai_edge_litert.interpreter")
schema = pytest.importorskip("ai_edge_litert.schema_py_generated")


def tensor(name, *, buffer=0, values=()):
    made = schema.TensorT()
    made.name, made.shape, made.buffer = name, [1, 4], buffer
    made.type = schema.TensorType.FLOAT32
    return made


def operator(code, inputs, outputs, options_type, options):
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code, inputs, outputs
    made.builtinOptionsType, made.builtinOptions = options_type, options
    return made


@pytest.fixture
def model_path(tmp_path):
    """A model that adds constants to four numbers, and computes softmax."""
    model = schema.ModelT()
    model.version, model.description = 3, "made for a test"
    model.buffers = [schema.BufferT() for _ in range(3)]
    model.buffers[1].data = np.array([0.5, 1.5, -2.0, 1.0], np.float32).view(np.uint8)
    model.buffers[2].data = np.frombuffer(b"1.5.0\0\0\0", np.uint8)
    codes = [(schema.BuiltinOperator.ADD, 2), (schema.BuiltinOperator.SOFTMAX, 1)]
    model.operatorCodes = [schema.OperatorCodeT() for _ in codes]
    for made, (code, version) in zip(model.operatorCodes, codes, strict=True):
        made.builtinCode = made.deprecatedBuiltinCode = code
        made.version = version
    graph = schema.SubGraphT()
    graph.tensors = [tensor("in"), tensor("bias", buffer=1), tensor("sum"), tensor("out")]
    graph.inputs, graph.outputs = [0], [3]
    softmax = schema.SoftmaxOptionsT()
    softmax.beta = 1.0
    graph.operators = [
        operator(0, [0, 1], [2], schema.BuiltinOptions.AddOptions, schema.AddOptionsT()),
        operator(1, [2], [3], schema.BuiltinOptions.SoftmaxOptions, softmax),
    ]
    model.subgraphs = [graph]
    entry = schema.MetadataT()
    entry.name, entry.buffer = "min_runtime_version", 2
    model.metadata = [entry]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path = tmp_path / "model.tflite"
    path.write_bytes(bytes(builder.Output()))
    return path


def classify(path):
    model = interpreter.Interpreter(str(path))
    model.allocate_tensors()
    model.set_tensor(0, np.array([[1, 2, 3, 4]], np.float32))
    model.invoke()
    return model.get_tensor(3)


def test_labels_and_normalization_are_where_phones_look(model_path):
    before, content = classify(model_path), model_path.read_bytes()
    needs = litert_file.read_needs(model_path)
    litert_file.add_metadata(model_path, "červená\nblue, light\nx\ny\n")
    found = read_metadata(model_path)
    assert found.labels == ["červená", "blue, light", "x", "y"]
    assert (found.mean, found.deviation, found.highest) == ([0.0], [1.0], [255.0, 1.0])
    assert found.entries == {"min_runtime_version", "TFLITE_METADATA"}
    # The model computes the same from the same bytes, which begin where weights may begin.
    np.testing.assert_array_equal(classify(model_path), before)
    assert model_path.read_bytes().index(content) % 16 == 0
    assert litert_file.read_needs(model_path) == needs


def test_needs_are_those_of_the_file(model_path):
    assert litert_file.read_needs(model_path) == litert_file.LitertNeeds(
        "1.5.0", {"ADD": 2, "SOFTMAX": 1}, takes_floats=True
    )
    assert litert_file.list_outputs(model_path.read_bytes(), "ADD") == ["sum", "out"]


def test_same_model_gives_the_same_file(model_path):
    content = model_path.read_bytes()
    litert_file.add_metadata(model_path, "a\n")
    once = model_path.read_bytes()
    model_path.write_bytes(content)
    litert_file.add_metadata(model_path, "a\n")
    assert model_path.read_bytes() == once
