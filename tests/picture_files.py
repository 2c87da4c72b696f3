"""Image files of every kind that is read, whole and damaged."""

import io

import numpy as np
from PIL import Image

HTML = b"<!DOCTYPE html><html><body>404</body></html>"
HEIC = b"\0\0\0\x18ftypheic" + b"\0" * 212


def file_bytes(image, form, **options):
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def noise(height=9, width=13, channels=3):
    shape = (height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def solid(color=(200, 30, 60), mode="RGB", size=(16, 12)):
    return Image.new("RGB", size, color).convert(mode)


def animation(form, **options):
    frames = [Image.new("L", (6, 4), gray) for gray in (10, 120, 240)]
    if form == "WEBP":
        frames = [frame.convert("RGB") for frame in frames]
    return file_bytes(frames[0], form, save_all=True, append_images=frames[1:], **options)


def jpeg_with_hole():
    """A JPEG that is decoded, though a part of its pixels is not there."""
    whole = file_bytes(Image.fromarray(noise(120, 160)), "JPEG")
    return whole[:3000] + bytes(600) + whole[3600:]


def every_kind():
    """One file of each kind that is read, none of them square."""
    picture = Image.fromarray(noise())
    gray = picture.convert("L")
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "jpeg": file_bytes(picture, "JPEG"),
        "turned jpeg": file_bytes(picture, "JPEG", exif=turned),
        "progressive jpeg": file_bytes(picture, "JPEG", progressive=True),
        "gray jpeg": file_bytes(gray, "JPEG"),
        "cmyk jpeg": file_bytes(picture.convert("CMYK"), "JPEG"),
        "png": file_bytes(picture, "PNG"),
        "turned png": file_bytes(picture, "PNG", exif=turned),
        "gray png": file_bytes(gray, "PNG"),
        "gray and alpha png": file_bytes(picture.convert("LA"), "PNG"),
        "palette png": file_bytes(picture.quantize(8), "PNG"),
        "one-bit png": file_bytes(picture.convert("1"), "PNG"),
        "16-bit png": file_bytes(Image.fromarray(noise()[..., 0].astype(np.uint16) * 257), "PNG"),
        "rgba png": file_bytes(Image.fromarray(noise(channels=4)), "PNG"),
        "png with a color cut out": file_bytes(
            picture, "PNG", transparency=tuple(noise()[0, 0].tolist())
        ),
        "gif": file_bytes(picture.quantize(8), "GIF"),
        "moving gif": animation("GIF"),
        "bmp": file_bytes(picture, "BMP"),
        "palette bmp": file_bytes(picture.quantize(8), "BMP"),
        "webp": file_bytes(picture, "WEBP"),
        "rgba webp": file_bytes(Image.fromarray(noise(channels=4)), "WEBP"),
        "moving webp": animation("WEBP"),
    }


def mutate(content, rng):
    """Damages a file as broken disks, cut transfers and ill will do."""
    data = bytearray(content)
    first, last = sorted(rng.integers(0, len(data), 2))
    how = rng.integers(5)
    if how == 0:
        return bytes(data[:last])
    if how == 1:
        del data[first:last]
    elif how == 2:
        data[first:first] = data[first:last]
    else:
        # Anywhere, or in the header, where sizes and kinds stand.
        end = len(data) if how == 3 else min(64, len(data))
        for place in rng.integers(0, end, rng.integers(1, 4)):
            data[place] = rng.integers(256)
    return bytes(data)


def picture(seed, size=(96, 64)):
    """Smooth random shapes, as unlike each other as photographs are."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
