"""`python -m kerastl.main` is `kerastl train`."""

import functools
import sys

from kerastl.commands.table import run_command

main = functools.partial(run_command, "train")

if __name__ == "__main__":
    sys.exit(main())
