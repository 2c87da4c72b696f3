"""Times `kerastl serve` beside the same SavedModel in plain FastAPI, and sends it nonsense.

Both serve a MobileNetV2 at 96 px and get the same image files as they are. They take turns; the
clients of a turn send one request after the other, each over a connection of its own.

    pip install fastapi && python benchmarks/serve.py --repeats=3

prints Markdown tables. `--nonsense` instead sends 2,000 requests, a fifth of them malformed, and
looks at each status and at the server's memory.
"""

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence

# First of all, since it chooses the backend that Keras takes when it is imported.
from common import add_data_flags, machine, spread  # isort: skip

from pages import publish

import kerastl
from kerastl.data.opening import open_source

_HERE = pathlib.Path(__file__).parent
_CLIENTS = (1, 8, 64)
_FIFTH = 5
_OK = 200
_LARGE_BYTES = 33_000_000
_SECONDS_TO_START = 120


@dataclasses.dataclass(frozen=True)
class Side:
    """A server that runs."""

    port: int
    process: subprocess.Popen

    def memory_mb(self) -> float:
        """Reads what it holds in memory."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1000


def main() -> None:
    """Exports a model, starts the servers, and prints tables."""
    arguments = _parse()
    print(f"{machine()}; median (lowest-highest).\n")
    with tempfile.TemporaryDirectory() as folder:
        version, files = _export(arguments, folder)
        if arguments.nonsense:
            with _serve([sys.executable, "-m", "kerastl.serve", str(version.parent)]) as ours:
                _send_nonsense(ours, files, arguments)
            return
        plain = [sys.executable, str(_HERE / "plain_server.py"), str(version)]
        own = [sys.executable, "-m", "kerastl.serve", str(version.parent)]
        with _serve(plain) as theirs, _serve(own) as ours:
            _compare(theirs, ours, files, arguments)


def _export(arguments: argparse.Namespace, folder: str) -> tuple[pathlib.Path, list[bytes]]:
    """Trains a head for a moment; gives the version's directory and test images."""
    config = kerastl.Config(
        dataset="tfds:cifar10",
        tfds_dir=arguments.tfds_dir,
        run_dir=f"{folder}/run",
        export_dir=f"{folder}/exports/mobilenet",
        cache_dir=f"{folder}/cache",
        backbone="MobileNetV2",
        weights=arguments.weights,
        image_size=96,
        examples_per_class=100,
        head_epochs=2,
    )
    result = kerastl.run(config, progress=kerastl.Progress())
    assert result.export_path is not None
    source = open_source(config, kerastl.Progress())
    return result.export_path, [source.load(index) for index in range(256)]


