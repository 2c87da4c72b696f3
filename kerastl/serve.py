"""`python -m kerastl.serve` is `kerastl serve`."""

import functools
import sys

from kerastl.commands.table import run_command

main = functools.partial(run_command, "serve")

if __name__ == "__main__":
    sys.exit(main())
