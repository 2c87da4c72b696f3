"""`python -m kerastl.export` is `kerastl export`."""

import functools
import sys

from kerastl.commands.table import run_command

main = functools.partial(run_command, "export")

if __name__ == "__main__":
    sys.exit(main())