@contextlib.contextmanager
def _serve(command: Sequence[str]) -> Iterator[Side]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    last = [str(port)] if "plain_server" in command[1] else [f"--port={port}"]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(_HERE.parent)}
    process = subprocess.Popen([*command, *last], env=environment, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + _SECONDS_TO_START
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz").read()
                break
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.1)
        yield Side(port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _compare(
    theirs: Side, ours: Side, files: Sequence[bytes], arguments: argparse.Namespace
) -> None:
    print(
        "| clients | FastAPI, requests/s | kerastl, requests/s | times as many "
        "| FastAPI, p50 ms | kerastl, p50 ms | FastAPI, p99 ms | kerastl, p99 ms |\n"
        "| --: | --: | --: | --: | --: | --: | --: | --: |"
    )
    requests = [_request("/predict", content) for content in files]
    for clients in _CLIENTS:
        rates: dict[Side, list[float]] = {theirs: [], ours: []}
        middles: dict[Side, list[float]] = {theirs: [], ours: []}
        tails: dict[Side, list[float]] = {theirs: [], ours: []}
        # Each is asked once before it counts.
        for repeat in range(arguments.repeats + 1):
            for side in (theirs, ours):
                seconds = arguments.seconds if repeat else 1
                times = asyncio.run(_load(side.port, requests, clients, seconds))
                if repeat:
                    rates[side].append(len(times) / arguments.seconds)
                    middles[side].append(1000 * statistics.median(times))
                    tails[side].append(1000 * statistics.quantiles(times, n=100)[98])
        ratios = [b / a for a, b in zip(rates[theirs], rates[ours], strict=True)]
        cells = [
            spread(rates[theirs]),
            spread(rates[ours]),
            spread(ratios),
            *(spread(values[side]) for values in (middles, tails) for side in (theirs, ours)),
        ]
        print(f"| {clients} | {' | '.join(cells)} |", flush=True)
    print(f"\nMemory: FastAPI {theirs.memory_mb():.0f} MB, kerastl {ours.memory_mb():.0f} MB.")


async def _load(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> list[float]:
    """Lets clients ask for some seconds; gives how long each answer took."""
    times: list[float] = []
    end = time.monotonic() + seconds

    async def ask_on(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (started := time.monotonic()) < end:
            writer.write(requests[number % len(requests)])
            status, _ = await _read(reader)
            assert status == _OK, status
            times.append(time.monotonic() - started)
            number += clients
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(ask_on(number) for number in range(clients)))
    return times


def _request(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode() + body


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


def _send_nonsense(side: Side, files: Sequence[bytes], arguments: argparse.Namespace) -> None:
    """Sends sound and malformed requests from many clients and counts what comes back."""
    rng = random.Random(0)
    kinds = {
        "a sound image": (_OK, "/predict", None),
        "truncated": (400, "/predict", files[0][: len(files[0]) // 2]),
        "empty": (400, "/predict", b""),
        "no image": (400, "/predict", b"hello " * 1000),
        "huge": (413, "/predict", bytes(_LARGE_BYTES)),
        "wrong JSON": (400, "/v1/models/mobilenet:predict", b'{"instances": [{"b64": '),
    }
    malformed = list(kinds)[1:]
    print("| round | memory, MB | answered | as they should be | lost | seconds |")
    print("| --: | --: | --: | --: | --: | --: |")
    print(f"| before | {side.memory_mb():.0f} | | | | |", flush=True)
    counts: collections.Counter[tuple[str, int]] = collections.Counter()
    for round_number in range(1, arguments.repeats + 1):
        todo = [
            rng.choice(malformed) if number % _FIFTH == 0 else "a sound image"
            for number in range(arguments.requests)
        ]
        rng.shuffle(todo)
        started = time.monotonic()
        answers = asyncio.run(_send_all(side.port, todo, kinds, files))
        right = sum(status == kinds[kind][0] for kind, status in answers)
        print(
            f"| {round_number} | {side.memory_mb():.0f} | {len(answers)} | {right} "
            f"| {len(todo) - len(answers)} | {time.monotonic() - started:.1f} |",
            flush=True,
        )
        counts.update(answers)
    print("\n| request | status | count |\n| :-- | --: | --: |")
    for (kind, status), count in sorted(counts.items()):
        print(f"| {kind} | {status} | {count} |")


async def _send_all(
    port: int,
    todo: Sequence[str],
    kinds: dict[str, tuple[int, str, bytes | None]],
    files: Sequence[bytes],
) -> list[tuple[str, int]]:
    answers = []
    numbers = iter(range(len(todo)))

    async def ask_on() -> None:
        for number in numbers:
            kind = todo[number]
            _, path, body = kinds[kind]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                content = files[number % len(files)] if body is None else body
                writer.write(_request(path, content, "Connection: close"))
                await writer.drain()
                status, text = await _read(reader)
                json.loads(text)
                answers.append((kind, status))
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    await asyncio.gather(*(ask_on() for _ in range(max(_CLIENTS))))
    return answers


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_data_flags(parser)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of each turn")
    parser.add_argument("--nonsense", action="store_true")
    parser.add_argument("--requests", type=int, default=2000, help="of each round of nonsense")
    return parser.parse_args()


if __name__ == "__main__":
    publish(main, __file__)
