"""Folders of images: a layout, and what else lies about in it."""

import json
import random

from picture_files import HEIC, HTML
from zoo import Specimen
from zoo_images import TOP, lines
from zoo_layouts import ALONE, LAYOUTS

_OUTER = [
    "archive",
    "dataset",
    "PlantVillage",
    "data",
    "flowers (1)",
    "My Pictures",
    "v2",
    "images",
]


_TEXT = b"some text\nof several lines\n"
_ZIP = b"PK\3\4" + bytes(50)
_VIDEO = b"\0\0\0\x14ftypqt  " + bytes(range(200))
_SOUND = b"RIFF\0\0\0\0WAVEfmt "
# Names by content.
_LITTER = {
    _TEXT: "README.md classes.txt urls.txt README LICENSE SHA256SUMS checksum.md5 train.log 1.png~",
    b"": ".nomedia .gitkeep Icon\r",
    b"[x]\r\n": "desktop.ini .picasa.ini Picasa.ini .directory x.url 1.png:Zone.Identifier",
    b"\xd0\xcf\x11\xe0" + bytes(60): "Thumbs.db ehthumbs_vista.db ~$notes.docx .DS_Store",
    b"image,label\n": "labels.csv list.tsv",
    b"{}": "list.json book.ipynb a.jsonl 1.png.json",
    b"<a/>": "a.xml logo.svg x.webloc page.html",
    b"#!/bin/sh\n": "run.sh go.bat script.py data.yaml .gitattributes",
    b"\0\0\0\x18ftypisom" + bytes(90): "clip.mp4 clip.mov",
    b"RIFF\0\0\0\0AVI LIST": "clip.avi",
    _SOUND: "sound.wav",
    b"ID3\3" + bytes(50): "sound.mp3",
    b"%PDF-1.7\n": "paper.pdf",
    _ZIP: "old.zip notes.docx table.xlsx weights.pt",
    b"\x1f\x8b\x08": "old.tar.gz",
    b"\x93NUMPY\1\0": "features.npy",
    b"\x89HDF\r\n\x1a\n": "model.h5",
    b"\x80\4": "data.pkl a.parquet a.tfrecord",
    b"{\\rtf1}": "a.rtf",
    b"L\0\0\0": "x.lnk",
    b"\x89PNG": "1.png.part 1.png.crdownload",
    b"x": ".1.png.swp ._1.png .hidden.png",
}
_CONTENT = {name: content for content, names in _LITTER.items() for name in names.split(" ")}
_BINS = [
    name
    for line in lines("""
#recycle / @Recycle / @Recently-Snapshot / .recycle / $RECYCLE.BIN / RECYCLER/S-1-5-7
.Trash-1000 / @eaDir / lost+found / #snapshot / .snapshot / __MACOSX / .ipynb_checkpoints
.git / .thumbnails / .stversions / .dropbox.cache / .@__thumb / .AppleDouble / __pycache__
.Trashes / System Volume Information
""")
    for name in line
]
_RUN = {
    "metrics.json": b"{}",
    "flags.txt": b"--dataset=folder:.\n",
    "receipt.json": b"{}",
    "splits.csv": b"example,split\n",
    "history.csv": b"epoch\n",
    "predictions.csv": b"example\n",
    "model.keras": b"PK\3\4",
    "model_card.json": json.dumps({"class_names": ["a"]}).encode(),
}
_EXPORT = {
    "saved_model.pb": b"\x08\1",
    "variables/variables.index": b"x",
    "model_card.json": b"{}",
    "model.tflite": b"TFL3",
}


def litter(rng, specimen):
    for name in rng.sample(sorted(_CONTENT), rng.randint(1, 6)):
        specimen.files[f"{rng.choice([*specimen.homes, TOP])}/{name}"] = _CONTENT[name]


def bins(rng, specimen):
    place = rng.choice([TOP, TOP, *specimen.homes])
    for name in rng.sample(_BINS, rng.randint(1, 3)):
        for file in rng.sample(["old.png", "red/05.png", "a/b/c.png", "x.db"], 2):
            specimen.files[f"{place}/{name}/{file}"] = specimen.picture()


def side_files(rng, specimen):
    home = rng.choice(list(specimen.homes))
    for number in range(5):
        specimen.files[f"{home}/IMG_9{number}.MOV"] = _VIDEO
        specimen.files[f"{home}/IMG_9{number}.AAE"] = b'<?xml version="1.0"?><plist/>'
        specimen.files[f"{home}/IMG_9{number}.png.{rng.choice(['xmp', 'json'])}"] = b"<x:xmpmeta/>"
    specimen.told.append(r"\d+ videos")


def placeholders(rng, specimen):
    home = rng.choice(list(specimen.homes))
    for number in range(6):
        specimen.files[f"{home}/.9{number}.png.icloud"] = b"bplist00" + bytes(160)
    specimen.told.append("6 .*(placeholder|not on this disk|not downloaded|cloud)")


def papers(rng, specimen):
    """A folder that holds no picture."""
    name = rng.choice(["docs", "annotations", "labels", "scripts", "meta", "videos"])
    ending, content = {"videos": ("mp4", _VIDEO), "scripts": ("py", b"import os\n")}.get(
        name, ("txt", _TEXT)
    )
    for number in range(3):
        specimen.files[f"{TOP}/{name}/{number}.{ending}"] = content
    specimen.causes.append(name)


def own_output(rng, specimen):
    for place, files in (("runs/first", _RUN), ("saved_models/x/1", _EXPORT)):
        for name, content in files.items():
            specimen.files[f"{TOP}/{place}/{name}"] = content


