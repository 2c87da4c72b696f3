"""`python -m kerastl.cache` is `kerastl cache`."""

import functools
import sys

from kerastl.commands.table import run_command

main = functools.partial(run_command, "cache")

if __name__ == "__main__":
    sys.exit(main())
