import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from kerastl.data import pixels
from kerastl.data.content import hash_all
from kerastl.data.kept import PixelCache
from kerastl.data.pipeline import evaluation_dataset, training_dataset
from kerastl.data.source import Source
from kerastl.settings import ImageSettings
from picture_files import picture

# Some shrink and some do not, on both sides or on one.
SIDES = ((40, 30), (24, 20), (24, 90), (8, 8), (16, 24), (120, 100))


def encode(image, form):
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


CONTENTS = [
    encode(picture(number).resize(sides), form)
    for number, (sides, form) in enumerate(
        (sides, form) for sides in SIDES for form in ("PNG", "JPEG")
    )
] + [encode(Image.new("LA", (9, 24), (80, 99)), "PNG")]


class Counted:
    """A source that counts how often each image is read."""

    def __init__(self, root, limit_gb=1.0):
        self.reads = np.zeros(len(CONTENTS), int)
        self.source = Source(
            name="counted",
            class_names=("a", "b"),
            examples=[f"counted[{number}]" for number in range(len(CONTENTS))],
            labels=np.arange(len(CONTENTS)) % 2,
            hashes=hash_all(CONTENTS),
            given_splits=np.full(len(CONTENTS), "train"),
            load=self.load,
            kept=None if root is None else PixelCache(root, limit_gb),
        )

    def load(self, index):
        self.reads[index] += 1
        return CONTENTS[index]

    def evaluate(self, images):
        dataset = evaluation_dataset(self.source, np.arange(len(CONTENTS)), images, batch_size=4)
        return np.concatenate([batch for batch, _ in dataset])

    def train(self, images, epochs):
        dataset = training_dataset(
            self.source, np.arange(len(CONTENTS)), images, batch_size=4, epochs=range(epochs)
        )
        return np.concatenate([batch for batch, *_ in dataset])


@pytest.mark.thorough
@pytest.mark.parametrize("few", [0, 512])
@pytest.mark.parametrize("resize", ["crop", "pad", "stretch", "crop:bicubic"])
def test_file_is_decoded_once_for_all_epochs_and_runs(tmp_path, monkeypatch, resize, few):
    monkeypatch.setattr(pixels, "FEW", few)
    images = ImageSettings(image_size=24, resize=resize, augment="flip,crop")
    plain, first, second = Counted(None), Counted(tmp_path), Counted(tmp_path)
    np.testing.assert_array_equal(first.train(images, 3), plain.train(images, 3))
    assert (plain.reads == (1 if few else 3)).all()
    np.testing.assert_array_equal(first.evaluate(images), plain.evaluate(images))
    assert (first.reads == 1).all()
    first.source.kept.close()
    np.testing.assert_array_equal(second.train(images, 2), plain.train(images, 2))
    assert not second.reads.any()
    other = dataclasses.replace(images, image_size=25)
    np.testing.assert_array_equal(second.evaluate(other), plain.evaluate(other))
    assert (second.reads == 1).all()


def test_one_pass_keeps_only_small_ones_and_a_damaged_row_is_decoded_again(tmp_path):
    images = ImageSettings(image_size=24)
    first = Counted(tmp_path)
    expected = first.evaluate(images)
    first.source.kept.close()
    (rows,) = tmp_path.glob("*/*.rows")
    content = rows.read_bytes()
    rows.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = Counted(tmp_path)
    for _ in range(2):
        np.testing.assert_array_equal(again.evaluate(images), expected)
    shrink = np.array([min(Image.open(io.BytesIO(one)).size) > 24 for one in CONTENTS])
    assert (again.reads[shrink] == 2).all()
    # Only the damaged one, and only once: it is kept anew.
    assert again.reads[~shrink].sum() == 1


def test_without_room_or_a_directory_files_are_decoded_as_before(tmp_path):
    images = ImageSettings(image_size=24)
    expected = Counted(None).train(images, 2)
    (tmp_path / "file").touch()
    for root, limit_gb in ((tmp_path / "full", 1e-9), (tmp_path / "file", 1.0)):
        root.parent.mkdir(exist_ok=True)
        counted = Counted(root, limit_gb)
        np.testing.assert_array_equal(counted.train(images, 2), expected)
        assert (counted.reads == 1).all()
