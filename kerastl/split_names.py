"""The names of splits, in every file and message, and of their file; imports nothing."""

from typing import Final

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"
# What images are for, in the order of the files.
SPLITS = (TRAIN, VALIDATION, TEST)
# Images that are in no split.
UNUSED: Final = "unused"
ALL_NAMES = (*SPLITS, UNUSED)
# The file of a run that has the split of each image.
SPLITS_FILE = "splits.csv"
