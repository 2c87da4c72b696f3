"""Makes the page of a run of 1,000 classes and 100,000 test images, and opens it in a browser.

    python benchmarks/page.py --images=100000

writes such a run without training it, in a temporary folder, and prints the size of its predictions
and of the page, the processor and wall seconds and the highest memory of making the page, and the
time that Chromium takes to open it.
"""

import argparse
import pathlib
import resource
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))
import browser
import kerastl
from large_runs import write_large_run

_OPENED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def main() -> None:
    """Does it once and prints the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        run = write_large_run(pathlib.Path(folder), num_images=images)
        size = (run / "predictions.csv").stat().st_size
        wall, cpu = time.monotonic(), time.process_time()
        page = kerastl.report(run, progress=kerastl.Progress())
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"predictions.csv: {size / 1e6:.0f} MB of {images} images")
        print(
            f"page: {page.stat().st_size / 1e6:.2f} MB in {wall:.1f} s ({cpu:.1f} s of processors)"
        )
        print(f"highest memory of the process: {peak:.0f} MB")
        with browser.open_tab() as tab:
            tab.open(page.as_uri())
            print(f"opened in {tab.value(_OPENED) / 1000:.2f} s")


if __name__ == "__main__":
    main()
