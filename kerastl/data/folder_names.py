"""What the names of folders say of what is in them, if that is no class; in one table."""

import re
import unicodedata
from collections.abc import Collection, Iterable

from kerastl.data.split_words import around_split, name_words
from kerastl.data.table_names import is_for_later

# What file managers, archives, notebooks and network drives leave behind.
_LITTER = frozenset(
    [
        *("__macosx", "@eadir", "lost+found", "lost.dir", "system volume information"),
        *("__pycache__", "node_modules", "_gsdata_", "network trash folder", "temporary items"),
        *("thevolumesettingsfolder", "@tmp", "@sharebin", "windowsimagebackup", "found.000"),
    ]
)
# Beside a folder that is named for images, one for what belongs to them holds none to learn from.
IMAGE_FOLDERS = frozenset(
    [
        *("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "pics"),
        *("jpg", "jpgs", "jpeg", "jpegs", "jpegimages", "png", "pngs"),
    ]
)
# What holds all the images of something.
DATA_FOLDERS = IMAGE_FOLDERS | {"data", "dataset", "datasets", "input", "inputs", "imagefolder"}
_MASK_FOLDERS = frozenset(
    [
        *("mask", "masks", "trimap", "trimaps", "gt", "groundtruth", "ground_truth"),
        *("segmentation", "segmentations", "segmentationclass", "segmentationobject"),
    ]
)
SIDE_FOLDERS = _MASK_FOLDERS | frozenset(
    [
        *("label", "labels", "annotation", "annotations", "annots", "bbox", "bboxes"),
        *("labels_json", "xml", "xmls"),
    ]
)
# What has the names of images and shows something else, or the same smaller.
COPY_FOLDERS = _MASK_FOLDERS | frozenset(
    [
        *("thumb", "thumbs", "thumbnail", "thumbnails", "preview", "previews"),
        *("heatmap", "heatmaps", "saliency", "matte", "mattes", "depthmap", "depthmaps"),
    ]
)
# Folders of what is made from the images beside them, by one of the words in their names.
MADE_FOLDERS = (
    SIDE_FOLDERS
    | COPY_FOLDERS
    | frozenset(
        [
            *("depth", "depths", "edge", "edges", "alpha", "alphas", "instance", "instances"),
            *("semantic", "contour", "contours", "skeleton", "skeletons"),
        ]
    )
)

BINS, OUTPUTS, EARLIER = "files in bins", "files of training tools", "files in backups"
_PROGRAMS, _RESULTS = "files of programs", "files of results"
# Bins and earlier states, as network drives and systems name them: #recycle, @Recently-Snapshot,
# $RECYCLE.BIN, .Trash-1000, ~snapshot.
_BIN = re.compile(
    r"[#@$~.]+(recently-)?(recycle|trash|trashcan|trashes|snapshots?|deleted)(d|r|[ .]?bin)?[-\d]*",
    re.IGNORECASE,
)
# Older bins of Windows, which may be classes too, hold a folder for each user, or a list.
MAYBE_BIN = re.compile(r"recycler|recycled|recycle[ ._]?bin", re.IGNORECASE)
IN_BIN = re.compile(r"s-1-\d[-\d]*|info2?", re.IGNORECASE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.replace("_", " ") for text in text.split())


# Bins as systems name them: in full, or by a word that a thing may have, too.
_BINS = _words("RECYCLER RECYCLED") | _words(
    "recycle_bin papelera_de_reciclaje recently_deleted deleted_items zuletzt_gelöscht "
    "gelöschte_elemente gelöschte_objekte éléments_supprimés elementos_eliminados "
    "elementi_eliminati"
)
_BIN_WORDS = _words(
    "trash trashcan rubbish_bin wastebasket papierkorb corbeille papelera cestino lixeira lixo "
    "prullenbak kosz koš kôš lomtár papperskorg papperskorgen papirkurv papirkurven roskakori "
    "çöp_kutusu корзина кошик κάδος 回收站 資源回收筒 垃圾桶 ごみ箱 ゴミ箱 휴지통 trashed recycled "
    "recycler"
)
# Beside classes of waste, they are classes, too.
_WASTE = re.compile(
    r"(?<![a-z])(bins?|cans?|litter|metal|glass|paper)(?![a-z])|trash|waste|landfill|compost|"
    r"recycl|rubbish|garbage|organic|hazardous|cardboard|plastic|bottle|müll|abfall|déchet|basura|"
    r"lixo|rifiut|odpad|мусор|垃圾|ゴミ|쓰레기",
    re.IGNORECASE,
)
_OUTPUTS = _words(
    "wandb mlruns mlartifacts lightning_logs tb_logs tf_logs tensorboard tensorboard_logs multirun "
    "ray_results catboost_info ipynb_checkpoints keras_tuner"
)
# Folders that macOS shows as one file, and those of Python.
_PROGRAM = re.compile(
    r"venv|site-packages|.+\.(photoslibrary|photolibrary|aplibrary|lrlibrary|lrdata|lrcat-data|"
    r"cocatalog|app|bundle|framework)",
    re.IGNORECASE,
)
_RESULT_WORDS = _words(
    "results result outputs output predictions prediction predicted preds pred inference "
    "visualizations visualization submissions submission logs checkpoints"
)
# These hold folders, one for a run, where classes hold images.
_OUTPUT_WORDS = _RESULT_WORDS | _words(
    "runs run log checkpoint ckpt ckpts experiments exp weights models plots figures reports"
)
# Alone, or with a small number, such a word may be a class, too.
_EARLIER_WORDS = _words("backup backups bak tmp temp")
_EARLIER = re.compile(
    r"(?P<mark>[_~#@!.\W])*(backups?|bak|tmp|temp|old|orig|cache|trash|deleted?|unused|ignored?|"
    r"excluded?|rejected|rejects|junk)"
    r"(?P<date>[\W_]*(19|20)\d\d([\W_]?\d\d){0,2})?[\W_]*"
)
# What nobody has labeled, and a few of all classes, to be shown; and words for what a model is
# to name, or has named.
_WITHOUT_CLASS = _words(
    "unsup to_label to_sort sample samples sample_images example examples demo query queries "
    "pseudo pseudo_labels submission submissions"
)
_ASKED = _words("predict prediction predictions predicted pred preds infer inference")
# Names of folders that are rather those of tools, or of what has no class yet.
_RARELY_CLASSES = (
    _BIN_WORDS
    | _OUTPUT_WORDS
    | _EARLIER_WORDS
    | frozenset(
        [
            *("unsup", "background noise", "to label", "to sort", "unsorted", "unsortiert"),
            *("thumbnails", "thumbs", "previews", "resized", "augmented", "copy"),
            *("deleted", "rejected", "duplicates", "new folder"),
            *("cache", "old", "misc", "todo", "screenshots", "untitled folder", "untitled", "bin"),
            *("ignore", "ignored", "exclude", "excluded", "delete", "to delete", "junk"),
            *("src", "docs", "assets", "static", "scripts", "notebooks", "utils", "config"),
            *("heatmaps", "gradcam", "rejects", "skipped", "corrupted", "attachments"),
        ]
    )
)
# What people and drives write onto the name of an earlier state, of what is made of a class, or of
# a part of it.
_EARLIER_END = re.compile(
    r"[\s_.-]+(old|backup|bak|orig|original|new|aug|augmented)[\s_.-]*\d*$|-0\d\d$| \d$"
)

# Folders of cameras: three digits and five of letters and digits, which mostly name the maker, or
# the day (https://www.cipa.jp/std/documents/e/DC-009-2010_E.pdf, 3.2), and what holds them.
_CAMERA = re.compile(r"dcim|private|(?=.*[A-Z_])[1-9]\d\d[A-Z\d_]{5}|20\d{4}_[_a-z]")
_OF_CAMERA = re.compile(
    r"(?i:dcim)|[1-9]\d\d(APPLE|CANON|MEDIA|MSDCF|NIKON|NCD\d\d|ND\d{3}|D\d{4}|_PANA|_FUJI|OLYMP|"
    r"GOPRO|CASIO|LEICA|RICOH|PENTX|SIGMA|EOS\w\w|ANDRO|SSCAM|___\d\d|_\d{4})|20\d{4}__"
)
_PHONE = _words(
    "camera camera_roll dcim screenshots screen_recordings whatsapp_images whatsapp sent private "
    "download downloads pictures saved_pictures instagram telegram facebook messenger snapchat "
    "viber twitter signal wechat weixin line kakaotalk bluetooth restored edited favorites raw"
)
_ONLY_PHONE = _words(
    "camera camera_roll dcim whatsapp_images screenshots download downloads saved_pictures"
)
_DAY = re.compile(
    r"(19|20)\d\d([-_. ](0[1-9]|1[0-2])([-_. ][0-3]\d)?|(0[1-9]|1[0-2])[0-3]\d)([\W_].*)?"
    r"|[0-3]\d[-_.](0[1-9]|1[0-2])[-_.](19|20)\d\d([\W_].*)?"
)
_DATE = re.compile(r"(19|20)\d\d([-_. ]?(0[1-9]|1[0-2])([-_. ]?[0-3]\d)?)?")
# Albums of a year, as Google and others write them.
_ALBUM = re.compile(r"(photos from|fotos (von|de)|photos de) \d{4}")
_NEW = re.compile(
    r"(new folder|untitled folder|unbenannter ordner|neuer ordner|nouveau dossier|nueva carpeta|"
    r"nova pasta|nuova cartella|nieuwe map|новая папка|新建文件夹|新しいフォルダー?|새 폴더)"
    r"[\W_]*\d*[\W_]*"
)
# Sides in pixels, and what microscopes magnify by.
_SIZE = re.compile(r"(size[\W_]*)?\d+ ?([x\u00d7] ?\d+|px|x)")
# Folders that data are dealt to for other reasons than their class, as in fold_2 and images_002.
_PORTION = re.compile(r"(.+[\W_])?(k?fold|cv|split|chunk|shard|batch|part)[\W_]*(\d+|[a-z])")
_PART = re.compile(rf"{_PORTION.pattern}|(.+[\W_])?({'|'.join(IMAGE_FOLDERS)})[\W_]*\d+")
# Things of which there are several images each; with a table beside them, that has the classes.
_THING = re.compile(
    r"(.+[\W_])?(patient|subject|case|participant|study|series|exam|scan|visit|session|slide|"
    r"specimen|video|clip|sequence|scene)s?[\W_]*\d+[a-z]?"
)
_NUMBERED = re.compile(
    r"(patient|subject|case|participant|study|scan|visit|session|camera|site|video|clip|day|week|"
    r"month|trip|roll|album|card|folder)s?[\W_]*\d+"
)
# The first letters of names of files, where these are digits of a hash.
_HASH = re.compile(r"[\da-f]{2,3}")
# Parts of a download, as cloud drives name them, and as they may be without the time.
_DOWNLOAD = re.compile(
    r"(?P<google>.+?)-(19|20)\d{6}T\d{6}Z(-\d+)*"  # photos-20240101T101010Z-1-001
    r"|(?P<apple>.+?) part \d+ of \d+"  # iCloud Photos Part 1 of 3
    r"|(onedrive|wetransfer)[\W_].*\d.*",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"(.+?)-(0\d\d)")
# Words for classes that are numbered.
_RANK = re.compile(r"(.*[\W_])?(class|cls|label|category|type|species|grade|level|id|no|c|s)s?")


def is_litter(name: str) -> bool:
    """Whether a folder is hidden or one of the system's."""
    return name.startswith(".") or name.lower() in _LITTER


def is_bin(name: str) -> bool:
    """Whether a folder is named as only bins and snapshots are."""
    return _BIN.fullmatch(name) is not None


def no_class(name: str, beside: Iterable[str]) -> str | None:
    """Returns the kind of a folder's files if its name is clearly that of no class.

    `beside` are the names of the folders beside it.
    """
    plain = _plain(name)
    if name in _BINS or plain in _BINS:
        return None if any(map(_WASTE.search, beside)) else BINS
    if plain in _OUTPUTS:
        return OUTPUTS
    if _PROGRAM.fullmatch(name):
        return _PROGRAMS
    earlier = _EARLIER.fullmatch(name.casefold())
    return EARLIER if earlier and (earlier["mark"] or earlier["date"]) else None


def left_of_split(words: Collection[str]) -> str | None:
    """Returns the kind of a split's folder by the words of its name: of results, or earlier."""
    if not _RESULT_WORDS.isdisjoint(words):
        return _RESULTS
    return EARLIER if any(map(_EARLIER.fullmatch, words)) else None


def is_of_runs(name: str) -> bool:
    """Whether a folder is named as those in which tools keep their runs, each in its own."""
    return _plain(name) in _OUTPUT_WORDS


def maybe_no_class(name: str, beside: Iterable[str]) -> str | None:
    """Returns what a folder is named for, if that is no class, where it may well be one."""
    plain, beside = _plain(name), list(beside)
    if plain in _BIN_WORDS and not any(map(_WASTE.search, beside)):
        return "a bin"
    if _EARLIER_WORDS & {plain, re.sub(r"[\W\d_]+", "", plain)}:
        return "a backup or temporary files"
    if around_split(name) in ("", *(" ".join(name_words(other)) for other in beside)):
        return "a split"
    if is_for_later(name) or plain in _WITHOUT_CLASS or _ASKED.intersection(plain.split()):
        return "images without a class"
    return None


def is_of_camera(name: str) -> bool:
    """Whether a folder is named as only cameras do it."""
    return _OF_CAMERA.fullmatch(name) is not None


def named_alike(names: Collection[str], *, has_table: bool) -> str | None:
    """Returns what folders are, if all are named as things that are no classes.

    `has_table` is whether a table lies near, which may have the classes.
    """
    # Bins and the like lie beside them, too.
    names = [name for name in names if _plain(name) not in _RARELY_CLASSES] or names
    lowered = [name.lower() for name in names]
    plain = set(map(_plain, names))
    kinds = {
        "parts of a download": all(map(_DOWNLOAD.fullmatch, names)) or _are_counted(names),
        "parts of a whole": all(map(_PART.fullmatch, lowered)),
        "folders of a camera": all(map(_CAMERA.fullmatch, names)),
        "folders of a phone or computer": plain <= _PHONE and bool(plain & _ONLY_PHONE),
        "days": all(map(_DAY.fullmatch, lowered)),
        "albums": all(map(_ALBUM.fullmatch, lowered)),
        "new folders": all(map(_NEW.fullmatch, lowered)),
        "sizes or magnifications": all(map(_SIZE.fullmatch, lowered)),
    }
    if kind := next((kind for kind, is_one in kinds.items() if is_one), None):
        return kind
    are_hashes = all(map(_HASH.fullmatch, lowered)) and any(
        re.search(r"\d[a-f]|[a-f]\d", name) for name in lowered
    )
    are_things = are_hashes or all(map(_THING.fullmatch, lowered))
    return "parts of a whole" if has_table and are_things else None


def is_rarely_class(name: str) -> bool:
    """Whether a folder is named as those of tools, bins and copies are, rather than a class."""
    plain = _plain(name)
    return plain in _RARELY_CLASSES or plain in _BINS or plain in COPY_FOLDERS


def odd_names(names: Collection[str]) -> set[str]:
    """Returns those of some names, in small letters, that are rarely those of classes."""
    odd = {
        name
        for name in names
        if _plain(name) in _RARELY_CLASSES or _ALBUM.fullmatch(name) or _NEW.fullmatch(name)
    }
    odd |= {name for name in names if _EARLIER_END.sub("", name) in set(names) - {name}}
    for pattern in (_DATE, _NUMBERED):
        odd |= set(names) if all(map(pattern.fullmatch, names)) else set()
    return odd


def part_of(name: str, inside: Collection[str]) -> str | None:
    """Returns the name of the whole that a folder is a part of, None if it is plainly none.

    `inside` are the names of the folders in it: without the time of the download in its own, it
    is a part if it holds the whole's folder alone, as cats-001/cats.
    """
    if found := _DOWNLOAD.fullmatch(name):
        return found["google"] or found["apple"]
    counted = _COUNTED.fullmatch(name)
    return counted[1] if counted and set(inside) == {counted[1]} else None


def _are_counted(names: Collection[str]) -> bool:
    """Whether names are those of parts, as cats-001 and cats-002, and of no numbered classes."""
    found = [_COUNTED.fullmatch(name) for name in names]
    if not all(found):
        return False
    wholes = [one[1] for one in found if one]
    numbers = {int(one[2]) for one in found if one}
    return (
        len(set(wholes)) < len(wholes)
        and min(numbers) == 1
        and not any(_RANK.fullmatch(one.lower()) for one in wholes)
    )


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFC", name).casefold()
    return re.sub(r"[\s_.-]+", " ", folded).strip()
