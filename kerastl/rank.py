"""`python -m kerastl.rank` is `kerastl rank`."""

import functools
import sys

from kerastl.commands.table import run_command

main = functools.partial(run_command, "rank")

if __name__ == "__main__":
    sys.exit(main())
