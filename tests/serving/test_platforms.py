import json
import re
import subprocess

import pytest

from command_line import REPOSITORY, run_python
from kerastl.commands.table import run_command
from kerastl.errors import UsageError
from kerastl.serving import platforms
from kerastl.serving.platforms import Platform, read_platform
from serving_client import instances

JSON = {"Content-Type": "application/json"}


def test_routes_of_sagemaker_are_there_for_files_and_for_json(client, files):
    assert client.get("/ping").status == client.ask("HEAD", "/ping").status == 200
    for kind in ("image/png", "application/x-image", "application/octet-stream"):
        answer = client.post("/invocations", files[2], {"Content-Type": kind})
        assert answer.json["predictions"][0]["class_name"] == "red"
    for headers in (JSON, {}):
        answer = client.post("/invocations", json.dumps(instances(files[1])), headers)
        assert answer.json["predictions"][0]["class_name"] == "green"
    wrong = client.post("/invocations", b"{}", JSON)
    assert wrong.status == 400
    assert "Missing 'inputs' or 'instances' key, as in {" in wrong.json["error"]


@pytest.mark.parametrize("path", ["/invocations", "/predict"])
@pytest.mark.parametrize("kind", ["text/csv", "text/plain", "image/png", "application/xml", ""])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is text"),
        (b"1,2.5,-3\n4,5,6\n", "is rows of numbers"),
        (b"hello world", "is text"),
        (b"\0\1\2\3" * 9, "is not an image"),
    ],
)
def test_what_is_no_image_is_answered_with_the_right_form(client, path, kind, body, reason):
    answer = client.post(path, body, {"Content-Type": kind} if kind else {})
    assert answer.status == 400
    assert reason in answer.json["error"]
    assert "Send the file itself, as curl --data-binary @FILE" in answer.json["error"]
    assert "JSON goes to /v1/models/colors:predict." in answer.json["error"]


@pytest.mark.parametrize(
    ("path", "right_form"),
    [
        ("/v1/models/colors:predict", 'Send JSON, as in {"instances": [{"b64": '),
        ("/v2/models/colors/infer", "Send an object with one of these inputs: image_bytes ("),
        ("/invocations", 'Send JSON, as in {"instances": [{"b64": '),
    ],
)
@pytest.mark.parametrize("body", [b"", b"\n", b"1,2,3", b"hello"])
def test_what_is_no_json_is_answered_with_the_right_form(client, path, right_form, body):
    answer = client.post(path, body, JSON)
    assert answer.status == 400
    assert ("the body is empty" in answer.json["error"]) == (not body.strip())
    assert right_form in answer.json["error"] or "Send JSON; image files go" in answer.json["error"]


def test_damaged_image_is_answered_without_a_form(client, files):
    answer = client.post("/invocations", files[0][: len(files[0]) // 2], {})
    assert answer.status == 400
    assert "Send" not in answer.json["error"]


@pytest.mark.parametrize(
    ("health", "predict"),
    [
        ("/h", "/p"),
        # What Vertex AI chooses: one path for both.
        ("/v1/endpoints/1/deployedModels/2:predict", "/v1/endpoints/1/deployedModels/2:predict"),
        ("/healthz", "/predict"),
        ("/", "/v1/models/colors:predict"),
    ],
)
def test_routes_that_a_platform_chooses_answer_too(start, files, health, predict):
    client = start(platform=Platform(health_route=health, predict_route=predict))
    assert (client.get(health).status, client.get(health).body) == (200, b"ok\n")
    with_parameters = instances(files[0]) | {"parameters": {"top": 1}}
    answer = client.post(predict, json.dumps(with_parameters), JSON)
    assert answer.json["predictions"][0]["class_name"] == "blue"
    assert client.post(predict, files[1]).json["predictions"][0]["class_name"] == "green"
    assert client.predict(instances(files[2])).json["predictions"][0]["class_name"] == "red"
    assert client.get("/healthz").status == client.get("/health").status == 200


@pytest.mark.parametrize(
    ("variables", "port", "text"),
    [
        ({}, 8501, ""),
        ({"PORT": "8080"}, 8080, "From the environment: port 8080 (PORT)."),
        ({"PORT": ""}, 8501, ""),
        (
            {"PORT": "1", "SAGEMAKER_BIND_TO_PORT": "2", "AIP_HTTP_PORT": "3"},
            3,
            "From the environment: port 3 (AIP_HTTP_PORT).",
        ),
        ({"PORT": "1", "SAGEMAKER_BIND_TO_PORT": "2"}, 2, "port 2 (SAGEMAKER_BIND_TO_PORT)"),
        (
            {"AIP_HTTP_PORT": "8080", "AIP_HEALTH_ROUTE": "/h", "AIP_PREDICT_ROUTE": "/p"},
            8080,
            "From the environment: port 8080 (AIP_HTTP_PORT), health checks at /h "
            "(AIP_HEALTH_ROUTE), predictions at /p (AIP_PREDICT_ROUTE).",
        ),
    ],
)
def test_variables_are_read_and_told(variables, port, text):
    platform = read_platform(export="x", environ=variables)
    assert platform.port == port
    assert text in str(platform)
    assert bool(text) == bool(str(platform))


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("PORT", "tcp://10.0.0.1:80", "is not a port. Set one in 1..65535, or give --port."),
        ("PORT", "0", "is not a port"),
        ("AIP_HTTP_PORT", "65536", "is not a port"),
        ("AIP_HEALTH_ROUTE", "health", "is not the path of an address. Set one such as /predict."),
        ("AIP_PREDICT_ROUTE", "/{x}", "is not the path of an address"),
    ],
)
def test_wrong_variable_is_refused(variable, value, problem):
    with pytest.raises(UsageError) as caught:
        read_platform(export="x", environ={variable: value})
    assert str(caught.value).startswith(f"{variable}={value!r}: {problem}")


