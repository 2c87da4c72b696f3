"""Paths as tables have them, and what is right for each form."""

import collections
import dataclasses
import unicodedata

from zoo import Specimen, readable_name, with_train
from zoo_images import TOP


@dataclasses.dataclass
class Table:
    """Rows as a person thinks of them, before they are written down.

    Attributes:
        specimen: What they are of.
        names: Stem of each row's image file.
        labels: The class of each row.
        columns: What is written: a name and a value for each row, by role or name.
        headers: What a column is called.
        folder: Where the images are.
        place: Where the table is.
        before: What stands before it.
        ragged: Cells that some rows have more or less.
        raw: All of the file, where that is no table.
        apart: The split of each row, where each split has a table of its own.
    """

    specimen: Specimen
    names: list[str]
    labels: list[str]
    columns: dict[str, list[str]]
    headers: dict[str, str]
    folder: str = f"{TOP}/imgs"
    place: str = f"{TOP}/table.csv"
    has_header: bool = True
    before: str = ""
    ragged: int = 0
    raw: bytes | None = None
    apart: list[str] = dataclasses.field(default_factory=list)

    def file_of(self, name: str) -> str:
        return f"{self.folder}/{name}.png"

    def count(self, splits=None) -> None:
        """Makes the rows as they stand the one right reading."""
        splits = splits or ["train"] * len(self.labels)
        pairs = zip(splits, map(readable_name, self.labels), strict=True)
        self.specimen.readings = [with_train(collections.Counter(pairs))]


def beside(rng, table):
    table.columns["image"] = [f"imgs/{name}.png" for name in table.names]


def in_one_folder(rng, table):
    table.folder = TOP
    table.columns["image"] = [f"{name}.png" for name in table.names]


def dotted(rng, table):
    start = rng.choice(["./imgs/", "imgs//", "imgs/./", "../data/imgs/", "  imgs/"])
    table.columns["image"] = [f"{start}{name}.png" for name in table.names]


def backslashes(rng, table):
    start = rng.choice(["imgs\\", ".\\imgs\\", "..\\data\\imgs\\"])
    table.columns["image"] = [f"{start}{name}.png" for name in table.names]


def from_working_folder(rng, table):
    table.place = f"{TOP}/lists/table.csv"
    table.columns["image"] = [f"{table.folder}/{name}.png" for name in table.names]


def below_common_folder(rng, table):
    """Names without the one folder that the files are in."""
    table.folder = f"{TOP}/{rng.choice(['imgs', 'train', 'train_images', 'images/all'])}"
    table.columns["image"] = [f"{name}.png" for name in table.names]


def from_folder_above(rng, table):
    table.place = f"{TOP}/lists/table.csv"
    table.columns["image"] = [f"imgs/{name}.png" for name in table.names]


def without_ending(rng, table):
    table.columns["image"] = [f"imgs/{name}" for name in table.names]


def ids(rng, table):
    """Names alone, without folder and ending, as competitions have them."""
    table.folder = f"{TOP}/{rng.choice(['train', 'imgs'])}"
    table.columns["image"] = list(table.names)
    table.headers["image"] = rng.choice(["id", "image_name", "id_code", "Id", "image"])
    if table.names[0].isdecimal():
        table.specimen.causes.append("image_column")  # Other numbers may name files too.


def below_classes(rng, table):
    """In folders of the classes that the table names too."""
    number_of = {label: f"c{number}" for number, label in enumerate(dict.fromkeys(table.labels))}
    paths = [
        f"{number_of[label]}/{name}.png"
        for name, label in zip(table.names, table.labels, strict=True)
    ]
    _move(table, paths)
    table.columns["image"] = paths


def absolute_elsewhere(rng, table):
    start = rng.choice(
        [
            "/home/someone/project/imgs/",
            "C:\\Users\\me\\imgs\\",
            "/content/drive/MyDrive/imgs/",
            "/kaggle/input/x/imgs/",
            "D:/x/imgs/",
            "\\\\server\\share\\imgs\\",
        ]
    )
    table.columns["image"] = [f"{start}{name}.png" for name in table.names]
    table.specimen.causes.append("home.someone|Users|content|kaggle|D:|server")


