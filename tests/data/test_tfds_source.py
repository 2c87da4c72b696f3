import contextlib
import functools
import io
import json
import pathlib
import socket
import time

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

import fakes
import kerastl
from graph_reading import read_in_graph
from kerastl.config import Config
from kerastl.data.content import hash_all
from kerastl.data.images import decode
from kerastl.data.opening import open_source
from kerastl.data.tfds_source import read_tfds
from kerastl.errors import KerastlError, UsageError
from kerastl.progress import Progress

NAME = "kerastl_greys"
CLASSES = ["dark", "light"]
IMAGE = {
    "pythonClassName": "tensorflow_datasets.core.features.image_feature.Image",
    "image": {"dtype": "uint8", "shape": {"dimensions": ["-1", "-1", "3"]}},
}
LABEL = {
    "pythonClassName": "tensorflow_datasets.core.features.class_label_feature.ClassLabel",
    "classLabel": {"numClasses": "2"},
}
TEXT = {"pythonClassName": "tensorflow_datasets.core.features.text_feature.Text", "text": {}}


def png(split, index):
    gray = (17 * index + len(split)) % 256
    return tf.io.encode_png(np.full((3 + index, 4, 1), gray, np.uint8)).numpy()


def example(split, index, secret=(), broken=()):
    label = -1 if {split, f"{split}[{index}]"} & set(secret) else index % 2
    content = png(split, index)[: 40 if f"{split}[{index}]" in broken else None]
    values = {
        # Comes before the image and holds its bytes' beginning.
        "about": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"\x89PNG" * index])),
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()


def shard_path(folder, split, shard, shards):
    return folder / f"{NAME}-{split}.tfrecord-{shard:05d}-of-{shards:05d}"


def write_set(
    root,
    splits=None,
    *,
    features=None,
    supervised=("image", "label"),
    form="tfrecord",
    secret=(),
    broken=(),
):
    """Writes a prepared data set, its files and not its builder; returns its folder."""
    splits = {"train": [5, 4], "test": [3]} if splits is None else splits
    features = {"about": TEXT, "image": IMAGE, "label": LABEL} if features is None else features
    folder = root / NAME / "1.0.0"
    folder.mkdir(parents=True)
    for split, lengths in splits.items():
        first = 0
        for shard, length in enumerate(lengths):
            path = shard_path(folder, split, shard, len(lengths))
            with tf.io.TFRecordWriter(str(path)) as writer:
                for index in range(first, first + length):
                    writer.write(example(split, index, secret, broken))
            first += length
    info = {
        "name": NAME,
        "version": "1.0.0",
        "fileFormat": form,
        "splits": [
            {
                "name": split,
                "shardLengths": [str(length) for length in lengths],
                "numBytes": "1000",
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            }
            for split, lengths in splits.items()
        ],
    }
    if supervised:
        info["supervisedKeys"] = {"tuple": {"items": [{"featureKey": key} for key in supervised]}}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "features.json").write_text(
        json.dumps(
            {
                "pythonClassName": "tensorflow_datasets.core.features.features_dict.FeaturesDict",
                "featuresDict": {"features": features},
            }
        )
    )
    (folder / "label.labels.txt").write_text("\n".join(CLASSES))
    return folder


def read(root, name=NAME):
    return read_tfds(name, data_dir=str(root), progress=Progress())


def refusal(root, name=NAME, kind=UsageError):
    with pytest.raises(KerastlError) as caught:
        read(root, name)
    assert type(caught.value) is kind
    return str(caught.value)