def loose_images(rng, specimen):
    place = rng.choice(specimen.above)
    count = rng.randint(1, 3)
    for number in range(count):
        specimen.files[f"{place}/loose{number}.png"] = specimen.picture()
    specimen.told.append(r"outside|left out|in no class|not in a class")
    if 2 * count >= sum(name.startswith(f"{place}/") for name in specimen.files):
        # So few are in classes that these may be the rest.
        specimen.causes.append("no class folders")


def empty_folder(rng, specimen):
    specimen.folders.add(
        f"{rng.choice(specimen.above)}/{rng.choice(['new', 'Untitled Folder', 'empty'])}"
    )
    specimen.causes.append("new|Untitled|empty")


def loops(rng, specimen):
    place = rng.choice([*specimen.homes, *specimen.above])
    specimen.links[f"{place}/loop"] = rng.choice([".", *([".."] if "/" in place else [])])


def links_nowhere(rng, specimen):
    specimen.links[f"{rng.choice(list(specimen.homes))}/gone.png"] = "no/such/file.png"
    specimen.must_stop("no such file|broken|link|cannot be used|gone")


def linked_in(rng, specimen):
    """Pictures elsewhere, by links to a file and a folder."""
    home, key = rng.choice(list(specimen.homes.items()))
    if key is None or len(specimen.readings) != 1:
        return
    for number in range(3):
        specimen.files[f"elsewhere/{number}.png"] = specimen.picture()
    if rng.random() < 0.5:
        specimen.links[f"{home}/more"], more = "ROOT/elsewhere", 3
    else:
        specimen.links[f"{home}/linked.png"], more = "ROOT/elsewhere/1.png", 1
    (counts,) = specimen.readings
    split, name = key
    counts[split if (split, name) in counts else "train", name] += more


def hidden_folder(rng, specimen):
    place = rng.choice([*specimen.homes, *specimen.above])
    specimen.files[f"{place}/.thumbs/1.png"] = specimen.picture()
    specimen.files[f"{place}/.cat/deep/2.png"] = specimen.picture()


def sounds(rng, specimen):
    """More of them than of pictures, as in data of speech."""
    for number, home in enumerate([*specimen.homes] * 60):
        ending = rng.choice(["wav", "mp3", "txt", "svg", "flac"])
        specimen.files[f"{home}/s{number}.{ending}"] = _SOUND


def wrong_kind(rng, specimen):
    """A file that claims to be a picture and is none."""
    content, cause = rng.choice(
        [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "pointer|lfs"),
            (b"", "empty"),
            (HTML, "web page|html"),
            (HEIC, "HEI"),
            (b"%PDF-1.7\n" + bytes(60), "pdf"),
            (b"PK\3\4" + bytes(60), "zip|archive"),
            (b"\0\0\0\x18ftypisom" + bytes(60), "video|mp4"),
            (b"\x93NUMPY\1\0" + bytes(60), "numpy|array"),
            (bytes(128) + b"DICM" + bytes(200), "dicom"),
            (specimen.picture()[:-40], "damaged|truncated|incomplete|cut"),
            (bytes(300), "zero|no image"),
        ]
    )
    count = rng.choice([1, 1, 40])
    home = rng.choice(list(specimen.homes))
    for number in range(count):
        specimen.files[f"{home}/wrong {number}.jpg"] = content
    specimen.must_stop(cause)


def wrapped(rng, specimen):
    """One folder around everything, or two."""
    outer = "/".join(rng.sample(_OUTER, rng.randint(1, 2)))
    for kept in (specimen.files, specimen.links):
        renamed = {name.replace(TOP, f"{TOP}/{outer}", 1): value for name, value in kept.items()}
        kept.clear()
        kept.update(renamed)
    specimen.folders = {name.replace(TOP, f"{TOP}/{outer}", 1) for name in specimen.folders}
    inner = {
        name: to.replace(f"ROOT/{TOP}", f"ROOT/{TOP}/{outer}")
        for name, to in specimen.links.items()
    }
    specimen.links |= inner
    specimen.causes.append(f"{TOP}/{outer.split('/')[0]}|single folder")
    if rng.random() < 0.4:
        specimen.files[f"{TOP}/meta/train.txt"] = _TEXT
        specimen.files[f"{TOP}/README.roboflow.txt"] = _TEXT
        specimen.causes.append("meta")


EXTRAS = [
    litter,
    bins,
    side_files,
    placeholders,
    papers,
    own_output,
    loose_images,
    empty_folder,
    loops,
    links_nowhere,
    linked_in,
    hidden_folder,
    sounds,
    wrong_kind,
    wrapped,
]


def folder_specimen(seed: int) -> Specimen:
    """Composes a folder: the layout in turn, everything else by chance."""
    rng = random.Random(seed)
    layout = LAYOUTS[seed % len(LAYOUTS)]
    specimen = layout(rng)
    specimen.homes = specimen.homes or {
        name.rpartition("/")[0]: None for name in sorted(specimen.files)
    }
    specimen.above = specimen.above or [TOP]
    if layout not in ALONE:
        # Around everything last.
        for extra in sorted(rng.sample(EXTRAS, rng.choice([0, 1, 1, 2, 3])), key=EXTRAS.index):
            extra(rng, specimen)
            specimen.features.append(extra.__name__)
        specimen.dataset, specimen.working_folder = rng.choice(
            [*[(specimen.dataset, ".")] * 3, ("folder:.", TOP), (f"{specimen.dataset}/", "."),
             (f"folder:./{TOP}", "."), (f"folder:../{TOP}", TOP)]
        )  # fmt: skip
    return specimen
