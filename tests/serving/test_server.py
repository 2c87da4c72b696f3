import io
import os
import re
import signal
import socket
import threading

import pytest

from kerastl.progress import Progress
from kerastl.serving.export_path import find_export
from kerastl.serving.listener import open_listeners
from kerastl.serving.options import Limits
from kerastl.serving.server import serve
from serving_client import address_client, wait_until


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_serving_with_what_was_done(color_run, files, number):
    output = io.StringIO()
    export = find_export(color_run.config.export_dir, "colors")
    before = signal.getsignal(number)

    def use():
        wait_until(lambda: "Serving" in output.getvalue())
        url = re.search(r"at (http://.*)\n", output.getvalue())[1]
        for content in files:
            assert address_client(url).post("/predict", content).status == 200
        os.kill(os.getpid(), number)

    user = threading.Thread(target=use)
    user.start()
    with open_listeners("127.0.0.1", 0) as listeners:
        served = serve(export, listeners, limits=Limits(), progress=Progress(output))
    user.join()
    assert output.getvalue() == (
        f"Serving colors, version 1, 3 classes, at {served.url}\n"
        "Stopping after the requests that were accepted.\n"
    )
    assert served.num_images == 3
    assert served.seconds > 0
    assert signal.getsignal(number) is before


def test_output_has_nothing_of_what_clients_do_wrong(start, caplog):
    client = start()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    assert client.ask("GET", "/healthz", None, upgrade).status == 200
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post("/predict", b"--x\nno form--x--", form).status == 400
    for body in (b"\x16\x03\x01\x02\0\x01", b"GET /healthz HTTP/1.1\r\n\r\n"):
        with socket.create_connection(client.address.split(":")) as connection:
            connection.sendall(body + b"\r\n\r\n")
            assert connection.recv(1 << 10).startswith(b"HTTP/1.1 400 ")
    assert not caplog.records