@pytest.fixture
def listened(monkeypatch, tmp_path):
    """What `kerastl serve` would listen on; no server starts."""
    (tmp_path / "model/1").mkdir(parents=True)
    (tmp_path / "model/1/saved_model.pb").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(platforms, "MODEL_FOLDERS", {str(tmp_path / "model"): "a folder"})
    found = []

    def note(host, port):
        found.append((host, port))
        raise UsageError("stop")

    monkeypatch.setattr("kerastl.api.serve.open_listeners", note)
    return found


@pytest.mark.parametrize(
    ("variables", "flags", "port"),
    [
        ({}, [], 8501),
        ({"PORT": "9000"}, [], 9000),
        ({"PORT": "9000"}, ["--port=8501"], 8501),
        ({"PORT": "nonsense"}, ["--port=0"], 0),
    ],
)
def test_flag_wins_over_variables(monkeypatch, listened, capsys, variables, flags, port):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    run_command("serve", ["model", *flags])
    assert listened == [("localhost", port)]


def test_model_is_found_where_the_platform_puts_it(monkeypatch, listened, capsys, tmp_path):
    assert run_command("serve", []) == 2
    assert listened == [("localhost", 8501)]
    assert str(read_platform(environ={"PORT": "9000"})) == (
        f"From the environment: port 9000 (PORT), the export in {tmp_path / 'model'} (a folder)."
    )
    local = read_platform(environ={"AIP_STORAGE_URI": "model"})
    assert (local.export, local.export_from) == ("model", "AIP_STORAGE_URI")
    assert read_platform(export="mine", environ={"AIP_STORAGE_URI": "gs://x"}).export == "mine"
    monkeypatch.setenv("AIP_STORAGE_URI", "gs://bucket/model")
    assert run_command("serve", []) == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[1]
        .startswith(
            "error: AIP_STORAGE_URI='gs://bucket/model': is an address, which is not fetched. Copy"
        )
    )
    assert len(listened) == 1


def test_docs_name_every_variable_and_route():
    page = (REPOSITORY / "docs/how_to/serving.md").read_text("utf-8")
    routes = (
        *platforms.MODEL_FOLDERS,
        "/ping",
        "/invocations",
        "/v2/models/",
        "--host=0.0.0.0",
    )
    for name in (*platforms.PORT_VARIABLES, *routes, "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE"):
        assert name in page


@pytest.mark.thorough
def test_container_checks_the_port_that_its_server_has(client):
    text = (REPOSITORY / "Dockerfile").read_text("utf-8").replace("\\\n", "")
    check = json.loads(re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", text, re.MULTILINE)[1])
    port = client.address.rpartition(":")[2]
    for variables, code in (
        ({"PORT": port, "AIP_STORAGE_URI": "gs://bucket/model", "http_proxy": "http://x:9"}, 0),
        ({"PORT": "1"}, 1),
    ):
        done = run_python(*check[1:], PYTHONPATH=str(REPOSITORY), **variables)
        assert done.code == code
        assert not {"tensorflow", "numpy"} & done.imported


def test_container_is_started_with_the_word_of_sagemaker_and_with_flags():
    text = (REPOSITORY / "Dockerfile").read_text("utf-8")
    entry = json.loads(re.search(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)[1])
    for arguments, flags in (
        ([], []),
        (["serve"], []),
        (["/models/a b", "--name=x"], ["/models/a b", "--name=x"]),
    ):
        script = entry[2].replace("exec kerastl", "printf '%s\\n'")
        done = subprocess.run(
            [*entry[:2], script, *entry[3:], *arguments], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines() == ["serve", "--host=0.0.0.0", *flags]
