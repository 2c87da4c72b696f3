"""The OpenAPI file against the routes of the server and what it answers."""

import json

import pytest

from command_line import REPOSITORY
from kerastl.serving.app import build_app
from kerastl.serving.platforms import ANYWHERE
from kerastl.version import VERSION
from serving_client import b64, instances, multipart

FILE = REPOSITORY / "kerastl/serving/openapi.json"
DOCUMENT = json.loads(FILE.read_text("utf-8"))
TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}


def resolve(node):
    """Follows references."""
    while "$ref" in node:
        others = {key: value for key, value in node.items() if key != "$ref"}
        target = DOCUMENT
        for key in node["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        node = target | others
    return node


def check(value, schema, place="answer"):
    """Compares a value with as much of JSON Schema as the file uses."""
    schema = resolve(schema)
    if "type" in schema:
        assert isinstance(value, TYPES[schema["type"]]), place
    assert set(schema.get("required", ())) <= set(value if isinstance(value, dict) else ()), place
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            check(value[name], inner, f"{place}.{name}")
    for number, item in enumerate(value if "items" in schema else ()):
        check(item, schema["items"], f"{place}[{number}]")


def check_answer(answer, path, method, status=200):
    operation = DOCUMENT["paths"][path][method]
    content = resolve(operation["responses"][str(status)])["content"]
    assert answer.status == status
    media_type = answer.headers["content-type"].partition(";")[0]
    assert media_type in content
    if schema := content[media_type].get("schema"):
        check(answer.json, schema)


def test_file_has_the_routes_of_the_server():
    app = build_app(None, None, ANYWHERE)
    routes = {
        (route.path.replace(":int", ""), method.lower())
        for route in app.routes
        for method in route.methods - {"HEAD"}
    }
    described = {
        (path, method)
        for path, item in DOCUMENT["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    assert described == routes


def test_each_path_declares_its_parameters():
    for path, item in DOCUMENT["paths"].items():
        declared = [resolve(parameter)["name"] for parameter in item.get("parameters", ())]
        assert [f"{{{name}}}" in path for name in ("name", "version")] == [
            name in declared for name in ("name", "version")
        ]


def test_version_is_that_of_kerastl():
    assert DOCUMENT["info"]["version"] == VERSION


def test_server_gives_the_file(client):
    answer = client.get("/openapi.json")
    assert answer.body == FILE.read_bytes()
    assert answer.headers["content-type"] == "application/json"


GETS = [path for path, item in DOCUMENT["paths"].items() if "get" in item]


@pytest.mark.parametrize("path", GETS)
def test_answers_are_as_described(client, path):
    check_answer(client.get(path.format(name="colors", version=1)), path, "get")
    if "{name}" in path:
        check_answer(client.get(path.format(name="other", version=1)), path, "get", 404)


def test_predictions_are_as_described(client, files):
    infer = {
        "inputs": [
            {
                "name": "image_bytes",
                "shape": [1],
                "datatype": "BYTES",
                "data": [b64(files[0])["b64"]],
            }
        ]
    }
    form, headers = multipart(*files)
    check_answer(client.post("/predict", form, headers), "/predict", "post")
    check_answer(client.post("/predict", files[0]), "/predict", "post")
    check_answer(client.post("/predict", b"no image"), "/predict", "post", 400)
    for path, document in (
        ("/v1/models/{name}:predict", instances(*files)),
        ("/v1/models/{name}/versions/{version}:predict", instances(*files)),
        ("/v2/models/{name}/infer", infer),
        ("/v2/models/{name}/versions/{version}/infer", infer),
    ):
        body = json.dumps(document)
        where = path.format(name="colors", version=1)
        check_answer(client.post(where, body), path, "post")
        check_answer(client.post(where, b"{}"), path, "post", 400)
        check_answer(client.post(where.replace("colors", "other"), body), path, "post", 404)
    binary = infer | {"parameters": {"binary_data_output": True}}
    path = "/v2/models/{name}/infer"
    check_answer(client.post(path.format(name="colors"), json.dumps(binary)), path, "post")
    invocations = client.post("/invocations", json.dumps(instances(*files)))
    assert invocations.json.keys() == {"predictions"}
