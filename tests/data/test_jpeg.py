import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kerastl.data import images
from kerastl.data.jpeg import has_hole, lacks_end
from kerastl.data.reasons import explain
from picture_files import file_bytes, jpeg_with_hole, mutate, noise, picture

END = b"\xff\xd9"
# One graph, as a run has it.
decode = tf.function(images.decode, input_signature=[tf.TensorSpec([], tf.string)], autograph=False)
KINDS = {
    "plain": {},
    "progressive": {"progressive": True},
    "with restarts": {"restart_marker_blocks": 2},
}


def jpeg(**options):
    return file_bytes(picture(0), "JPEG", quality=90, **options)


def refusal(content):
    with pytest.raises(tf.errors.OpError) as caught:
        decode(content)
    return explain(content, str(caught.value))


@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_without_its_end_marker_gives_the_same_pixels(kind):
    whole = jpeg(**KINDS[kind])
    expected = decode(whole).numpy()
    cut = whole.removesuffix(END)
    for content in (cut, cut + b"\xff", cut + b"\xff\xff"):
        assert lacks_end(content)
        assert np.array_equal(decode(content).numpy(), expected)
    for content in (whole, whole + bytes(3), whole + b"more" * 9, whole + jpeg()[:500]):
        assert np.array_equal(decode(content).numpy(), expected)


def test_jpeg_without_its_end_marker_is_reduced_to_the_same_pixels():
    whole = file_bytes(picture(0, size=(400, 300)), "JPEG")
    reduced = images.decode(whole, smallest_side=100).numpy()
    assert reduced.shape == (150, 200, 3)
    cut = images.decode(whole.removesuffix(END), smallest_side=100)
    assert np.array_equal(cut.numpy(), reduced)


@pytest.mark.parametrize("kind", KINDS)
def test_jpeg_without_its_last_pixels_is_refused(kind):
    whole = jpeg(**KINDS[kind])
    for missing in (4, 5, 9, 40, 300):
        cut = whole[:-missing]
        for content in (cut, cut + bytes(3), cut + b"\xff" * 50):
            assert refusal(content) == "is a damaged or truncated JPEG"


def test_missing_pixels_are_seen_at_a_reduced_size():
    whole = file_bytes(picture(0, size=(400, 300)), "JPEG")
    for missing in (4, 9, 40):
        for content in (whole[:-missing], whole[:-missing] + b"\xff" * 50):
            with pytest.raises(tf.errors.OpError):
                images.decode(content, smallest_side=30)


def test_damage_is_seen_at_every_size_or_at_none():
    """What the audit finds usable at a reduced size, training can use at another."""

    def is_usable(content, smallest_side):
        try:
            images.decode(content, smallest_side=smallest_side)
        except tf.errors.OpError:
            return False
        return True

    rng, found = np.random.default_rng(0), []
    for options in ({}, {"progressive": True}):
        whole = file_bytes(picture(0, size=(160, 140)), "JPEG", **options)
        for _ in range(40):
            content = mutate(whole, rng)
            found.append({is_usable(content, side) for side in (None, 60, 30, 16)})
    assert all(len(one) == 1 for one in found)
    assert {True} in found
    assert {False} in found


def test_holes_of_zeros_are_told():
    whole = file_bytes(Image.fromarray(noise(60, 80)), "JPEG")
    message = refusal(whole[:2000] + bytes(len(whole) - 2000))
    assert message == ("is a JPEG with a hole of zeros, not copied or downloaded in full")
    png = file_bytes(Image.fromarray(noise(60, 80)), "PNG")
    message = refusal(png[:2000] + bytes(1000) + png[3000:])
    assert message == "is a PNG with a hole of zeros, not copied or downloaded in full"


def test_hole_that_is_decoded_is_seen_and_flat_areas_are_none():
    assert has_hole(jpeg_with_hole())
    assert decode(jpeg_with_hole()).shape == (120, 160, 3)
    flat = Image.new("RGB", (1024, 1024), (200, 30, 60))
    for options in ({}, {"optimize": True}, {"progressive": True}):
        assert not has_hole(file_bytes(flat, "JPEG", **options))
    # Outside of the pixels, zeros are usual.
    assert not has_hole(file_bytes(flat, "JPEG", exif=b"Exif\0\0" + bytes(4000)) + bytes(4000))


def test_damaged_jpegs_are_explained_whatever_the_damage():
    rng = np.random.default_rng(0)
    for _ in range(300):
        content = mutate(jpeg()[:1200], rng)
        assert explain(content)
        assert has_hole(content) in (True, False)
        assert lacks_end(content) in (True, False)


def test_png_of_apples_tools_is_named():
    png = file_bytes(picture(0), "PNG")
    png = png[:8] + b"\0\0\0\4CgBIP\0 \2+\xd5\xb3\x7f" + png[8:]
    assert refusal(png) == "is PNG in Apple's form (CgBI) (unsupported)"


def test_png_copied_as_text_is_told():
    png = file_bytes(picture(0), "PNG").replace(b"\r\n", b"\n")
    assert refusal(png) == "is a PNG that was copied as text, which destroyed it"


@pytest.mark.parametrize(
    ("place", "value", "form"),
    [
        (1, 0xC3, "with lossless coding"),
        (1, 0xCB, "with lossless coding"),
        (1, 0xC6, "in hierarchical form"),
        (1, 0xDE, "in hierarchical form"),
        (1, 0xF7, "with JPEG-LS coding"),
        (4, 12, "of 12 bits per sample"),
        (4, 16, "of 16 bits per sample"),
        (9, 2, "of 2 channels"),
    ],
)
def test_forms_that_are_not_decoded_are_named(place, value, form):
    content = bytearray(jpeg())
    content[content.index(b"\xff\xc0") + place] = value
    assert refusal(bytes(content)) == f"is JPEG {form} (unsupported)"


@pytest.mark.parametrize("kind", ["arithmetic", "CMYK"])
def test_rare_forms_that_are_decoded_stay_accepted(kind):
    if kind == "CMYK":
        content = file_bytes(picture(0).convert("CMYK"), "JPEG")
    else:
        # The pixels are junk, but they are read as coded arithmetically.
        content = jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1)
    assert decode(content).shape == (64, 96, 3)
