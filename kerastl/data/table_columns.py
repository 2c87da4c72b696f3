"""What each column of a table is for, inferred from its values and its name."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

from kerastl.data import table_reasons
from kerastl.data.split_words import split_within
from kerastl.data.table_groups import (
    are_within,
    can_be_divided,
    coarsest,
    is_called_people,
    is_called_things,
    may_be_groups,
    repeats,
)
from kerastl.data.table_names import (
    BOXES,
    KNOWN,
    NO_COLUMN,
    SIZES,
    USUAL,
    is_missing,
    key_of,
)
from kerastl.data.table_paths import ADDRESS, is_image_name
from kerastl.data.table_rows import Wrong
from kerastl.data.table_shape import is_number, is_whole, say_the_same
from kerastl.data.table_split_choice import choose_splits
from kerastl.data.table_splits import (
    count_single,
    holds_splits,
    is_flag,
    is_signed,
    may_be_split,
)
from kerastl.errors import UsageError, bad_value, closest, name_some

# Rows from which a column is found to hold paths.
_SAMPLE_ROWS = 500
# Paths of what shows the same as the images, but is none of them.
_BESIDE = re.compile("mask|thumb|segment|preview|heatmap")
# Longer cells are remarks, not classes.
_LONG = 60


@dataclasses.dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are for; an empty name stands for none.

    Attributes:
        image: Paths.
        label: Classes.
        one_hot: Columns named like classes, of which one is 1 in each row.
        split: Splits.
        split_flags: Columns of yes and no for a split each, in place of `split`.
        group: What belongs on one side of a split.
        boxes: Positions within the images.
        may_split: A column whose values are such as splits or folds have.
        may_group: A column whose values repeat as those of groups do.
        others: All other columns with a name of their own.
    """

    image: str
    label: str = ""
    one_hot: tuple[str, ...] = ()
    split: str = ""
    split_flags: tuple[str, ...] = ()
    group: str = ""
    boxes: tuple[str, ...] = ()
    may_split: str = ""
    may_group: str = ""
    others: tuple[str, ...] = ()

    def as_given(self) -> dict[str, str]:
        """Returns the columns of paths, classes and groups as a user gives them."""
        return {"image": self.image, "label": self.label, "group": self.group}


