import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from kerastl.data.gif import first_frame
from kerastl.data.images import decode, decode_and_resize, resize, smallest_side
from kerastl.data.reasons import explain
from picture_files import animation, every_kind, file_bytes, noise, solid

WHITE = (255, 255, 255)
RULES = ("crop", "pad", "stretch", "crop:bicubic", "pad:lanczos3")
COLOR = (200, 30, 60)


def cut_out():
    """Left half transparent over red, right half opaque blue."""
    pixels = np.zeros((64, 96, 4), np.uint8)
    pixels[:, :48] = (255, 0, 0, 0)
    pixels[:, 48:] = (0, 0, 255, 255)
    return Image.fromarray(pixels)


def as_uint8(content):
    pixels = decode(tf.constant(content))
    assert pixels.dtype == tf.uint8
    assert pixels.shape[-1] == 3
    return pixels.numpy()


@pytest.mark.parametrize(
    ("form", "options"),
    [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})],
)
def test_lossless_files_are_read_by_content(form, options):
    assert np.array_equal(as_uint8(file_bytes(Image.fromarray(noise()), form, **options)), noise())


@pytest.mark.parametrize(("form", "options"), [("JPEG", {"quality": 95}), ("WEBP", {})])
def test_lossy_files_keep_their_color(form, options):
    pixels = as_uint8(file_bytes(solid(), form, **options))
    assert pixels.shape == (12, 16, 3)
    assert np.abs(pixels.mean((0, 1)) - COLOR).max() < 3


def test_gif_is_read():
    assert np.array_equal(as_uint8(file_bytes(solid(), "GIF")), np.array(solid()))


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_gray_becomes_three_equal_channels(form):
    gray = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    pixels = as_uint8(file_bytes(Image.fromarray(gray), form, quality=100))
    assert np.abs(pixels.astype(int) - gray[..., np.newaxis]).max() <= (4 if form == "JPEG" else 0)
    assert (pixels == pixels[..., :1]).all()


def test_one_bit_image_is_black_and_white():
    bits = np.eye(4, dtype=bool)
    expected = np.repeat(255 * bits[..., np.newaxis], 3, axis=-1)
    assert np.array_equal(as_uint8(file_bytes(Image.fromarray(bits), "PNG")), expected)


def test_gray_with_alpha_shows_white_through():
    pixels = np.array([[(100, 255), (100, 0), (100, 51), (0, 128)]], np.uint8)
    gray = as_uint8(file_bytes(Image.fromarray(pixels, "LA"), "PNG"))
    assert gray[0].tolist() == [[100] * 3, [255] * 3, [224] * 3, [127] * 3]


def test_palette_gives_its_colors():
    image = Image.new("P", (3, 1))
    image.putpalette([0, 0, 0, *COLOR, 7, 8, 9])
    image.putdata([1, 2, 0])
    assert as_uint8(file_bytes(image, "PNG"))[0].tolist() == [[*COLOR], [7, 8, 9], [0, 0, 0]]
    # Here the second color is transparent.
    seen = as_uint8(file_bytes(image, "PNG", transparency=1))[0]
    assert seen.tolist() == [[*WHITE], [7, 8, 9], [0, 0, 0]]


@pytest.mark.parametrize(
    ("form", "options"), [("PNG", {}), ("WEBP", {"lossless": True, "exact": True})]
)
def test_transparent_pixels_show_white_and_never_what_is_below(form, options):
    pixels = as_uint8(file_bytes(cut_out(), form, **options))
    assert (pixels[:, :48] == WHITE).all()
    assert (pixels[:, 48:] == (0, 0, 255)).all()


def test_half_transparent_pixel_is_mixed_with_white():
    image = Image.new("RGBA", (1, 1), (200, 0, 100, 51))
    assert as_uint8(file_bytes(image, "PNG"))[0, 0].tolist() == [244, 204, 224]


def test_reserved_byte_of_a_bmp_is_no_alpha():
    pixels = np.dstack([noise(), np.zeros((9, 13), np.uint8)])
    assert np.array_equal(as_uint8(file_bytes(Image.fromarray(pixels), "BMP")), noise())


