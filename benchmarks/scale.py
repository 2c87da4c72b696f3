"""Measures the pass and the training on one and on two processes of one core each.

python benchmarks/scale.py --images=2000

python benchmarks/scale.py --model

The second prints what to expect of more machines. Of the first, each process is bound to a core of
its own. Images are drawn, 48 px, for MobileNetV2 at a width of
0.35. CPU seconds hold where others share the cores; wall time and efficiency need a quiet machine.
"""

import argparse
import os
import pathlib
import re
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
from pages import publish

_SIZE, _CLASSES = 48, 4
# Measured on one NVIDIA H200 with 16 cores, MobileNetV2 at 96 px: images a second of the first
# look at the files, the pass, an epoch of a head, and one of fine-tuning on stored features.
_LOOK, _PASS_RATE, _HEAD, _FINETUNE = 402, 1_590, 34_000, 8_700
# Bytes of a file, of the features below the head and block_13, and of the gradients from there up.
_FILE, _ROW, _GRADIENTS = 100_000, 4 * (1_280 + 6 * 6 * 96), 4 * 1_800_000
# Assumed: bytes a second of the network and of the shared drive for a machine; one sum's delay.
_NETWORK, _DRIVE, _DELAY = 3e9, 1e9, 2e-4
_EPOCHS, _BATCH = (10, 5), 1024
_PASS = re.compile(r"Computed (\d+) images in ([\d.]+) (s|min)")
_EPOCH = re.compile(r"^finetune \d+/\d+:.* (\d+) images/s", re.MULTILINE)


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        _work(given.images, *given.worker)
        return
    if given.model:
        _print_model()
        return
    cores = sorted(os.sched_getaffinity(0))[:2]
    print("| processes | pass, s | images a process | training, images/s | CPU s | seconds |")
    print("| --: | --: | --: | --: | --: | --: |")
    for count in (1, 2):
        print(_measure(given.images, cores[:count]), flush=True)


def _print_model() -> None:
    """Prints bytes and hours of a run on machines of one GPU each, from measured parts."""
    print("| images | machines | read | stored | sent by each | look, h | pass, h | training, h |")
    print("| --: | --: | --: | --: | --: | --: | --: | --: |")
    for images in (1_000_000, 100_000_000):
        for machines in (1, 4, 16, 64):
            steps = _EPOCHS[1] * images / _BATCH
            sent = 2 * (machines - 1) / machines * _GRADIENTS * steps
            adding = steps * _DELAY * (machines > 1) + sent / _NETWORK
            look = max(images / _LOOK, images * _FILE / _DRIVE) / machines
            # Every machine checks all that is stored when it opens the store.
            passing = images / _PASS_RATE / machines + images * _ROW / _DRIVE
            training = (_EPOCHS[0] / _HEAD + _EPOCHS[1] / _FINETUNE) * images / machines + adding
            hours = " | ".join(f"{value / 3600:.2g}" for value in (look, passing, training))
            sizes = (2 * images * _FILE, images * _ROW, sent)
            words = [f"{value / 1e12:.2g} TB" for value in sizes]
            print("|", " | ".join([f"{images:,}", str(machines), *words, hours]), "|")


def _measure(num_images: int, cores: list[int]) -> str:
    """Trains on a process for each core; returns a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        ports = np.random.default_rng().choice(np.arange(20_000, 30_000), len(cores), replace=False)
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        command = [sys.executable, __file__, f"--images={num_images}", "--worker", folder, hosts]
        processes = [
            subprocess.Popen([*command, str(worker), str(core)])
            for worker, core in enumerate(cores)
        ]
        codes = [process.wait() for process in processes]
        if any(codes):
            sys.exit("a process has failed")
        seconds = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        printed = (pathlib.Path(folder) / "printed").read_text("utf-8")
    computed, pass_seconds, _ = _PASS.findall(printed)[0]
    rate = _EPOCH.findall(printed)[-1]
    return f"| {len(cores)} | {pass_seconds} | {computed} | {rate} | {cpu:.0f} | {seconds:.0f} |"


def _work(num_images: int, folder: str, hosts: str, worker: str, core: str) -> None:
    os.sched_setaffinity(0, {int(core)})
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    import kerastl  # noqa: PLC0415  once it has its core
    from kerastl.progress import Progress  # noqa: PLC0415

    rng = np.random.default_rng(0)
    labels = np.arange(num_images) % _CLASSES
    images = (
        rng.integers(0, 128, (num_images, _SIZE, _SIZE, 3), np.uint8)
        + np.uint8(30) * (labels.astype(np.uint8)[:, None, None, None])
    )
    source = kerastl.Source.from_arrays(list(images), labels.tolist(), name="drawn")
    config = kerastl.Config(
        dataset="python",
        run_dir=f"{folder}/run",
        cache_dir=f"{folder}/cache",
        weights="bundled",
        head_epochs=1,
        finetune_epochs=2,
        unfreeze_from="block_13",
        near_duplicates="report",
        workers=hosts if "," in hosts else "",
        worker=int(worker),
    )
    with (pathlib.Path(folder) / (f"other{worker}" if int(worker) else "printed")).open("w") as out:
        kerastl.run(config, source=source, progress=Progress(out))


if __name__ == "__main__":
    publish(main, __file__)
