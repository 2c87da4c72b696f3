import contextlib
import gzip
import io
import pickle
import re
import struct
import zipfile

import h5py
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


def opened(path, stream=None, **settings):
    config = Config(dataset=f"arrays:{path}", run_dir="run", **settings)
    return find_source(config, memory=None, progress=Progress(stream))


def opened_with_lines(path, **settings):
    lines = io.StringIO()
    return opened(path, lines, **settings), lines.getvalue()


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


def in_new_matlab(path, **arrays):
    """Writes a file as MATLAB 7.3 does: HDF5 behind its head, dimensions and letters its way."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            texts = array.dtype.kind == "U"
            cells = [
                kept(file, f"#refs#/{name}{number}", np.array([[ord(one)] for one in text]), "char")
                for number, text in enumerate(array.reshape(-1) if texts else ())
            ]
            value = np.array([[one.ref for one in cells]], h5py.ref_dtype) if texts else array.T
            kept(file, f"set/{name}", value, "cell" if texts else str(array.dtype))
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + path.read_bytes()[512:])
    return path


def kept(file, name, value, of_class):
    item = file.create_dataset(name, data=value)
    item.attrs["MATLAB_class"] = np.bytes_(of_class)
    return item


def in_hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array.astype("S") if array.dtype.kind == "U" else array
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "x")
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
@pytest.mark.parametrize("save", [saved, in_matlab, in_new_matlab, in_hdf5])
def test_arrays_in_any_usual_order_are_read(tmp_path, arrays, save):
    path = tmp_path / ("a.npz" if save is saved else "a")
    source = opened(save(path, **arrays))
    assert facts(source) == [f"train {label}" for label in LABELS]
    assert same_pixels(source, PIXELS)


@pytest.mark.parametrize("save", [in_matlab, in_new_matlab, in_hdf5])
def test_names_of_classes_are_read_from_texts(tmp_path, save):
    names = np.array([["cat", "mule", "ox"]])
    names = names.astype(object) if save is in_matlab else names
    source = opened(save(tmp_path / "a", x=PIXELS, y=LABELS + 1, class_names=names))
    assert facts(source)[:3] == ["train cat", "train mule", "train ox"]


def test_folder_of_hdf5_files_with_columns_of_many_dimensions_is_read(tmp_path):
    for split, chosen in (("train", slice(4)), ("test", slice(4, 6))):
        in_hdf5(tmp_path / f"level_2_split_{split}_x.h5", x=PIXELS[chosen])
        in_hdf5(tmp_path / f"level_2_split_{split}_y.h5", y=LABELS[chosen].reshape(-1, 1, 1, 1))
    assert facts(opened(tmp_path))[2:] == ["train 2", "train 0", "test 1", "test 2"]


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_of_matlab_are_read_or_refused(tmp_path, compressed):
    names = np.array(["cat", "dog", "emu"], object)
    arrays = {"x": PIXELS[:, :2, :2], "y": LABELS, "s": {"class_names": names}}
    scipy.io.savemat(tmp_path / "whole.mat", arrays, do_compression=compressed)
    content = (tmp_path / "whole.mat").read_bytes()
    assert facts(opened(tmp_path / "whole.mat"))[:2] == ["train cat", "train dog"]
    stops = []
    for place in range(128, len(content), 5):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        (tmp_path / "a.mat").write_bytes(damaged)
        with contextlib.suppress(UsageError):
            opened(tmp_path / "a.mat")
            continue
        stops.append(place)
    assert len(stops) > 20


@pytest.mark.parametrize(
    ("words", "splits"),
    [
        (["train", "test", "train", "train", "test", "train"], ["train", "test"]),
        (["fit", "val", "fit", "fit", "val", "fit"], ["train", "validation"]),
    ],
)
@pytest.mark.parametrize("save", [saved, in_hdf5])
def test_words_for_splits_are_splits_and_no_labels(tmp_path, words, splits, save):
    path = save(tmp_path / "a.npz", x=PIXELS, kind=LABELS, subset=np.array(words))
    source, lines = opened_with_lines(path)
    assert [splits.index(split) for split in source.given_splits] == [0, 1, 0, 0, 1, 0]
    assert "Splits are those of subset." in lines
    with pytest.raises(UsageError, match="without labels"):
        opened(save(tmp_path / "b.npz", x=PIXELS, subset=np.array(words)))


def test_array_of_patients_is_of_groups(tmp_path):
    arrays = {"x": PIXELS, "label": LABELS, "patient_id": [7, 7, 8, 8, 9, 9], "age": [1] * 6}
    source, lines = opened_with_lines(saved(tmp_path / "a.npz", **arrays))
    assert [source.groups.tolist().index(group) for group in source.groups] == [0, 0, 2, 2, 4, 4]
    assert "Groups: images of the same patient_id stay in one split (3 groups)." in lines
    assert "Arrays that are not used: age (6,)." in lines


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
        ({"images": PIXELS}, "has images (6, 5, 4, 3) without labels. Give one array beside it"),
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
        *(
            (
                {"images": PIXELS, "labels": labels},
                f"has images (6, 5, 4, 3) without labels: {why}.",
            )
            for labels, why in (
                (np.array([{}] * 6), "labels holds Python objects"),
                (LABELS[:5], "labels has 5 values for 6 images"),
                (np.ones((6, 3), int), "labels has the shape (6, 3), not one class for each image"),
                (np.where(LABELS, LABELS, np.nan), "labels has 2 values that are NaN"),
                (LABELS / 4, "labels holds fractions, not whole numbers"),
                (np.array([b"\xe9t\xe9"] * 6), "labels holds bytes that are no UTF-8, as b'\\xe9t"),
                (np.array(["", *"abcde"]), "labels is empty for 1 image"),
                (np.array([(1, 2)] * 6, "i4,i4"), "labels is of the type [('f0', '<i4'),"),
            )
        ),
        (
            {"images": PIXELS, "labels": LABELS, "class_names": np.array(["cat", "dog"])},
            "has labels from 0 to 2, which do not number the 2 names in class_names. Number",
        ),
        (
            {"images": PIXELS, "labels": LABELS + 1, "class_names": np.array([*"abcd"])},
            "has labels from 1 to 3 and 4 names in class_names, which may count from 0 or from 1.",
        ),
        (
            {
                "train_x": PIXELS,
                "train_y": LABELS,
                "test_x": PIXELS,
                "test_y": np.array([*"abcabc"]),
            },
            "has labels that are names and labels that are numbers (train_y, test_y). Give",
        ),
        (
            {"images": PIXELS.astype(np.uint16) * 257, "labels": LABELS},
            f"images: uint16 from {int(PIXELS.min()) * 257} to {int(PIXELS.max()) * 257} is not in",
        ),
        ({"images": PIXELS - 0.5, "labels": LABELS}, "images: float64 from "),
        (
            {"images": PIXELS.repeat(2, 3), "labels": LABELS},
            "images (6, 5, 4, 6) is not (images, height, width) nor with 1 or 3 channels. Leave",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, arrays, problem):
    path = saved(tmp_path / "a.npz", **arrays)
    with pytest.raises(UsageError) as caught:
        opened(path)
    assert str(caught.value).startswith(f"dataset='arrays:{path}': {problem.removesuffix('.')}")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (pickle.dumps({"data": [1]}), "is a Python pickle, not an array that is read"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "cannot be read as arrays"),
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


def test_files_that_are_cut_are_refused(tmp_path):
    in_numpy = io.BytesIO()
    np.save(in_numpy, PIXELS)
    contents = [
        saved(tmp_path / "a.npz", x=PIXELS, y=LABELS).read_bytes(),
        in_matlab(tmp_path / "a.mat", x=PIXELS, y=LABELS).read_bytes(),
        gzip.compress(idx(PIXELS)),
        in_numpy.getvalue(),
        # A header that does not end, and one of no type.
        in_numpy.getvalue().replace(b"}", b" "),
        in_numpy.getvalue().replace(b"|u1", b",u1"),
    ]
    place = tmp_path / "cut"
    for content in contents:
        for length in range(8, len(content), 29):
            place.write_bytes(content[:length])
            with pytest.raises(UsageError, match=r"dataset='arrays:.*cut (cannot be read|is) "):
                opened(place)


@pytest.mark.parametrize(
    ("name", "content"),
    [("archive.zip", {"cat/1.png": b"1"}), ("model.pt", {"m/data.pkl": b"\x80\x02}q."})],
)
def test_archives_without_arrays_are_refused(tmp_path, name, content):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for member, text in content.items():
            archive.writestr(member, text)
    with pytest.raises(UsageError, match=f"{name} is a ZIP archive or a file of Office, not an"):
        opened(tmp_path / name)


OTHERS = {
    "num_classes": np.array(3),
    "boxes": np.zeros((0, 4), int),
    "more_images": np.zeros((0, 5, 4, 3), np.uint8),
    "when": np.array(["2020-01-01"], "M8[D]"),
    "c": np.array([1 + 2j]),
    "notes": np.array([{}] * 6),
    "ids": np.arange(6),
    "bins": np.arange(5),
    "mean": np.array([0.5, 0.5, 0.5]),
    "landmarks": np.zeros((6, 5, 2)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_arrays_that_are_neither_images_nor_labels_are_named_and_left_out(tmp_path, name):
    path = saved(tmp_path / "a.npz", images=PIXELS, labels=LABELS, **{name: OTHERS[name]})
    source, lines = opened_with_lines(path)
    assert facts(source) == [f"train {label}" for label in LABELS]
    assert f"\nArrays that are not used: {name} (" in lines


@pytest.mark.parametrize("pixels", [PIXELS[..., 0], PIXELS])
@pytest.mark.parametrize("count", PIXELS.shape[1:])
def test_length_of_a_side_makes_no_labels(tmp_path, pixels, count):
    path = saved(tmp_path / "a.npz", images=pixels, bins=np.arange(count))
    with pytest.raises(UsageError, match=f"without labels: bins has {count} values for 6 images"):
        opened(path)


def test_gray_images_that_are_last_need_labels_that_are_called_so(tmp_path):
    pixels = PIXELS[..., 0]
    path = in_matlab(tmp_path / "a.mat", X=pixels.transpose(1, 2, 0), y=LABELS + 1)
    assert same_pixels(opened(path), np.stack([pixels] * 3, axis=-1))


def test_names_in_labels_are_the_names_whatever_other_names_there_are(tmp_path):
    labels = np.array(["dog", "cat", "bird"])[LABELS]
    path = saved(tmp_path / "a.npz", images=PIXELS, labels=labels, class_names=labels[:3])
    assert facts(opened(path)) == [f"train {label}" for label in labels]


def test_texts_of_numbers_are_ordered_by_value(tmp_path):
    labels = np.array(["10", "9", "100"])[LABELS]
    path = saved(tmp_path / "a.npz", images=PIXELS, labels=labels)
    assert opened(path).class_names == ("9", "10", "100")


@pytest.mark.parametrize(
    ("labels", "expected", "left_out"),
    [([0, 1], "dog cat", "bird, eel"), ([0, 3], "dog eel", "cat, bird"), ([1, 4], "dog eel", "")],
)
def test_labels_are_numbers_of_the_names(tmp_path, labels, expected, left_out):
    names = np.array(["dog", "cat", "bird", "eel"])
    path = saved(tmp_path / "a.npz", images=PIXELS, labels=labels * 3, class_names=names)
    source, lines = opened_with_lines(path)
    assert facts(source) == [f"train {name}" for name in expected.split() * 3]
    assert f"Classes of class_names without an image, left out: {left_out}" in lines


def test_minus_one_may_be_a_missing_label(tmp_path):
    path = saved(tmp_path / "a.npz", images=PIXELS, labels=LABELS.astype(int) - 1)
    assert "Classes that may mean a missing value: -1 (2 images). " in opened_with_lines(path)[1]


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["cat", "chicken", "dog"])[LABELS],
        np.array(["cat", "chicken", "dog"], object)[LABELS],
    ],
    ids=["equally long texts", "cells"],
)
def test_texts_of_matlab_are_read_without_their_blanks(tmp_path, labels):
    path = in_matlab(tmp_path / "a.mat", data={"images": PIXELS, "labels": labels})
    assert facts(opened(path)) == [f"train {label}" for label in labels]


def test_named_labels_win_over_other_arrays_with_a_value_for_each_image(tmp_path):
    files = np.array([f"{number}.png" for number in range(6)])
    path = saved(tmp_path / "a.npz", images=PIXELS, classes=LABELS, filenames=files)
    assert facts(opened(path)) == [f"train {label}" for label in LABELS]


def test_names_of_arrays_win_over_the_name_of_their_file(tmp_path):
    arrays = {
        f"{name}_{split}": one
        for split in ("train", "test")
        for name, one in (("x", PIXELS), ("y", LABELS))
    }
    saved(tmp_path / "train_test.npz", **arrays)
    np.save(tmp_path / "class_names.npy", np.array(["cat", "dog", "eel"]))
    source = opened(tmp_path)
    assert facts(source)[:2] + facts(source)[-1:] == ["train cat", "train dog", "test eel"]


@pytest.mark.parametrize(
    "numbers",
    [
        {"train_idx": [5, 0, 1, 2], "test_idx": [4, 3]},
        {"trnid": [[6, 1, 2, 3]], "tstid": [[4, 5]]},
        {"train_mask": [True, True, True, False, False, True], "is_test": [0, 0, 0, 1, 1, 0]},
    ],
)
def test_arrays_of_numbers_of_images_are_splits(tmp_path, numbers):
    source, lines = opened_with_lines(saved(tmp_path / "a.npz", x=PIXELS, y=LABELS, **numbers))
    assert source.given_splits.tolist() == ["train"] * 3 + ["test"] * 2 + ["train"]
    assert f"Splits are those of {', '.join(numbers)}." in lines


@pytest.mark.parametrize(
    "numbers",
    [
        {"train_idx": [0, 1, 2], "test_idx": [2, 3, 4, 5]},
        {"train_idx": [0, 1, 2], "test_idx": [3, 4]},
        {"train_idx": [2, 3, 4], "test_idx": [5, 6, 7]},
        {"train_idx": [0.5, 1, 2], "test_idx": [3, 4, 5]},
    ],
    ids=["in both", "in none", "beyond", "fractions"],
)
def test_numbers_that_do_not_divide_the_images_are_refused(tmp_path, numbers):
    path = saved(tmp_path / "a.npz", x=PIXELS, y=LABELS, **numbers)
    with pytest.raises(UsageError, match=r"has train_idx, test_idx, named for a split, without"):
        opened(path)
    source, lines = opened_with_lines(path, split_column="none")
    assert set(source.given_splits) == {"train"}
    assert "Arrays that are not used: train_idx (3,), test_idx (" in lines


@pytest.mark.parametrize(
    ("arrays", "tests", "line"),
    [
        ({"is_test": [False, True, False, False, True, False]}, "test", "is_test (False is train"),
        ({"is_train": [1, 0, 1, 1, 0, 1]}, "test", "is_train (1 is train, 0 is test)"),
        ({"partition": [b"Train", b"Dev", b"Train", b"Train", b"Dev", b"Train"]}, "validation", ""),
        ({"split": ["train", "test", "", "train", "test", ""]}, "test", "split"),
        ({"train": [1, 0, 1, 1, 0, 1], "val": [0, 1, 0, 0, 1, 0]}, "validation", "train, val."),
    ],
)
def test_array_of_splits_is_read_as_a_column_is(tmp_path, arrays, tests, line):
    values = {name: np.array(array) for name, array in arrays.items()}
    source, lines = opened_with_lines(saved(tmp_path / "a.npz", x=PIXELS, y=LABELS, **values))
    assert source.given_splits.tolist() == [
        tests if place in (1, 4) else "train" for place in range(6)
    ]
    assert f"Splits are those of {line}" in lines


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("split", [0, 0, 0, 1, 2, 2], "has '0', '1', '2' as split, which looks like the split, in"),
        ("fold", [1, 2, 3, 1, 2, 3], "add --split_column=none"),
        ("valid", [1, 1, 0, 1, 0, 1], "has yes and no as valid, which may mean a split or"),
        ("fold", [0.5, 1, np.nan, 1, 2, 0], "has fold, named for a split, without a word"),
        ("split", [None, "test", "train", "test", "a", "b"], "has split, named for a split, with"),
    ],
)
def test_array_that_looks_like_splits_is_never_ignored(tmp_path, name, values, words):
    path = saved(tmp_path / "a.npz", x=PIXELS, y=LABELS, **{name: np.array(values)})
    with pytest.raises(UsageError) as caught:
        opened(path)
    assert words in str(caught.value)
    source, lines = opened_with_lines(path, split_column="none")
    assert set(source.given_splits) == {"train"}
    assert f"Arrays that are not used: {name} (" in lines


def test_values_of_an_array_are_given_a_split(tmp_path):
    path = saved(tmp_path / "a.npz", x=PIXELS, y=LABELS, fold=[0, 0, 0, 1, 2, 2])
    source, lines = opened_with_lines(path, split_values="1=validation,2=test")
    assert source.given_splits.tolist() == ["train"] * 3 + ["validation"] + ["test"] * 2
    assert "Splits are those of fold (1 is validation, 2 is test, 0 is train)." in lines
    for column in ("other", "x"):
        with pytest.raises(UsageError, match=r"split_column='.*': is no array with a value for"):
            opened(path, split_column=column)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floats_from_0_to_1_are_scaled(tmp_path, kind):
    path = saved(tmp_path / "a.npz", images=(PIXELS / 255).astype(kind), labels=LABELS)
    source, lines = opened_with_lines(path)
    assert same_pixels(source, PIXELS)
    assert f"Pixels of {np.dtype(kind)} in " in lines
    assert "are scaled by 255." in lines


@pytest.mark.parametrize("kind", [np.int64, np.uint16, np.float32])
def test_whole_numbers_of_other_types_are_pixels(tmp_path, kind):
    path = saved(tmp_path / "a.npz", images=PIXELS.astype(kind), labels=LABELS)
    source, lines = opened_with_lines(path)
    assert same_pixels(source, PIXELS)
    assert "scaled" not in lines


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
        with pytest.raises(UsageError, match=r"ive (arrays of images and labels|them) as arrays:"):
            find_source(config, memory=None, progress=Progress())


def by_folders(path):
    """A file for each image in folders of splits and classes, with sizes of their own."""
    for number, place in enumerate(("train/cat", "train/dog", "test/dog", "train/cat")):
        file = path / place / f"{number}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, PIXELS[number, : number + 2])
    return path


def by_names(path):
    for name, pixels in (("cat", PIXELS[:2]), ("v1.5 dog", PIXELS[2:, ..., 0].repeat(2, 2) / 255)):
        np.save(path / f"{name}.npy", pixels / 255 if name == "cat" else pixels)
    return path


def in_group(path):
    with h5py.File(path / "a.h5", "w") as file:
        for number, name in enumerate(("cat", "dog", "dog")):
            file[f"{name}/{number}"] = PIXELS[number]
    return path / "a.h5"


def nested(path):
    return saved(path / "a.npz", **{f"{name}/{name}s": PIXELS for name in ("cat", "dog")})


@pytest.mark.parametrize(
    ("write", "expected", "line"),
    [
        (by_folders, ["test dog", "train cat", "train cat", "train dog"], "4 arrays.*cat 2, dog 2"),
        (by_names, ["train cat"] * 2 + ["train v1.5 dog"] * 4, "2 arrays.*cat 2, v1.5 dog 4"),
        (in_group, ["train cat", "train dog", "train dog"], "3 arrays.*cat 1, dog 2"),
        (nested, ["train cat"] * 6 + ["train dog"] * 6, "2 arrays.*cat 6, dog 6"),
    ],
)
def test_arrays_may_be_named_for_their_class(tmp_path, write, expected, line):
    source, said = opened_with_lines(write(tmp_path))
    assert sorted(facts(source)) == expected
    assert re.search(f"Arrays: {line}", said)
    label = source.class_names.index("cat")
    first = bmp(source.load(source.labels.tolist().index(label)))
    assert np.array_equal(first, PIXELS[0, : len(first)])


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("train", "test"), "without labels"),
        (("images", "masks"), "without labels"),
        (("x", "y"), "without labels"),
    ],
)
def test_arrays_that_are_named_for_a_part_are_no_classes(tmp_path, names, problem):
    with pytest.raises(UsageError, match=problem):
        opened(saved(tmp_path / "a.npz", **dict.fromkeys(names, PIXELS)))


def test_pixels_in_a_row_are_named(tmp_path):
    path = saved(tmp_path / "a.npz", rows=np.zeros((6, 3072), np.uint8), labels=LABELS)
    with pytest.raises(UsageError, match="of which rows may be images of 32 x 32 x 3 pixels in"):
        opened(path)
