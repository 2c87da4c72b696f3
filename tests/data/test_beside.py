import re

import pytest

from kerastl.data import beside
from kerastl.data.beside import claims_picture, find_masks, other_kind
from kerastl.data.file_formats import FORMATS

KINDS = {
    "videos": ["IMG_1.MOV", "clip.mp4", "a.b.webm", "VID.insv", "old.rmvb"],
    "sounds": ["voice.m4a", "song.MP3", "x.opus"],
    "texts": ["labels.txt", "README", "LICENSE", "boxes.json", "a.xml", "notes.MD"],
    "tables": ["_classes.csv", "list.xlsx"],
    "code files": ["load.py", "Makefile", "view.ipynb"],
    "archives": ["all.zip", "red.tar.gz", "part1.rar"],
    "documents": ["scan.pdf", "report.docx", "mail.eml"],
    "web pages": ["index.html", "saved.mhtml"],
    "side files of cameras and editors": ["00.AAE", "00.xmp", "P1.THM", "DSC.NEF.pp3"],
    "vector graphics": ["logo.svg", "logo.svgz", "plan.dxf", "print.eps"],
    "3D models": ["chair.obj", "part.stl", "cloud.ply"],
    "arrays": ["x.npy", "all.h5"],
    "Parquet or Arrow files": ["train-00000-of-00002.parquet", "data.ARROW"],
    "TFRecord files": ["train.tfrecord", "x-train.tfrecord-00000-of-00002", "a.tfrec"],
    "LMDB databases": ["data.mdb", "all.lmdb"],
    "models": ["best.pt", "m.onnx", "m.keras"],
    "databases": ["Thumbs.db", "index.sqlite"],
    "fonts": ["a.ttf", "b.woff2"],
    "programs": ["setup.exe", "view.dll"],
    "cloud placeholders": [".05.png.icloud", "05.jpg.nextcloud", "plan.gdoc"],
    "shortcuts": ["red.lnk", "page.URL"],
    "unfinished downloads": ["a.jpg.crdownload", "a.jpg.part"],
    "backup copies": ["a.jpg~", "a.jpg.bak"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_name_tells_a_kind_that_is_no_picture(kind):
    assert {name: other_kind(name) for name in KINDS[kind]} == dict.fromkeys(KINDS[kind], kind)


def test_no_picture_is_given_another_kind():
    endings = {ending for one in FORMATS for ending in one.endings}
    names = [f"a{ending}" for ending in endings | {".CR2", ".heic", ".tif", ".dcm", ".psd"}]
    assert [name for name in names if other_kind(name) or not claims_picture(name)] == []


@pytest.mark.parametrize("name", ["0a1b2c", "figure 2.c", "a.dat", "photo.2024", ".jpg", "mp4"])
def test_name_that_tells_nothing_is_left_to_its_content(name):
    assert other_kind(name) is None
    assert not claims_picture(name)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("flu (1).png flu (2).png", "flu (1)_mask.png flu (2)_mask.png flu (2)_mask_1.png"),
        ("a.JPG b.JPG", "a_Segmentation.png b-ground-truth.tif"),
        ("a.b.jpg", "a.b.gt.png"),
        # Pictures of masks, and of one person with and without.
        ("1.jpg with_mask.jpg gas mask.jpg mask_1.jpg", ""),
        ("ann.jpg ann_mask.jpg bob.jpg eve.jpg", ""),
    ],
)
def test_masks_are_told_by_the_images_beside_them(images, masks):
    # The blanks within the names come before a bracket or a small word.
    split = re.compile(r" (?!\(|mask\.)").split
    masks = set(split(masks)) - {""}
    assert find_masks([*split(images), *masks]) == masks


def test_every_ending_stands_for_one_kind():
    endings = [ending for text in beside.ENDINGS.values() for ending in text.split()]
    assert len(endings) == len(set(endings))
    assert not set(endings) & set(beside.PICTURES.split())
