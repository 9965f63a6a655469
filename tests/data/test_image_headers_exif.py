"""The EXIF orientation of photographs against PIL."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from resnet_keras.data import image_headers, transforms

ORIENTATION = 0x0112


def photo():
    """Three different gradients: every rotation and flip gives a different image."""
    rows, columns = np.mgrid[0:24, 0:40]
    planes = [rows * 8, columns * 5, 255 - rows * 3 - columns * 4]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def jpeg(orientation=None, extra=(), image=None, **options):
    data = io.BytesIO()
    tags = Image.Exif()
    for tag, value in extra:
        tags[tag] = value
    if orientation is not None:
        tags[ORIENTATION] = orientation
    (image or photo()).save(data, "JPEG", quality=95, subsampling=0, exif=tags, **options)
    return data.getvalue()


def segment(kind, content):
    return bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content


def tiff(order, value, tag=ORIENTATION, kind=3, entries=1):
    """The TIFF data of EXIF, little-endian (`<`) or big-endian (`>`)."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, entries)
    return head + struct.pack(order + "HHIHH", tag, kind, 1, value, 0) + struct.pack("I", 0)


def with_exif(content, before=b""):
    """A JPEG with an EXIF segment, and other segments before it."""
    plain = io.BytesIO()
    photo().save(plain, "JPEG", quality=95, subsampling=0)
    plain = plain.getvalue()
    return plain[:2] + before + segment(0xE1, b"Exif\x00\x00" + content) + plain[2:]


def assert_decoded_like_pil(data):
    found = transforms.decode(data).numpy().astype(int)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert found.shape == expected.shape
    # Decoders round differently. A wrong rotation differs by more than a hundred gray levels.
    assert np.abs(found - expected).max() <= 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations(orientation):
    data = jpeg(orientation)
    assert image_headers.exif_orientation(data) == orientation
    assert_decoded_like_pil(data)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_equals_pil_exactly(orientation):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8))
    image.getexif()[ORIENTATION] = orientation
    upright = image_headers.apply_orientation(
        tf.constant(np.asarray(image)), tf.constant(orientation)
    )
    np.testing.assert_array_equal(upright, ImageOps.exif_transpose(image))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", [3, 6])
def test_both_byte_orders(order, orientation):
    data = with_exif(tiff(order, orientation))
    assert image_headers.exif_orientation(data) == orientation
    assert_decoded_like_pil(data)


def test_other_tags_and_segments_may_come_first():
    data = jpeg(8, [(0x010F, "a maker of cameras"), (0x0131, "a program")], comment=b"hello")
    assert image_headers.exif_orientation(data) == 8
    before = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<x/>") + segment(0xFE, b"a comment")
    data = with_exif(tiff("<", 6), before)
    assert image_headers.exif_orientation(data) == 6
    assert_decoded_like_pil(data)


def test_invalid_exif_data_are_ignored():
    assert image_headers.exif_orientation(jpeg()) == 1
    assert image_headers.exif_orientation(with_exif(tiff("<", 0))) == 1
    assert image_headers.exif_orientation(with_exif(tiff("<", 9))) == 1
    assert image_headers.exif_orientation(with_exif(tiff("<", 6, tag=0x0113))) == 1
    assert image_headers.exif_orientation(with_exif(tiff("<", 6, entries=0))) == 1
    assert image_headers.exif_orientation(with_exif(b"")) == 1
    assert image_headers.exif_orientation(with_exif(b"II*\x00\xff\xff\xff\xff")) == 1


def test_truncated_files_never_raise_an_error():
    data = jpeg(6)
    orientations = {int(image_headers.exif_orientation(data[:end])) for end in range(0, 200)}
    assert orientations == {1, 6}


def test_a_jfif_file_without_exif_is_recognized():
    data = io.BytesIO()
    photo().save(data, "JPEG")
    plain = data.getvalue()
    assert image_headers.is_jfif_without_exif(plain)
    others = jpeg(6), with_exif(tiff("<", 6)), with_exif(b"", segment(0xFE, b"a comment"))
    short = b"", b"\xff\xd8\xff", plain[:21], b"\x89PNG" * 9
    assert not any(image_headers.is_jfif_without_exif(data) for data in (*others, *short))


def test_orientation_of_other_formats_is_ignored():
    data = io.BytesIO()
    tags = Image.Exif()
    tags[ORIENTATION] = 6
    photo().save(data, "PNG", exif=tags)
    np.testing.assert_array_equal(transforms.decode(data.getvalue()), np.asarray(photo()))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_gray_and_cmyk_images_are_rotated_too(mode):
    data = jpeg(6, image=photo().convert(mode))
    upright = transforms.decode(data).numpy().astype(int)
    stored = transforms.decode(jpeg(1, image=photo().convert(mode))).numpy().astype(int)
    assert upright.shape == (40, 24, 3)
    np.testing.assert_array_equal(upright, np.rot90(stored, -1))
