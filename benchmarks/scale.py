"""Measures the pass and the training on one and on two processes of one core each.

python benchmarks/scale.py --images=2000

Each process is bound to a core of its own. Images are drawn, 48 px, for MobileNetV2 at a width of
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

_SIZE, _CLASSES = 48, 4
_PASS = re.compile(r"Computed (\d+) images in ([\d.]+) (s|min)")
_EPOCH = re.compile(r"^finetune \d+/\d+:.* (\d+) images/s", re.MULTILINE)


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        _work(given.images, *given.worker)
        return
    cores = sorted(os.sched_getaffinity(0))[:2]
    print("| processes | pass, s | images a process | training, images/s | CPU s | seconds |")
    print("| --: | --: | --: | --: | --: | --: |")
    for count in (1, 2):
        print(_measure(given.images, cores[:count]), flush=True)


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
    main()
