"""`python -m kerastl COMMAND` is `kerastl COMMAND`."""

import sys

from kerastl.commands.table import main

if __name__ == "__main__":
    sys.exit(main())
