"""`python -m kerastl.tune` is `kerastl tune`."""

import functools
import sys

from kerastl.commands.table import run_command

main = functools.partial(run_command, "tune")

if __name__ == "__main__":
    sys.exit(main())
