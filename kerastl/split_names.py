"""The names of splits, in every file and message; imports nothing."""

from typing import Final

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"
# What images are for, in the order of the files.
SPLITS = (TRAIN, VALIDATION, TEST)
# Images that are in no split.
UNUSED: Final = "unused"
ALL_NAMES = (*SPLITS, UNUSED)
