import itertools

import numpy as np
import pytest
from PIL import Image

import picture_files
from kerastl.outputs import artifact

CARD = {"input": {"image_size": 16, "resize": "crop"}}
TRANSPARENT = Image.fromarray(picture_files.noise(channels=4))
KINDS = picture_files.every_kind() | {
    "transparent": picture_files.file_bytes(TRANSPARENT, "PNG"),
    "large": picture_files.file_bytes(Image.fromarray(picture_files.noise(90, 70)), "JPEG"),
}


@pytest.fixture
def by_hand(monkeypatch):
    """Counts from 0, and lists the files that are decoded without the graph."""
    monkeypatch.setattr(artifact, "DECODED", itertools.count())
    decode, found = artifact.decode, []

    def listing(content, **options):
        found.append(content.numpy())
        return decode(content, **options)

    monkeypatch.setattr(artifact, "decode", listing)
    return found


def test_first_files_have_the_pixels_that_the_graph_gives(by_hand, monkeypatch):
    files = [KINDS[name] for name in KINDS]
    with_few = artifact.decode_all(files, CARD)
    assert 4 < len(by_hand) < len(files)
    monkeypatch.setattr(artifact, "WITHOUT_GRAPH", 0)
    np.testing.assert_array_equal(with_few, artifact.decode_all(files, CARD))


def test_graph_decodes_what_follows(by_hand):
    picture = picture_files.file_bytes(Image.fromarray(picture_files.noise()), "JPEG")
    artifact.decode_all([picture] * 40, CARD)
    assert len(by_hand) == artifact.WITHOUT_GRAPH


def test_file_that_cannot_be_decoded_is_told_so_too(by_hand):
    broken = b"\xff\xd8\xff\xe0" + b"x" * 100
    with pytest.raises(artifact.UndecodableError) as caught:
        artifact.decode_all([broken], CARD)
    assert by_hand == [broken]
    assert caught.value.reasons.keys() == {0}
