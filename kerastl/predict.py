"""`python -m kerastl.predict` is `kerastl predict`."""

import functools
import sys

from kerastl.commands.table import run_command

main = functools.partial(run_command, "predict")

if __name__ == "__main__":
    sys.exit(main())
