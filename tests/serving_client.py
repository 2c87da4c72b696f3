"""A client of the server, and what else its tests share."""

import base64
import dataclasses
import http.client
import json
import threading
import time
import types
import urllib.parse


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    def __init__(self, serving):
        self.serving = serving
        self.url = serving.url
        self.address = urllib.parse.urlsplit(serving.url).netloc

    def connect(self):
        return http.client.HTTPConnection(self.address, timeout=20)

    def ask(self, method, path, body=None, headers=None):
        connection = self.connect()
        try:
            connection.request(method, path, body, headers or {})
            return read(connection)
        finally:
            connection.close()

    def get(self, path):
        return self.ask("GET", path)

    def post(self, path, body=b"", headers=None):
        return self.ask("POST", path, body, headers)

    def predict(self, document, name="colors"):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.post(f"/v1/models/{name}:predict", body)


def read(connection):
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def b64(content):
    return {"b64": base64.b64encode(content).decode()}


def instances(*contents):
    return {"instances": [{"image_bytes": b64(content)} for content in contents]}


def multipart(*contents):
    boundary = "a-boundary"
    head = b'--%s\r\nContent-Disposition: form-data; name="image"; filename="%d.png"\r\n\r\n'
    parts = [
        head % (boundary.encode(), number) + content + b"\r\n"
        for number, content in enumerate(contents)
    ]
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def metric(client, name, **labels):
    """Reads one number of /metrics."""
    wanted = ",".join(f'{key}="{value}"' for key, value in labels.items())
    start = f"{name}{{{wanted}}} " if labels else f"{name} "
    lines = client.get("/metrics").body.decode().splitlines()
    return next((float(line.removeprefix(start)) for line in lines if line.startswith(start)), 0)


def address_client(url):
    """A client of a server of which only the address is known."""
    return Client(types.SimpleNamespace(url=url))


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def model_of(signature):
    """A model with a single signature."""
    return types.SimpleNamespace(signatures={"only": signature})


class Blocker:
    """Keeps the worker of a batcher busy until it is released."""

    def __init__(self):
        self.release = threading.Event()
        self._started = threading.Event()

    def block(self, batcher):
        batcher.submit(model_of(self._compute), "only", [b""])
        assert self._started.wait(10)

    def _compute(self, values):
        self._started.set()
        assert self.release.wait(20)
        return {"value": values}
