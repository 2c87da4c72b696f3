import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.parse

import pytest

from command_line import REPOSITORY, run_python
from kerastl.commands.table import run_command
from kerastl.serving.options import Limits, ServeOptions
from kerastl.settings import describe
from serving_client import read

SERVING = (REPOSITORY / "docs/how_to/serving.md").read_text("utf-8")
CLIENTS = re.findall(
    r"<!-- tests/test_serve.py: clients -->\n```(\w+)\n(.*?)```", SERVING, re.DOTALL
)
SECONDS = 60


@pytest.fixture(scope="module")
def folder(color_run, tmp_path_factory):
    """What the commands of the docs find: the quickstart's export and an image."""
    folder = tmp_path_factory.mktemp("serve")
    shutil.copytree(color_run.config.export_dir, folder / "saved_models/quickstart")
    (folder / "digit.png").write_bytes(color_run.source.load(43))
    return folder


@contextlib.contextmanager
def start(folder, *flags):
    """Starts the command; yields the process and the URL that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kerastl.serve", "saved_models/quickstart", "--port=0", *flags],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Serving "):
                break
        match = re.fullmatch(
            r"Serving quickstart, version 1, 3 classes, at (http://[\d.]+:\d+)\n", lines[-1]
        )
        yield process, match[1]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def url(folder):
    with start(folder) as (_, url):
        yield url


def test_readme_has_the_clients_that_are_tried_here():
    assert [language for language, _ in CLIENTS] == ["sh", "python"]


@pytest.mark.thorough
@pytest.mark.parametrize(("language", "code"), CLIENTS, ids=[language for language, _ in CLIENTS])
def test_clients_of_the_readme_get_their_answers(folder, url, language, code):
    if language == "sh" and not shutil.which("curl"):
        pytest.skip("needs curl")
    command = {"sh": ["bash", "-ec"], "python": [sys.executable, "-c"]}[language]
    assert "http://localhost:8501" in code
    finished = subprocess.run(
        [*command, code.replace("http://localhost:8501", url)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=SECONDS,
    )
    if language == "python":
        assert re.fullmatch(r"red 0\.\d+\n", finished.stdout)
        return
    answers, text = [], finished.stdout.strip()
    while text:
        answer, end = json.JSONDecoder().raw_decode(text)
        answers.append([row["class_name"] for row in answer["predictions"]])
        text = text[end:].strip()
    assert answers == [["red"], ["red", "red"], ["red"]]


def connect(url):
    return http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=SECONDS)


@pytest.mark.thorough
def test_sigterm_ends_the_server_when_what_was_accepted_is_answered(folder):
    image = (folder / "digit.png").read_bytes()
    statuses, started = [], threading.Semaphore(0)

    def ask_repeatedly(url):
        """Sends requests over one connection until the server closes it."""
        with contextlib.closing(connect(url)) as connection:
            while True:
                connection.request("POST", "/predict", image)
                answer = read(connection)
                statuses.append(answer.status)
                started.release()
                if answer.headers.get("connection") == "close":
                    return

    with start(folder) as (process, url), contextlib.closing(connect(url)) as slow:
        threads = [threading.Thread(target=ask_repeatedly, args=(url,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        slow.putrequest("POST", "/predict")
        slow.putheader("Content-Length", str(len(image)))
        slow.endheaders(image[:100])
        for _ in range(50):
            assert started.acquire(timeout=SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "Stopping after the requests that were accepted.\n"
        for thread in threads:
            thread.join(SECONDS)
        # The port is free again while the last one is still sending.
        with pytest.raises(ConnectionRefusedError), contextlib.closing(connect(url)) as late:
            late.connect()
        slow.send(image[100:])
        assert read(slow).status == 200
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (0, "")
    assert re.fullmatch(rf"Stopped after {len(statuses) + 1} images in [\d.]+ s\.\n", out)
    assert set(statuses) == {200}
    assert len(statuses) >= 58


@pytest.mark.thorough
def test_command_needs_no_keras(folder):
    code = """
import sys
from kerastl import environment
from kerastl.progress import Progress
from kerastl.serving.export_path import find_export
from kerastl.serving.listener import open_listeners
from kerastl.serving.options import Limits
environment.prepare_tensorflow(Progress())
from kerastl.serving.server import running
with open_listeners("127.0.0.1", 0) as listeners:
    with running(find_export(sys.argv[1]), listeners, limits=Limits(), progress=Progress()):
        print({"keras", "tensorflow"} & set(sys.modules))
"""
    done = run_python("-c", code, str(folder / "saved_models/quickstart"))
    assert (done.code, done.stdout, done.stderr) == (0, "{'tensorflow'}\n", "")
    assert "keras" not in done.imported


def command(capsys, *arguments):
    code = run_command("serve", arguments)
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "export='': is missing. Give one, as in kerastl serve saved_models/first."),
        (("a", "b"), "export='a b': is 2 arguments, not one."),
        (("none",), "export='none': is not a directory. Give the directory of an"),
        (("saved_models",), "export='saved_models': contains no version with a saved_model"),
        (
            ("saved_models/quickstart", "--port=x"),
            "port='x': is not a whole number.",
        ),
        (
            ("saved_models/quickstart", "--port=65536"),
            "port=65536: must be at least 0 and at",
        ),
        (("saved_models/quickstart", "--max_batch_size=0"), "max_batch_size=0: must be at least 1"),
        (("saved_models/quickstart", "--queue_size=-1"), "queue_size=-1: must be at least 1"),
        (("saved_models/quickstart", "--name=a/b"), "name='a/b': cannot be part of a URL."),
        (
            ("saved_models/quickstart", "--host=nowhere.invalid"),
            "host='nowhere.invalid': is not an a",
        ),
        (("saved_models/quickstart", "--host=192.0.2.1"), "is not an address of this machine."),
        (("saved_models/quickstart", "--prot=1"), "--prot: is not a flag. Did you mean --port?"),
    ],
)
def test_wrong_flags_are_reported_in_one_line(folder, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(folder)
    code, out, err = command(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_port_in_use_is_reported_in_one_line(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = command(capsys, "saved_models/quickstart", f"--port={port}")
    assert (code, out) == (1, "")
    assert err == (
        f"error: port={port}: cannot be used (already in use). Choose another with --port; "
        "0 finds a free one.\n"
    )


def test_export_that_cannot_be_served_is_reported_in_one_line(tmp_path, capsys):
    (tmp_path / "broken/1").mkdir(parents=True)
    (tmp_path / "broken/1/saved_model.pb").write_text("nonsense")
    code, out, err = command(capsys, str(tmp_path / "broken"), "--port=0")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"error: .*broken/1: cannot be served \(.*\)\. Export .*\.\n", err)


def test_server_that_other_machines_can_reach_warns(tmp_path, capsys):
    (tmp_path / "broken/1").mkdir(parents=True)
    (tmp_path / "broken/1/saved_model.pb").write_text("nonsense")
    _, out, _ = command(capsys, str(tmp_path / "broken"), "--port=0", "--host=0.0.0.0")
    assert out == (
        "Other machines can connect to this server. It has no authentication; put a reverse proxy "
        "in front of it.\n"
    )


def test_help_names_every_flag(capsys):
    code, out, _ = command(capsys, "--help")
    assert code == 0
    for name, option in (describe(ServeOptions) | describe(Limits)).items():
        assert f"--{name}" in out
        assert option.help.split()[0] in out


def test_files_of_the_server_are_part_of_the_package():
    setup = pathlib.Path(REPOSITORY / "setup.py").read_text("utf-8")
    assert '"kerastl.serving": ["openapi.json", "drop_page.html"]' in setup
