"""`python -m kerastl.learning_curve` is `kerastl learning_curve`."""

import functools
import sys

from kerastl.commands.table import run_command

main = functools.partial(run_command, "learning_curve")

if __name__ == "__main__":
    sys.exit(main())
