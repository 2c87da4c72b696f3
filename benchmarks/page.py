"""Makes the page of a run of 1,000 classes and 100,000 test images, and opens it in a browser.

    python benchmarks/page.py --images=100000

writes such a run without training it, in a temporary folder, and prints the size of its predictions
and of the page; the wall and processor seconds and the highest memory of `kerastl report`, in a
process of its own; and the shortest time that Chromium took to open the page, of five.
"""

import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
from pages import publish

import browser
from large_runs import write_large_run

_OPENINGS = 5
_OPENED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def main() -> None:
    """Does it once and prints the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        run = write_large_run(pathlib.Path(folder), num_images=images)
        size = (run / "predictions.csv").stat().st_size
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "kerastl", "report", str(run)], check=True)
        wall, used = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        page = run / "report.html"
        print(f"predictions.csv: {size / 1e6:.0f} MB of {images} images")
        print(f"page: {page.stat().st_size / 1e6:.2f} MB in {wall:.1f} s", end="")
        print(f" ({used.ru_utime + used.ru_stime:.1f} s of processors)")
        print(f"highest memory: {used.ru_maxrss / 1024:.0f} MB", flush=True)
        with browser.open_tab() as tab:
            times = []
            for _ in range(_OPENINGS):
                tab.open(page.as_uri())
                times.append(tab.value(_OPENED) / 1000)
            print(f"opened in {min(times):.2f} s")


if __name__ == "__main__":
    publish(main, __file__)