def absolute_nowhere(rng, table):
    start = rng.choice(["/data/upload/1/ab12-", "/mnt/old/photos/", "E:\\photos\\"])
    table.columns["image"] = [f"{start}{name}x.png" for name in table.names]
    table.specimen.must_stop("/data/upload/1|/mnt/old/photos|E:.+photos")


def addresses(rng, table):
    start = rng.choice(
        ["https://x.example/a/", "http://x.example/", "s3://bucket/a/", "gs://bucket/"]
    )
    table.columns["image"] = [f"{start}{name}z.png" for name in table.names]
    table.specimen.must_stop("address|URL|download|fetch")


def file_addresses(rng, table):
    table.columns["image"] = [f"file:///somewhere/imgs/{name}.png" for name in table.names]
    table.specimen.causes.append("file:|address|URL")


def escaped(rng, table):
    table.names = [f"a b {name}" for name in table.names]
    table.columns["image"] = [f"imgs/{name}.png".replace(" ", "%20") for name in table.names]
    table.specimen.causes.append("%20|no such file|exist|found")


def other_case(rng, table):
    table.columns["image"] = [f"IMGS/{name.upper()}.PNG" for name in table.names]
    table.specimen.causes.append("no such file|exist|found|case")


def other_form(rng, table):
    """Accents apart on the disk and composed in the table, as from another system."""
    table.names = [f"e\u0301{name}" for name in table.names]
    table.columns["image"] = [
        unicodedata.normalize("NFC", f"imgs/{name}.png") for name in table.names
    ]
    table.specimen.causes.append("no such file|exist|found|form")


def twins(rng, table):
    """Every name is in two folders, of which the other may be clearly no second one."""
    other = rng.choice(["raw", "more", "imgs2", "thumbs", "masks"])
    for name in table.names:
        table.specimen.files[f"{TOP}/{other}/{name}.png"] = table.specimen.picture()
    table.columns["image"] = [f"{name}.png" for name in table.names]
    cause = rf"{other}/.*imgs/|imgs/.*{other}/"
    if other in ("thumbs", "masks"):
        table.specimen.causes.append(cause)
    else:
        table.specimen.must_stop(cause)


def other_ending(rng, table):
    """Files that someone has converted and moved since."""
    table.columns["image"] = [f"photos/{name}.jpg" for name in table.names]
    table.specimen.told.append("photos/.* is imgs/")
    table.specimen.causes.append("no such file|exist|missing|none leads")


def one_missing(rng, table):
    table.columns["image"] = [f"imgs/{name}.png" for name in table.names]
    table.columns["image"][rng.randrange(len(table.names))] = "imgs/not there.png"
    table.specimen.must_stop("no such file|exist|missing|not there")


def all_missing(rng, table):
    if rng.random() < 0.5:
        _lengthen(table, 600)
    table.columns["image"] = [f"photos/{name}q.jpg" for name in table.names]
    table.specimen.must_stop("no such file|exist|missing|none leads")


PATHS = [
    beside,
    below_common_folder,
    ids,
    backslashes,
    from_working_folder,
    dotted,
    without_ending,
    below_classes,
    absolute_elsewhere,
    addresses,
    in_one_folder,
    from_folder_above,
    twins,
    one_missing,
    all_missing,
    absolute_nowhere,
    file_addresses,
    escaped,
    other_case,
    other_form,
    other_ending,
]


def _lengthen(table: Table, count: int) -> None:
    table.labels = [table.labels[number % len(table.labels)] for number in range(count)]
    table.names = [f"{number}" for number in range(count)]
    table.columns["label"] = list(table.labels)


def _move(table: Table, paths: list[str]) -> None:
    """Puts the pictures elsewhere than in one folder."""
    table.folder = ""
    for path in paths:
        table.specimen.files[f"{TOP}/{path}"] = table.specimen.picture()
