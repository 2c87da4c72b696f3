"""Chromium without a window, driven over a pipe as https://chromedevtools.github.io says."""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
SECONDS = 30
# Chromium reads its orders from descriptor 3 and writes to 4; those of a process may be others.
_LAUNCH = """
import fcntl, os, sys
read, write, *command = sys.argv[1:]
# By way of numbers that are neither 3 nor 4.
copies = [fcntl.fcntl(int(given), fcntl.F_DUPFD, 10) for given in (read, write)]
os.dup2(copies[0], 3)
os.dup2(copies[1], 4)
os.execvp(command[0], command)
"""
_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
)


class Tab:
    """One page in a browser."""

    def __init__(self, orders, answers):
        self._orders, self._answers = orders, answers
        self._number = 0
        self._session = None
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "DOM", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._orders.write(json.dumps(message).encode() + b"\0")
        self._orders.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, url):
        before = self._count("Page.loadEventFired")
        self.call("Page.navigate", url=url)
        end = time.monotonic() + SECONDS
        while self._count("Page.loadEventFired") == before:
            assert time.monotonic() < end
            self.value("0")
            time.sleep(0.01)
        # What is not drawn yet cannot be hit.
        drawn = "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
        self.call("Runtime.evaluate", expression=drawn, awaitPromise=True)

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, expression):
        end = time.monotonic() + SECONDS
        while not self.value(expression):
            assert time.monotonic() < end, self.value("document.body.innerText")
            time.sleep(0.02)

    def choose(self, selector, paths):
        """Chooses files in an input, as a person does in the dialog."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def drop(self, paths, *, x, y):
        """Drags files over the page and lets them go."""
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def screenshot(self, path):
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(shot))

    def complaints(self):
        """What the browser noted as wrong: errors, exceptions, and what a policy has blocked."""
        self.value("0")
        return [
            event["params"]
            for event in self.events
            if event.get("method") == "Runtime.exceptionThrown"
            or (
                event.get("method") == "Log.entryAdded"
                and event["params"]["entry"]["level"] == "error"
                # That an image was refused is the page's business.
                and event["params"]["entry"]["source"] != "network"
            )
        ]

    def requested(self):
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event.get("method") == "Network.requestWillBeSent"
        ]

    def _count(self, method):
        return sum(event.get("method") == method for event in self.events)

    def _read(self):
        message = bytearray()
        while not message.endswith(b"\0"):
            byte = self._answers.read(1)
            assert byte, "the browser has ended"
            message += byte
        return json.loads(message[:-1])


def wait_for(condition):
    """Waits until something is so, such as a file is there."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextlib.contextmanager
def open_tab():
    """Starts a browser with one tab; skips the test where there is none."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        pytest.skip(f"needs a browser: none of {', '.join(NAMES)} is installed")
    orders_read, orders_write = os.pipe()
    answers_read, answers_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", _LAUNCH, str(orders_read), str(answers_write)),
                *(browser, *_FLAGS, f"--user-data-dir={profile}"),
            ],
            pass_fds=(orders_read, answers_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(orders_read)
        os.close(answers_write)
        try:
            with os.fdopen(orders_write, "wb") as orders, os.fdopen(answers_read, "rb") as answers:
                yield Tab(orders, answers)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(SECONDS)
