"""The one column of splits, or several flags, of a table or of arrays."""

from collections.abc import Mapping, Sequence

from kerastl.data.table_names import NO_COLUMN
from kerastl.data.table_rows import Wrong
from kerastl.data.table_splits import are_of_different_splits, columns_of_splits, is_doubtful
from kerastl.errors import name_some


def choose_splits(
    columns: Mapping[str, Sequence[str]], labels: Sequence[str], wrong: Wrong
) -> Sequence[str]:
    """Finds the columns of splits, see `columns_of_splits`; none if nothing looks like one.

    Raises:
        UsageError: If several may be it, or one may be something else.
    """
    names = columns_of_splits(columns, labels=labels)
    if len(names) > 1 and not are_of_different_splits(names):
        raise wrong(
            f"has {len(names)} columns for the split ({name_some(names)})",
            "Choose one with --split_column",
        )
    if len(names) == 1 and is_doubtful(names[0], columns[names[0]]):
        raise wrong(
            f"has yes and no as {names[0]}, which may mean a split or something else",
            f"Add --split_column={names[0]} if it is the split, or --split_column={NO_COLUMN}",
        )
    return names