class Finder:
    """Finds what each column is for; what is found is taken from those that are left.

    Args:
        columns: The cells of each column, by its name.
        given: Columns that the user named, by "image", "label", "split" and "group".
        wrong: Makes the error for this table.
        table: The table's name for people.
        count_files: Counts the values that lead to a file.
    """

    def __init__(
        self,
        columns: Mapping[str, Sequence[str]],
        given: Mapping[str, str],
        *,
        wrong: Wrong,
        table: str,
        count_files: Callable[[Sequence[str]], int],
    ) -> None:
        self._columns, self._given = columns, given
        self._wrong, self._table, self._count_files = wrong, table, count_files
        self._left = [name for name in columns if name not in given.values()]
        self._values = {name: set(cells) for name, cells in columns.items()}

    def find_roles(self) -> Roles:
        """Finds the roles of all columns.

        Raises:
            UsageError: If a role that is needed has no column, or one has several.
        """
        for role in USUAL:
            self._check_given(role)
        image = self.find_image()
        boxes = self._find_boxes()
        label = self._take(self._given.get("label") or self._named_label())
        group = self._take(self._find_people())
        splits = tuple(map(self._take, self._find_splits(self._columns.get(label, ()))))
        split, flags = ("", splits) if len(splits) > 1 else ((*splits, "")[0], ())
        one_hot = () if label else self._find_one_hot()
        if not label and not one_hot:
            label = self._take(self._label_by_values())
        label = self._by_name(label)
        if label and not self._given.get("label"):
            self._refuse_more_labels(label)
        group = group or self._take(self._find_things(self._columns.get(label, ())))
        roles = Roles(image, label, one_hot, split, flags, group, boxes, others=tuple(self._left))
        may_split, may_group = self._find_doubtful(roles)
        return dataclasses.replace(roles, may_split=may_split, may_group=may_group)

    def find_image(self) -> str:
        """Finds the column of paths.

        Raises:
            UsageError: If there is none, or several may be it.
        """
        self._check_given("image")
        return self._take(self._given.get("image") or self._find_image())

    def _take(self, name: str) -> str:
        self._left = [left for left in self._left if left != name]
        return name

    def _check_given(self, role: str) -> None:
        name = self._given.get(role, "")
        may_be_none = role in ("split", "group") and name == NO_COLUMN
        if not name or name in self._columns or may_be_none:
            return
        near = closest(name, self._columns)
        advice = f"Did you mean {near[0]!r}? " if near else ""
        raise bad_value(
            f"{role}_column",
            name,
            f"is not a column of {self._table}",
            f"{advice}Columns: {name_some(list(self._columns), 8)}",
        )

    def _named(self, role: str, tier: int = 0) -> list[str]:
        usual = USUAL[role][tier].split()
        return [name for name in self._left if key_of(name) in usual]

    def _several(self, role: str, names: Sequence[str]) -> UsageError:
        rows = ", or write a row with its class for each image" if role == "image" else ""
        return self._wrong(
            f"has {len(names)} columns for the {role} ({name_some(names)})",
            f"Choose one with --{role}_column{rows}",
        )

    def _none(self, role: str) -> UsageError:
        return self._wrong(*table_reasons.explain_none(role, self._columns))

    def _find_image(self) -> str:
        ending = [name for name in self._left if self._ends_like_images(name)]
        addresses = [name for name in self._left if self._has_addresses(name)]
        ending = [
            name for name in ending if name not in addresses and not _BESIDE.search(key_of(name))
        ]
        strong, weak = (
            [name for name in self._named("image", tier) if name not in addresses]
            for tier in (0, 1)
        )
        both = [name for name in ending if name in strong]
        if len(both) == 1:
            return both[0]
        others = [name for name in self._left if key_of(name) not in KNOWN and self._differs(name)]
        # Files behind addresses may have been downloaded.
        for names in (both, strong, ending, weak, addresses or others):
            if name := self._leading(names):
                return name
        # None leads to files; the reason names the one that should.
        likely = both or ending or strong or addresses or weak
        if len(likely) != 1:
            raise self._several("image", likely) if likely else self._none("image")
        return likely[0]

    def _has_addresses(self, name: str) -> bool:
        """Whether most values of a column are addresses, of images where they have an ending."""
        cells = [cell for cell in self._sample(name) if cell]
        are_named = name in self._named("image") + self._named("image", 1)
        is_like = are_named or self._ends_like_images(name)
        return is_like and 2 * sum(ADDRESS.match(cell) is not None for cell in cells) > len(cells)

    def _differs(self, name: str) -> bool:
        """Whether most values of a column are different, as those of paths are."""
        return 2 * len(self._values[name]) > len(self._columns[name])

    def _ends_like_images(self, name: str) -> bool:
        cells = [cell for cell in self._sample(name) if cell]
        return 2 * sum(map(is_image_name, cells)) > len(cells)

    def _sample(self, name: str) -> Sequence[str]:
        cells = self._columns[name]
        return cells[:: max(1, len(cells) // _SAMPLE_ROWS)]

    def _leading(self, names: Sequence[str]) -> str:
        """Returns the one column most of whose values lead to files, empty if there is none."""
        found = []
        for name in names:
            values = sorted({cell for cell in self._sample(name) if not is_missing(cell)})
            if values and 2 * self._count_files(values) > len(values):
                found.append(name)
        if len(found) > 1:
            raise self._several("image", found)
        return found[0] if found else ""

    def _find_boxes(self) -> tuple[str, ...]:
        boxes = tuple(name for name in self._left if key_of(name) in BOXES)
        # A single letter may be anything.
        if len(boxes) <= 1 and all(len(key_of(name)) == 1 for name in boxes):
            return ()
        for name in boxes:
            self._take(name)
        return boxes

    def _named_label(self) -> str:
        for tier in range(len(USUAL["label"])):
            named = self._named("label", tier)
            if same := self._name_among(named):
                named = [same]
            if len(named) > 1:
                raise self._several("label", named)
            if named:
                self._refuse_as_label(named[0])
                return named[0]
        return ""

    def _by_name(self, label: str) -> str:
        """Returns the column that has the names of classes, if this one has their numbers."""
        if self._given.get("label") or not all(map(is_number, self._values.get(label, [""]))):
            return label
        names = [
            name
            for name in self._left
            if self._is_like_classes(name)
            and self._say_the_same(label, name)
            and not any(map(is_number, self._values[name]))
            and not is_called_things(name)
        ]
        if len(names) != 1:
            return label
        self._left.append(label)
        return self._take(names[0])

    def _name_among(self, names: Sequence[str]) -> str:
        """Returns the name of several columns that have each class as a number and by name."""
        if len(names) <= 1 or not all(self._say_the_same(names[0], name) for name in names):
            return ""
        return min(names, key=lambda name: all(map(is_number, self._values[name])))

    def _refuse_as_label(self, name: str) -> None:
        """Refuses a column that is named like classes and holds something else."""
        what = "paths of files" if self._ends_like_images(name) else ""
        if holds_splits(self._columns[name]) and all(map(split_within, self._values[name])):
            what = "words for splits alone"
        if what:
            raise self._wrong(
                f"has {what} as {name}, as {name_some([*dict.fromkeys(self._columns[name])], 2)}",
                f"Choose another with --label_column, or add --label_column={name} if these are "
                "the classes",
            )

    def _find_splits(self, labels: Sequence[str]) -> Sequence[str]:
        given = self._given.get("split", "")
        if given:
            return [given] if given in self._columns else []
        left = {name: self._columns[name] for name in self._left}
        return choose_splits(left, labels, self._wrong)

    def _refuse_more_labels(self, label: str) -> None:
        if found := table_reasons.explain_more_labels(label, self._columns, self._left):
            raise self._wrong(*found)

    def _say_the_same(self, name: str, other: str) -> bool:
        return say_the_same(self._columns[name], self._columns[other])

    def _find_one_hot(self) -> tuple[str, ...]:
        flags = tuple(name for name in self._left if is_flag(self._columns[name]))
        signed = [name for name in self._left if is_signed(self._columns[name])]
        if signed and len(flags) + len(signed) > 1:
            raise self._wrong(
                f"has -1 beside 1 in {name_some(signed)}, as for several labels an image",
                table_reasons.choose_label(signed[0]),
            )
        others = [name for name in self._left if self._is_like_classes(name) and name not in flags]
        num_rows = len(self._columns[flags[0]]) if flags else 0
        is_broken = count_single(self._columns, flags) < num_rows
        # Two may be remarks on all images. Without other classes, they say what is wrong.
        is_constant = not flags[2:] and all(len(self._values[name]) == 1 for name in flags)
        if len(flags) <= 1 or (others and (is_broken or is_constant)):
            return ()
        for name in flags:
            self._take(name)
        return flags

    def _is_like_classes(self, name: str) -> bool:
        values = self._values[name] - {""}
        return (
            1 < len(values) <= len(self._columns[name]) / 2
            and max(map(len, values)) <= _LONG
            and key_of(name) not in SIZES
            and not (all(map(is_number, values)) and not all(map(is_whole, values)))
        )

    def _label_by_values(self) -> str:
        if not self._left:
            raise self._wrong(
                "has paths, but no column for the label",
                "Add one, or if their folders are the classes, give the folder of those as "
                "folder:DIR",
            )
        like = [name for name in self._left if self._is_like_classes(name)]
        like = [name for name in like if not is_called_things(name)] or like
        repeated = [
            name for name in self._left if len(self._values[name]) < len(self._columns[name])
        ]
        # The only other column may have more classes, or one.
        like = like or (repeated if len(self._left) == 1 else [])
        names = [name for name in like if not all(map(is_number, self._values[name]))]
        if len(names) == 1 and (same := self._name_among(like)):
            return same
        if len(like) != 1:
            left = {name: self._columns[name] for name in self._left}
            found = table_reasons.explain_labels(left, like)
            raise self._wrong(*found) if found else self._none("label")
        return like[0]

    def _find_people(self) -> str:
        """Finds the column of groups that its name is enough for."""
        given = self._given.get("group", "")
        if given:
            return given if given in self._columns else ""
        named = self._named("group")
        called = named or [name for name in self._left if is_called_people(name)]
        return self._coarsest(called) or (*named, "")[0]

    def _find_things(self, labels: Sequence[str]) -> str:
        """Finds the column of groups that both its name and its values speak for."""
        if self._given.get("group"):
            return ""
        return self._coarsest(
            [
                name
                for name in self._left
                if is_called_things(name) and can_be_divided(name, self._columns[name], labels)
            ]
        )

    def _coarsest(self, names: Sequence[str]) -> str:
        repeated = {name: self._columns[name] for name in names if repeats(self._columns[name])}
        found = coarsest(repeated) if repeated else ""
        if repeated and not found:
            raise self._several("group", [*repeated])
        return found

    def _find_doubtful(self, roles: Roles) -> tuple[str, str]:
        """Finds a column that may be of splits, and one of groups, for a person to look at."""
        labels, groups = (self._columns.get(name, ()) for name in (roles.label, roles.group))
        left = {name: self._columns[name] for name in self._left}
        has_splits = self._given.get("split") or roles.split or roles.split_flags
        splits = [name for name, cells in left.items() if may_be_split(name, cells, labels)]
        alike = [
            name
            for name, cells in left.items()
            if may_be_groups(name, cells, labels) and not (groups and are_within(cells, groups))
        ]
        return (
            "" if has_splits else (*splits, "")[0],
            "" if self._given.get("group") else (*alike, "")[0],
        )
