import gzip
import io
import pickle
import struct

import numpy as np
import pytest
import scipy.io
from PIL import Image

from kerastl.config import Config
from kerastl.data.finding import find_source
from kerastl.errors import UsageError
from kerastl.progress import Progress

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 5, 4, 3), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)


def opened(path):
    config = Config(dataset=f"arrays:{path}", run_dir="run")
    return find_source(config, memory=None, progress=Progress())


def facts(source):
    names = [source.class_names[label] for label in source.labels]
    return [f"{split} {name}" for split, name in zip(source.given_splits, names, strict=True)]


def same_pixels(source, expected):
    loaded = np.stack([bmp(source.load(number)) for number in range(len(source))])
    return np.array_equal(loaded, expected)


def bmp(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def idx(array):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return struct.pack(">HBB", 0, 8, array.ndim) + shape + array.tobytes()


def of_mnist(folder):
    gray = PIXELS[..., 0]
    for name, count in (("train", 4), ("t10k", 2)):
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(gray[-count:])))
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(idx(LABELS[-count:]))
    return folder


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


def in_matlab(path, **arrays):
    scipy.io.savemat(path, arrays)
    return path


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": PIXELS, "labels": LABELS},
        {"x": PIXELS, "y": LABELS[:, None]},
        {"X": PIXELS.transpose(0, 3, 1, 2), "y": np.eye(3, dtype=np.uint8)[LABELS]},
        {"X": PIXELS.transpose(1, 2, 3, 0), "y": LABELS.astype(np.float64)},
    ],
    ids=["plain", "column", "channels first, one-hot", "images last, floats"],
)
@pytest.mark.parametrize("save", [saved, in_matlab])
def test_arrays_in_any_usual_order_are_read(tmp_path, arrays, save):
    path = tmp_path / ("a.npz" if save is saved else "a.mat")
    source = opened(save(path, **arrays))
    assert facts(source) == [f"train {label}" for label in LABELS]
    assert same_pixels(source, PIXELS)


def test_splits_and_classes_are_found_by_their_names(tmp_path):
    arrays = {
        **{"train_images": PIXELS[:3], "train_labels": LABELS[:3]},
        **{"val_images": PIXELS[3:4], "val_labels": LABELS[3:4]},
        **{"test_images": PIXELS[4:], "test_labels": LABELS[4:]},
        "class_names": np.array(["cat", "dog", "fish"]),
    }
    source = opened(saved(tmp_path / "med.npz", **arrays))
    assert facts(source) == [
        *("train cat", "train dog", "train fish"),
        *("validation cat", "test dog", "test fish"),
    ]
    assert same_pixels(source, PIXELS)


def test_folder_of_mnists_files_is_read(tmp_path):
    source = opened(of_mnist(tmp_path))
    assert facts(source) == [
        *("train 2", "train 0", "train 1", "train 2"),
        *("test 1", "test 2"),
    ]


def test_texts_and_hidden_files_beside_arrays_are_left_out(tmp_path):
    np.save(tmp_path / "x_train.npy", PIXELS)
    np.save(tmp_path / "y_train.npy", LABELS)
    (tmp_path / "README.md").write_text("text")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert facts(opened(tmp_path)) == [f"train {label}" for label in LABELS]


def test_path_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot be read \(No such file or directory\). Check"):
        opened(tmp_path / "no.npz")


def test_classes_are_in_the_order_of_their_numbers(tmp_path):
    labels = np.array([10, 2, 1, 10, 2, 1])
    source = opened(saved(tmp_path / "a.npz", images=PIXELS, labels=labels))
    assert source.class_names == ("1", "2", "10")


def test_validation_alone_is_what_others_are_split_off(tmp_path):
    source = opened(saved(tmp_path / "a.npz", val_images=PIXELS, val_labels=LABELS))
    assert set(source.given_splits) == {"train"}


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"images": PIXELS}, "has images (6, 5, 4, 3) and none with a label for each image. Leave"),
        (
            {"images": PIXELS, "fine": LABELS, "coarse": LABELS},
            "has images (6, 5, 4, 3) and 2 (fine, coarse) with a label for each image. Leave one",
        ),
        (
            {"a": PIXELS, "b": PIXELS, "labels": LABELS},
            "has 2 arrays of images for train (a (6, 5, 4, 3), b (6, 5, 4, 3)). Leave one, and",
        ),
        (
            {"rows": PIXELS.reshape(6, -1), "labels": LABELS},
            "has no images among its arrays (rows (6, 60), labels (6,)). Give an array of the",
        ),
        ({"images": PIXELS, "labels": np.array([{}] * 6)}, "a.npz cannot be read as arrays (Obj"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, arrays, problem):
    path = saved(tmp_path / "a.npz", **arrays)
    with pytest.raises(UsageError) as caught:
        opened(path)
    assert str(caught.value).startswith(f"dataset='arrays:{path}': {problem}")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (pickle.dumps({"data": [1]}), "is a Python pickle, not an array that is read"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "is an HDF5 file, not an array that is read"),
        (idx(LABELS)[:-2], "cannot be read as arrays"),
        (b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\0\2IM" + bytes(400), "cannot be read as arrays"),
        (b"", "is empty"),
    ],
    ids=["pickle", "HDF5", "cut", "MATLAB 7.3", "empty"],
)
def test_other_files_are_refused(tmp_path, content, problem):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UsageError, match=f"a {problem}"):
        opened(tmp_path / "a")


@pytest.mark.parametrize("kind", ["folder", "csv"])
@pytest.mark.parametrize("name", ["a.npz", "a.mat", "a-idx3-ubyte"])
def test_other_kinds_of_data_name_this_one(tmp_path, kind, name):
    path = tmp_path / name
    if name.endswith("npz"):
        saved(path, images=PIXELS, labels=LABELS)
    elif name.endswith("mat"):
        in_matlab(path, images=PIXELS, labels=LABELS)
    else:
        path.write_bytes(idx(PIXELS))
    places = [path, tmp_path] if kind == "folder" else [path]
    for place in places:
        config = Config(dataset=f"{kind}:{place}", run_dir="run")
        with pytest.raises(UsageError, match=r"ive arrays of images and labels as arrays:"):
            find_source(config, memory=None, progress=Progress())