@pytest.fixture
def no_network(monkeypatch):
    """Makes every look-up of a host fail, and no proxy stand in for it."""

    def fail(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr("urllib.request.getproxies", dict)


@pytest.fixture
def quick():
    """Fails a test that waits for a network."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < 10


def test_prepared_set_is_read_offline(tmp_path, no_network, quick):
    write_set(tmp_path)
    source = read(tmp_path)
    assert source.name == f"tfds:{NAME}/1.0.0"
    assert source.class_names == ("dark", "light")
    assert source.examples == [
        *(f"train[{index}]" for index in range(9)),
        *(f"test[{index}]" for index in range(3)),
    ]
    assert source.labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0]
    assert source.given_splits.tolist() == ["train"] * 9 + ["test"] * 3


def contents():
    return [png("train", index) for index in range(9)] + [png("test", index) for index in range(3)]


def test_bytes_are_read_by_index_in_any_order(tmp_path):
    write_set(tmp_path)
    source = read(tmp_path)
    expected = contents()
    for index in [11, 0, 5, 4, 8, 9, 5]:
        assert source.read(index) == expected[index]
    assert np.array_equal(source.hashes, hash_all(expected))


def test_bytes_are_read_in_parallel_in_a_pipeline(tmp_path):
    write_set(tmp_path)
    source = read(tmp_path)
    order = np.random.default_rng(0).integers(0, 12, 300)
    dataset = tf.data.Dataset.from_tensor_slices(order).map(
        functools.partial(read_in_graph, source), num_parallel_calls=4
    )
    assert dataset.element_spec == tf.TensorSpec((), tf.string)
    expected = contents()
    assert list(dataset.as_numpy_iterator()) == [expected[index] for index in order]


def open_files(folder):
    targets = []
    for descriptor in pathlib.Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            targets.append(str(descriptor.readlink()))
    return [target for target in targets if target.startswith(str(folder))]


@pytest.mark.skipif(not pathlib.Path("/proc/self/fd").is_dir(), reason="needs Linux's /proc")
def test_no_file_stays_open_however_many_there_are(tmp_path):
    write_set(tmp_path)
    source = read(tmp_path)
    assert decode(source.read(3)).shape[-1] == 3
    assert open_files(tmp_path) == []


def test_split_whose_labels_are_kept_secret_is_left_out_and_said(tmp_path):
    write_set(tmp_path, {"train": [6], "test": [3]}, secret=("test",))
    said = io.StringIO()
    source = read_tfds(NAME, data_dir=str(tmp_path), progress=Progress(said))
    assert source.given_splits.tolist() == ["train"] * 6
    assert source.examples == [f"train[{index}]" for index in range(6)]
    assert "no labels, so not used: test." in said.getvalue()
    for index in range(6):
        assert source.read(index) == png("train", index)


def test_broken_image_is_named_by_its_place_in_the_set(tmp_path):
    write_set(tmp_path, {"train": [12, 5], "test": [3]}, broken=("train[14]",))
    flags = {"run_dir": "x", "dataset": f"tfds:{NAME}", "tfds_dir": str(tmp_path), "cache_dir": ""}
    with pytest.raises(UsageError) as caught:
        open_source(Config(**flags), Progress())
    assert str(caught.value) == (
        f"dataset='tfds:{NAME}/1.0.0': 1 image cannot be used: train[14] is a damaged or truncated "
        "PNG. Repair, convert or remove them, or add --on_bad_image=skip."
    )
    said = io.StringIO()
    source = open_source(Config(**flags, on_bad_image="skip"), Progress(said))
    assert "20 images found: 19 used, 1 skipped, 0 ignored." in said.getvalue()
    assert "  is a damaged or truncated PNG: 1, as train[14]" in said.getvalue()
    assert "train[14]" not in source.examples
    # What follows it keeps its own bytes.
    after = source.examples.index("train[15]")
    assert source.read(after) == png("train", 15)


@pytest.mark.thorough
def test_folder_of_the_same_pictures_gives_the_same_run(tmp_path, monkeypatch):
    write_set(tmp_path, {"train": [30, 10], "test": [9]})
    known = read(tmp_path)
    for index, (label, split) in enumerate(zip(known.labels, known.given_splits, strict=True)):
        path = tmp_path / "folder" / split / CLASSES[label] / f"{(index * 7) % 50:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written anew: the same pixels in other bytes.
        again = Image.open(io.BytesIO(known.load(index)))
        again.save(path, compress_level=0)
        assert path.read_bytes() != known.load(index)
    fakes.install_tiny_net(monkeypatch)
    flags = {"tfds_dir": str(tmp_path), "head_epochs": 1}
    first, second = (
        kerastl.run(
            fakes.tiny_config(tmp_path / place, dataset=dataset, **flags), progress=Progress()
        )
        for place, dataset in (("a", f"tfds:{NAME}"), ("b", f"folder:{tmp_path / 'folder'}"))
    )
    for weight, other in zip(first.model.weights, second.model.weights, strict=True):
        np.testing.assert_array_equal(weight, other)
    assert first.metrics["test"]["classes"] == second.metrics["test"]["classes"]
    # The sums are made in another order.
    assert first.metrics["test"]["loss"] == pytest.approx(second.metrics["test"]["loss"])


def test_single_missing_label_is_an_error(tmp_path):
    write_set(tmp_path, {"train": [6], "test": [3]}, secret=("train[2]",))
    with pytest.raises(UsageError, match=r"has 1 label outside 0\.\.1: -1"):
        read(tmp_path)


def test_config_names_the_set_and_its_place(tmp_path):
    write_set(tmp_path)
    config = Config(run_dir="x", dataset=f"tfds:{NAME}:1.0.0", tfds_dir=str(tmp_path))
    assert len(open_source(config, Progress())) == 12


@pytest.mark.parametrize("ours", ["validation", "valid", "val", "dev"])
def test_validation_split_is_known_by_its_usual_names(tmp_path, ours):
    write_set(tmp_path, {"train": [4], ours: [2]})
    source = read(tmp_path)
    assert source.given_splits.tolist() == ["train"] * 4 + ["validation"] * 2
    assert source.examples[-1] == f"{ours}[1]"


def test_splits_that_are_not_used_are_told(tmp_path):
    write_set(tmp_path, {"train": [4], "extra": [2], "unlabeled": [2]})
    stream = io.StringIO()
    source = read_tfds(NAME, data_dir=str(tmp_path), progress=Progress(stream))
    assert len(source) == 4
    assert stream.getvalue() == f"{NAME}/1.0.0: splits not used: extra, unlabeled.\n"


def test_set_without_a_train_split_is_refused(tmp_path):
    write_set(tmp_path, {"test": [4]})
    assert refusal(tmp_path) == (
        f"dataset='tfds:{NAME}': has no split named train. Choose another."
    )


def test_image_and_label_are_found_without_supervised_keys(tmp_path):
    write_set(tmp_path, supervised=None)
    assert len(read(tmp_path)) == 12


@pytest.mark.parametrize(
    ("features", "found"),
    [
        ({"image": IMAGE, "about": TEXT}, "images: image; class labels: none"),
        ({"about": TEXT, "label": LABEL}, "images: none; class labels: label"),
        (
            {"image": IMAGE, "mask": IMAGE, "label": LABEL},
            "images: image, mask; class labels: label",
        ),
    ],
)
def test_set_that_is_no_classification_of_images_is_refused(tmp_path, features, found):
    write_set(tmp_path, features=features, supervised=None)
    assert refusal(tmp_path) == (
        f"dataset='tfds:{NAME}': is not an image classification set ({found}). "
        "Choose one whose examples are an image and a class label."
    )


def test_set_prepared_in_another_format_is_refused(tmp_path):
    write_set(tmp_path, form="array_record")
    assert refusal(tmp_path) == (
        f"dataset='tfds:{NAME}': is prepared as array_record. "
        "Prepare it as tfrecord, which is the default of TFDS."
    )


def test_truncated_file_is_named(tmp_path):
    folder = write_set(tmp_path)
    path = shard_path(folder, "train", 1, 2)
    path.write_bytes(path.read_bytes()[:-20])
    message = refusal(tmp_path, kind=KerastlError)
    assert message.startswith(f"{path}: cannot be read to its end (")
    assert message.endswith(
        "). Remove the folder that holds it and let TFDS prepare the data again."
    )
    assert "\n" not in message


def test_missing_file_is_named(tmp_path):
    folder = write_set(tmp_path)
    path = shard_path(folder, "test", 0, 1)
    path.unlink()
    message = refusal(tmp_path, kind=KerastlError)
    assert message.startswith(f"{path}: cannot be read to its end (")


def test_missing_version_is_refused_with_those_that_exist(tmp_path, no_network, quick):
    assert refusal(tmp_path, "cifar10:9.9.9") == (
        "dataset='tfds:cifar10:9.9.9': Dataset cifar10 cannot be loaded at version 9.9.9, "
        "only: 3.0.2. Choose one that exists."
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("cifar10/x", "BuilderConfig x not found with version 3.0.2"),
        ("a b", "Parsing builder name string a b failed"),
        ("cifar10:", "Parsing builder name string cifar10: failed"),
        (
            "cifar10/a=b",
            "DatasetBuilder.__init__() got an unexpected keyword argument 'a'",
        ),
    ],
)
def test_wrong_form_of_a_name_is_one_line(tmp_path, no_network, quick, name, reason):
    assert refusal(tmp_path, name) == f"dataset='tfds:{name}': {reason}. Choose one that exists."


@pytest.mark.parametrize(
    ("name", "advice"),
    [("cifar_10", "Did you mean 'tfds:cifar10'? "), ("zzzzzz", "")],
)
def test_misspelled_name_gives_one_suggestion(tmp_path, no_network, quick, name, advice):
    assert refusal(tmp_path, name) == (
        f"dataset='tfds:{name}': is not a data set of TFDS. {advice}"
        "All are listed at https://www.tensorflow.org/datasets/catalog/overview."
    )


ADVICE = (
    "Give the folder that holds prepared data as --tfds_dir, or prepare it where there is a "
    "network: tfds build cifar10."
)


def test_missing_data_without_a_network_names_the_folder(
    tmp_path, no_network, quick, caplog, capfd
):
    assert refusal(tmp_path, "cifar10:3.0.2", kind=KerastlError) == (
        f"dataset='tfds:cifar10:3.0.2': no prepared data for cifar10/3.0.2 in "
        f"{tmp_path}/cifar10/3.0.2, and no network to download it. {ADVICE}"
    )
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []


@pytest.fixture
def downloads(monkeypatch, no_network):
    """Lets hosts be found; returns what a download does, to be set by the test."""
    outcome = []

    def download(builder, *arguments, **options):
        raise outcome[0]

    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: [])
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", download)
    return outcome


def test_failed_download_passes_the_reason_on(tmp_path, downloads):
    downloads.append(OSError("checksum of https://x.org/a.zip\nis another"))
    stream = io.StringIO()
    with pytest.raises(KerastlError) as caught:
        read_tfds("cifar10", data_dir=str(tmp_path), progress=Progress(stream))
    place = f"{tmp_path}/cifar10/3.0.2"
    assert stream.getvalue() == f"Downloading cifar10/3.0.2 to {place}.\n"
    assert str(caught.value) == (
        f"dataset='tfds:cifar10': no prepared data for cifar10/3.0.2 in {place}, and the download "
        f"failed (OSError: checksum of https://x.org/a.zip). {ADVICE}"
    )


def test_developers_cifar10_is_read(shared_dir, no_network):
    source = read(shared_dir / "tfds", "cifar10")
    assert (source.given_splits == "train").sum() == 10_000
    assert (source.given_splits == "test").sum() == 2_000
    assert len(source.class_names) == 10
    first = next(
        iter(tfds.load("cifar10", data_dir=shared_dir / "tfds", split="test", shuffle_files=False))
    )
    index = source.examples.index("test[0]")
    pixels = decode(source.read(index))
    assert np.array_equal(pixels, first["image"])
    assert source.labels[index] == first["label"]