def test_16_bits_are_scaled_to_8():
    deep = np.array([[0, 257 * 10, 65535, 257 * 128]], np.uint16)
    gray = as_uint8(file_bytes(Image.fromarray(deep), "PNG"))
    assert gray[0].tolist() == [[0] * 3, [10] * 3, [255] * 3, [128] * 3]
    color = np.array([[[257 * 7, 65535, 0]]], np.uint16)
    assert as_uint8(tf.io.encode_png(color).numpy())[0, 0].tolist() == [7, 255, 0]


def test_cmyk_jpeg_keeps_its_color():
    pixels = as_uint8(file_bytes(solid(mode="CMYK"), "JPEG", quality=95))
    assert np.abs(pixels.mean((0, 1)) - COLOR).max() < 3


def cmyk_with_marker():
    """A JPEG of ink and the place of Adobe's marker in it."""
    picture = Image.fromarray(noise(60, 90)).convert("CMYK")
    whole = file_bytes(picture, "JPEG", quality=95)
    begin = whole.index(b"Adobe") - 4
    return whole, slice(begin, begin + 2 + int.from_bytes(whole[begin + 2 : begin + 4]))


@pytest.mark.parametrize("smallest", [None, 20])
def test_cmyk_jpeg_that_lost_its_marker_looks_as_in_pillow(smallest):
    whole, marker = cmyk_with_marker()
    stripped = whole[: marker.start] + whole[marker.stop :]
    pixels, expected = (
        decode(content, smallest_side=smallest).numpy() for content in (stripped, whole)
    )
    assert np.array_equal(pixels, expected)
    if smallest is None:
        shown = np.asarray(Image.open(io.BytesIO(stripped)).convert("RGB"), int)
        assert np.abs(pixels - shown).max() <= 1


def test_marker_of_a_cmyk_jpeg_still_tells_its_transform():
    whole, marker = cmyk_with_marker()
    other = whole[: marker.stop - 1] + b"\2" + whole[marker.stop :]
    shown = np.asarray(Image.open(io.BytesIO(other)).convert("RGB"), int)
    assert np.abs(as_uint8(other) - shown).max() <= 2


def test_gif_gives_its_first_frame():
    pixels = as_uint8(animation("GIF"))
    assert pixels.shape == (4, 6, 3)
    assert (pixels == 10).all()


@pytest.mark.parametrize("options", [{}, {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0"}])
def test_moving_webp_gives_its_first_frame(options):
    # Without the care of `decode` TensorFlow writes beyond its memory, so large frames.
    frames = [Image.fromarray(noise(200, 300) // step) for step in (1, 2, 3)]
    moving = file_bytes(
        frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, **options
    )
    for _ in range(3):
        assert np.array_equal(as_uint8(moving), noise(200, 300))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"B",
        b"RIFF",
        b"<html><body>404 Not Found</body></html>",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
        file_bytes(solid(), "TIFF"),
        file_bytes(solid(), "PNG")[:40],
        file_bytes(solid(), "JPEG")[:200],
        animation("WEBP")[:30],
    ],
)
def test_what_is_no_whole_image_is_refused(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(tf.constant(content))


def grid(height, width):
    """Pixels that say where they are: row, column, 7."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 10, columns * 10, np.full((height, width), 7)], -1).astype(np.uint8)


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((4, 8), slice(0, 4), slice(2, 6)),
        ((4, 7), slice(0, 4), slice(1, 5)),
        ((9, 4), slice(2, 6), slice(0, 4)),
    ],
)
def test_crop_keeps_the_largest_centered_square(shape, rows, columns):
    cropped = resize(grid(*shape), image_size=4, rule="crop").numpy()
    assert np.array_equal(cropped, grid(*shape)[rows, columns])


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [((4, 8), slice(2, 6), slice(0, 8)), ((8, 4), slice(0, 8), slice(2, 6))],
)
def test_pad_keeps_the_whole_image_and_adds_black(shape, rows, columns):
    expected = np.zeros((8, 8, 3))
    expected[rows, columns] = grid(*shape)
    assert np.array_equal(resize(grid(*shape), image_size=8, rule="pad").numpy(), expected)


def test_stretch_keeps_the_whole_image_and_changes_its_proportions():
    columns_only = np.repeat(grid(1, 8), 2, axis=0)
    expected = np.repeat(grid(1, 8), 8, axis=0)
    assert np.array_equal(resize(columns_only, image_size=8, rule="stretch").numpy(), expected)


@pytest.mark.parametrize("rule", RULES[:3])
def test_enlarging_is_bilinear_by_default(rule):
    image = np.array([[[0.0] * 3, [100.0] * 3]] * 2, np.float32)
    row = resize(image, image_size=4, rule=rule).numpy()[0, :, 0]
    np.testing.assert_allclose(row, [0, 25, 75, 100], atol=1e-4)


@pytest.mark.parametrize("rule", RULES)
def test_shrinking_sees_every_pixel(rule):
    # Without antialiasing only columns 3, 4, 11 and 12 count.
    image = np.zeros((16, 16, 3), np.float32)
    image[:, 0] = 255
    shrunk = resize(image, image_size=2, rule=rule).numpy()
    assert (shrunk[:, 0] > 5).all()
    assert (shrunk[:, 1] < 0.01).all()


@pytest.mark.parametrize("rule", RULES)
def test_image_of_the_right_size_keeps_its_values_as_float32(rule):
    resized = resize(tf.constant(noise(8, 8)), image_size=8, rule=rule)
    assert resized.dtype == tf.float32
    # The weights of Lanczos add up to one but for rounding.
    atol = 1e-4 if "lanczos" in rule else 0
    np.testing.assert_allclose(resized, noise(8, 8).astype(np.float32), rtol=0, atol=atol)


@pytest.mark.parametrize("rule", RULES)
def test_values_stay_in_range(rule):
    resized = resize(255 * (noise(31, 17) // 128), image_size=24, rule=rule).numpy()
    assert resized.min() >= 0
    assert resized.max() < 255.0001


@pytest.mark.parametrize("rule", RULES)
def test_batch_is_resized_as_its_images_are(rule):
    batch = np.stack([noise(), 255 - noise()])
    together = resize(tf.constant(batch), image_size=8, rule=rule)
    assert together.shape == (2, 8, 8, 3)
    for image, resized in zip(batch, together.numpy(), strict=True):
        np.testing.assert_array_equal(resized, resize(image, image_size=8, rule=rule).numpy())


@pytest.mark.parametrize(
    "rule", [RULES[0], *(pytest.param(rule, marks=pytest.mark.thorough) for rule in RULES[1:])]
)
def test_pipeline_gives_the_pixels_of_an_eager_call(rule):
    files = list(every_kind().values())

    def load(content):
        return decode_and_resize(content, image_size=10, rule=rule)

    dataset = tf.data.Dataset.from_tensor_slices(files).map(load)
    assert dataset.element_spec == tf.TensorSpec((10, 10, 3), tf.float32)
    for content, image in zip(files, dataset.as_numpy_iterator(), strict=True):
        np.testing.assert_array_equal(image, load(tf.constant(content)).numpy())


@pytest.mark.parametrize("kind", every_kind())
def test_every_kind_of_file_becomes_the_networks_input(kind):
    content = tf.constant(every_kind()[kind])
    image = decode_and_resize(content, image_size=8, rule="crop")
    assert image.shape == (8, 8, 3)
    np.testing.assert_array_equal(image, resize(decode(content), image_size=8, rule="crop"))


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def in_graph(content):
    return decode(content)


def with_exif(orientation, *, endian="<", maker="maker", form="JPEG"):
    exif = Image.Exif()
    exif.endian = endian
    exif[0x010F] = maker
    exif[0x0112] = orientation
    picture = Image.fromarray(noise(60, 100)).resize((100, 60), Image.Resampling.BICUBIC)
    options = {"lossless": True} if form == "WEBP" else {"quality": 95}
    return file_bytes(picture, form, exif=exif.tobytes(), **options)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_photo_is_turned_as_its_exif_data_say(orientation, endian, form):
    content = with_exif(orientation, endian=endian, form=form)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(in_graph(tf.constant(content)), np.asarray(expected))


def test_eager_and_graph_turn_alike():
    content = tf.constant(with_exif(6))
    np.testing.assert_array_equal(decode(content), in_graph(content))


def test_damaged_exif_data_leave_the_picture_as_it_is():
    content = with_exif(6)
    start = content.index(b"Exif")
    upright = np.asarray(Image.open(io.BytesIO(with_exif(1))))
    for place, value in ((10, b"\xff\xff\xff\x7f"), (14, b"\xff\xff"), (6, b"XX")):
        broken = content[: start + place] + value + content[start + place + len(value) :]
        assert in_graph(tf.constant(broken)).shape in (upright.shape, (100, 60, 3))
    end = start - 2 + int.from_bytes(content[start - 2 : start], "big")
    rng = np.random.default_rng(0)
    for _ in range(200):
        broken = bytearray(content)
        for place in rng.integers(start + 6, end, 4):
            broken[place] = rng.integers(256)
        assert in_graph(tf.constant(bytes(broken))).shape in ((60, 100, 3), (100, 60, 3))


def test_webp_with_a_jpegs_marker_in_its_exif_is_turned_too():
    content = with_exif(6, form="WEBP")
    start = content.index(b"EXIF") + 8
    if content[start : start + 6] == b"Exif\0\0":
        other = content[: start - 4] + content[start - 4 : start] + content[start + 6 :]
    else:
        other = content[:start] + b"Exif\0\0" + content[start:]
    for variant in (content, other):
        assert in_graph(tf.constant(variant)).shape == (100, 60, 3)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_bmp_gives_the_colors_of_its_palette(mode):
    picture = Image.fromarray(noise(20, 30)).quantize(40).convert("RGB")
    picture = picture.quantize(64) if mode == "P" else picture.convert(mode)
    content = tf.constant(file_bytes(picture, "BMP"))
    np.testing.assert_array_equal(in_graph(content), np.asarray(picture.convert("RGB")))


def test_bmp_of_few_bits_is_named():
    content = file_bytes(Image.fromarray(noise()).convert("1"), "BMP")
    with pytest.raises(tf.errors.InvalidArgumentError):
        in_graph(tf.constant(content))
    assert explain(content) == "is BMP of 1 bit per pixel (unsupported)"


@pytest.mark.parametrize(("mode", "hidden"), [("L", 7), ("RGB", (7, 8, 9))])
def test_single_transparent_color_of_a_png_shows_white(mode, hidden):
    picture = Image.new(mode, (6, 4), hidden)
    picture.paste(200 if mode == "L" else (200, 30, 60), (0, 0, 3, 4))
    content = file_bytes(picture, "PNG", transparency=hidden)
    pixels = in_graph(tf.constant(content)).numpy()
    assert (pixels[:, 3:] == 255).all()
    assert (pixels[:, :3] == (200 if mode == "L" else (200, 30, 60))).all()


def test_exif_behind_a_color_profile_is_found():
    content = with_exif(6)
    profile = b"".join(
        b"\xff\xe2" + (60_002).to_bytes(2, "big") + b"ICC_PROFILE\0" + bytes(59_988)
        for _ in range(3)
    )
    moved = content[:2] + profile + content[2:]
    assert in_graph(tf.constant(moved)).shape == (100, 60, 3)


def header_of(form, side):
    """A file that says it is very large, as far as that takes to be believed."""
    little = side.to_bytes(4, "little")
    less = (side - 1).to_bytes(3, "little")
    packed = ((side - 1) % 2**14 | (side - 1) % 2**14 << 14).to_bytes(4, "little")
    return {
        "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + 2 * side.to_bytes(4, "big") + b"\x08\2\0\0\0",
        "GIF": b"GIF89a" + 2 * little[:2] + bytes(40),
        "BMP": b"BM"
        + bytes(12)
        + b"(\0\0\0"
        + little
        + (-side).to_bytes(4, "little", signed=True)
        + bytes(40),
        "WebP": b"RIFF\0\0\0\0WEBPVP8X\n\0\0\0\0\0\0\0" + 2 * less + bytes(40),
        "WebP lossless": b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0/" + packed + bytes(40),
        "WebP lossy": b"RIFF\0\0\0\0WEBPVP8 "
        + bytes(7)
        + b"\x9d\x01\x2a"
        + 2 * little[:2]
        + bytes(40),
    }[form]


def gif_of_frames(count, *, screen=(6, 4), frame=None):
    """A moving GIF that says what a frame's size is, whatever the screen's."""
    content = bytearray(animation("GIF", loop=0) if count > 1 else file_bytes(solid(), "GIF"))
    content[6:10] = b"".join(side.to_bytes(2, "little") for side in screen)
    if frame:
        start = content.index(b"\x2c\0\0\0\0")
        content[start + 5 : start + 9] = b"".join(side.to_bytes(2, "little") for side in frame)
    return bytes(content)


def test_frame_of_a_gif_has_a_size_of_its_own_that_is_looked_at():
    for screen in ((10, 10), (6, 4)):
        content = gif_of_frames(1, screen=screen, frame=(30_000, 30_000))
        with pytest.raises(tf.errors.InvalidArgumentError, match="too many pixels") as caught:
            in_graph(tf.constant(content))
        assert explain(content, str(caught.value)) == "is a GIF of more than 67 million pixels"
    # So large that the product does not fit 32 bits.
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many pixels"):
        in_graph(tf.constant(gif_of_frames(1, frame=(65_535, 65_535))))


def test_only_the_first_frame_of_a_gif_is_decoded():
    whole = animation("GIF", loop=0)
    expected = in_graph(tf.constant(whole)).numpy()
    data = first_frame(tf.constant(whole)).numpy()
    assert whole.startswith(data[:-1])
    assert data.count(b"\x2c\0\0\0\0") == 1 < whole.count(b"\x2c\0\0\0\0")
    # What is broken behind it does no harm.
    np.testing.assert_array_equal(in_graph(tf.constant(data[:-1] + b"\x2c\xff\xff")), expected)
    single = file_bytes(solid(), "GIF")
    assert first_frame(tf.constant(single)).numpy() == single


def test_gif_of_a_local_palette_and_comments_is_read():
    picture = Image.fromarray(noise()).quantize(16)
    content = file_bytes(picture, "GIF", comment=b"x" * 700)
    np.testing.assert_array_equal(
        in_graph(tf.constant(content)), np.asarray(picture.convert("RGB"))
    )


def test_what_tensorflow_decodes_without_our_limits_is_refused():
    content = b"\xff\x0a" + bytes(40)
    with pytest.raises(tf.errors.InvalidArgumentError, match="is in no format that is decoded"):
        in_graph(tf.constant(content))
    assert explain(content) == "is JPEG XL (unsupported)"


def test_progressive_jpeg_is_held_whole_and_has_a_limit():
    Image.MAX_IMAGE_PIXELS = None
    picture = Image.new("L", (8400, 8400))
    content = file_bytes(picture, "JPEG", progressive=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many pixels") as caught:
        in_graph(tf.constant(content))
    for error in (str(caught.value), ""):
        assert explain(content, error) == "is a progressive JPEG of more than 67 million pixels"
    small = file_bytes(Image.fromarray(noise(40, 50)), "JPEG", progressive=True)
    assert explain(small[:400]) == "is a damaged or truncated JPEG"
    assert in_graph(tf.constant(small)).shape == (40, 50, 3)


def test_second_picture_in_a_jpeg_has_nothing_to_say_of_the_first():
    first = file_bytes(Image.fromarray(noise(60, 100)), "JPEG")
    assert in_graph(tf.constant(first + with_exif(6))).shape == (60, 100, 3)
    assert in_graph(tf.constant(with_exif(6) + first)).shape == (100, 60, 3)


@pytest.mark.parametrize("endian", ["<", ">"])
def test_orientation_may_have_four_bytes(endian):
    content = with_exif(6, endian=endian)
    tag = {"<": b"\x12\x01\x03\0\x01\0\0\0\x06\0", ">": b"\x01\x12\0\x03\0\0\0\x01\0\x06"}[endian]
    start = content.index(tag)
    long = {"<": b"\x12\x01\x04\0\x01\0\0\0\x06\0\0\0", ">": b"\x01\x12\0\x04\0\0\0\x01\0\0\0\x06"}
    content = content[:start] + long[endian] + content[start + 12 :]
    assert in_graph(tf.constant(content)).shape == (100, 60, 3)


def bmp_of(pixels, *, masks, header=108):
    """A 32-bit BMP with masks for red, green, blue and alpha, the lowest row first."""
    height, width = pixels.shape[:2]
    info = struct.pack("<IiiHHIIiiII", header, width, height, 1, 32, 3, 0, 0, 0, 0, 0)
    info += b"".join(masks)
    info += bytes(header - len(info)) if header > len(info) else b""
    start = 14 + len(info)
    data = pixels[::-1].tobytes()
    return struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start) + info + data


RED, GREEN, BLUE, ALPHA = b"\0\0\xff\0", b"\0\xff\0\0", b"\xff\0\0\0", b"\0\0\0\xff"


def test_alpha_of_a_bmp_shows_white():
    rng = np.random.default_rng(0)
    bgra = rng.integers(0, 256, (5, 7, 4), dtype=np.uint8)
    bgra[0, :, 3] = 0
    content = bmp_of(bgra, masks=(RED, GREEN, BLUE, ALPHA))
    alpha = bgra[..., 3:] / 255
    expected = np.round(bgra[..., 2::-1] * alpha + 255 * (1 - alpha))
    assert np.abs(in_graph(tf.constant(content)) - expected).max() <= 1
    plain = bmp_of(bgra, masks=(RED, GREEN, BLUE, bytes(4)))
    np.testing.assert_array_equal(in_graph(tf.constant(plain)), bgra[..., 2::-1])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            bmp_of(np.zeros((3, 4, 4), np.uint8), masks=(BLUE, GREEN, RED, ALPHA)),
            "is BMP with its colors in another order (unsupported)",
        ),
        (
            b"BM" + bytes(8) + struct.pack("<IIHHHH", 26, 12, 53, 37, 1, 24) + bytes(6000),
            "is BMP with an OS/2 header (unsupported)",
        ),
        (
            b"BM" + bytes(8) + struct.pack("<IIiiHHI", 54, 40, 5, 3, 1, 8, 1) + bytes(2000),
            "is BMP with compression (unsupported)",
        ),
    ],
)
def test_bmp_that_would_come_wrong_is_refused_in_words(content, reason):
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        in_graph(tf.constant(content))
    assert explain(content, str(caught.value)) == reason


def test_transparency_of_many_pixels_is_the_same_row_by_row():
    rng = np.random.default_rng(0)
    part = rng.integers(0, 256, (11, 13, 4), dtype=np.uint8)
    many = np.tile(part, (100, 100, 1))
    few = in_graph(tf.constant(file_bytes(Image.fromarray(part), "PNG"))).numpy()
    got = in_graph(tf.constant(file_bytes(Image.fromarray(many), "PNG", compress_level=1))).numpy()
    np.testing.assert_array_equal(got, np.tile(few, (100, 100, 1)))


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "WebP", "WebP lossless", "WebP lossy"])
def test_bomb_is_refused_by_its_header(form):
    content = header_of(form, 16_000)
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many pixels") as caught:
        in_graph(tf.constant(content))
    for error in (str(caught.value), ""):
        assert explain(content, error).endswith(" of more than 67 million pixels")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        in_graph(tf.constant(header_of(form, 800)))
    assert "too many pixels" not in str(caught.value)
    assert "million" not in explain(header_of(form, 800))


def test_long_strip_is_padded_to_a_line():
    strip = tf.constant(np.full((3000, 3, 3), 200, np.uint8))
    pixels = resize(strip, image_size=16, rule="pad").numpy()
    assert pixels.shape == (16, 16, 3)
    np.testing.assert_allclose(pixels[:, 7], 200, atol=1e-3)
    assert pixels.sum() == pytest.approx(16 * 3 * 200)


def test_image_of_too_many_pixels_is_refused():
    content = file_bytes(Image.new("L", (9000, 9000)), "PNG")
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        in_graph(tf.constant(content))
    assert explain(content, str(caught.value)) == "is a PNG of more than 67 million pixels"


def test_jpeg_is_decoded_as_small_as_it_may_be():
    content = file_bytes(Image.new("RGB", (1000, 800), COLOR), "JPEG", quality=95)
    assert decode(content).shape == (800, 1000, 3)
    for smallest, height in ((801, 800), (400, 400), (201, 400), (200, 200), (10, 100)):
        assert decode(content, smallest_side=smallest).shape[0] == height
    assert smallest_side(224, "crop") == 336
    assert smallest_side(224, "crop:bicubic:keras_antialias") is None


@pytest.mark.thorough
def test_smaller_decoding_changes_little():
    waves = np.sin(np.arange(768) / 9)[:, None, None] * np.sin(np.arange(1024) / 7)[None, :, None]
    picture = Image.fromarray(np.uint8(127 + 100 * waves + np.array([0, 10, -20])))
    content = file_bytes(picture, "JPEG", quality=95)
    small = decode_and_resize(content, image_size=224, rule="crop")
    full = resize(decode(content), image_size=224, rule="crop")
    assert decode(content, smallest_side=smallest_side(224, "crop")).shape == (384, 512, 3)
    assert np.abs(small - full).mean() < 1


@pytest.mark.thorough
def test_scan_beyond_what_decodes_whole_is_still_used():
    Image.MAX_IMAGE_PIXELS = None
    content = file_bytes(Image.new("RGB", (16_000, 16_000), COLOR), "JPEG")
    image = decode_and_resize(content, image_size=32, rule="crop")
    assert np.abs(image - np.float32(COLOR)).max() < 3


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xd8\xff\xe0 cut", "is a damaged or truncated JPEG"),
        (b"\x89PNG\r\n", "is a damaged or truncated PNG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "is a damaged or truncated WebP"),
        (b"\0\0\0\x18ftypheic", "is HEIC (unsupported)"),
        (b"\0\0\0\x18ftypmif1", "is HEIC (unsupported)"),
        (b"\0\0\0\x18ftypavif", "is AVIF (unsupported)"),
        (b"II*\0\x08\0\0\0", "is TIFF or camera RAW (unsupported)"),
        (b"MM\0*\0\0\0\x08", "is TIFF or camera RAW (unsupported)"),
        (b"II*\0\x10\0\0\0CR\x02", "is camera RAW (unsupported)"),
        (b"  <!doctype html>", "is a web page, not an image"),
        (b"plain text", "is text, not an image"),
    ],
)
def test_refusal_is_explained(content, reason):
    assert explain(content) == reason
    with pytest.raises(tf.errors.OpError):
        decode(content)


def test_png_without_its_end_and_bmp_with_more_give_the_same_pixels():
    content = file_bytes(Image.fromarray(noise()), "PNG")
    assert np.array_equal(decode(content[:-12]), decode(content))
    with pytest.raises(tf.errors.OpError):
        decode(content[:-13])
    for kind in (noise(), noise()[..., 0], noise(channels=4)):
        content = file_bytes(Image.fromarray(kind), "BMP")
        # Two bytes are what a well-known editor adds.
        for more in (b"\0\0", b"and more" * 99):
            assert np.array_equal(decode(content + more), decode(content))
        with pytest.raises(tf.errors.OpError):
            decode(content[:-1])
