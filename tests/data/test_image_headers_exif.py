"""The orientation of photographs against PIL."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from resnet_keras.data import image_headers, transforms

ORIENTATION = 0x0112


def photo():
    """Three bars across a slope: every turn and mirror image is another picture."""
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
    """The TIFF data of EXIF, in either order of bytes."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, entries)
    return head + struct.pack(order + "HHIHH", tag, kind, 1, value, 0) + struct.pack("I", 0)


def with_exif(content, before=b""):
    """A JPEG with segments of our own making in front."""
    plain = io.BytesIO()
    photo().save(plain, "JPEG", quality=95, subsampling=0)
    plain = plain.getvalue()
    return plain[:2] + before + segment(0xE1, b"Exif\x00\x00" + content) + plain[2:]


def assert_as_pil(data):
    mine = transforms.decode(data).numpy().astype(int)
    theirs = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    assert mine.shape == theirs.shape
    # Decoders round differently; a wrong turn is off by more than a hundred grey levels.
    assert np.abs(mine - theirs).max() <= 8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations(orientation):
    data = jpeg(orientation)
    assert image_headers.orientation(data) == orientation
    assert_as_pil(data)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_pil_s_to_the_pixel(orientation):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8))
    picture.getexif()[ORIENTATION] = orientation
    turned = image_headers.turn(tf.constant(np.asarray(picture)), tf.constant(orientation))
    np.testing.assert_array_equal(turned, ImageOps.exif_transpose(picture))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", [3, 6])
def test_both_orders_of_bytes(order, orientation):
    data = with_exif(tiff(order, orientation))
    assert image_headers.orientation(data) == orientation
    assert_as_pil(data)


def test_other_tags_and_other_segments_come_first():
    data = jpeg(8, [(0x010F, "a maker of cameras"), (0x0131, "a program")], comment=b"hello")
    assert image_headers.orientation(data) == 8
    before = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<x/>") + segment(0xFE, b"a comment")
    data = with_exif(tiff("<", 6), before)
    assert image_headers.orientation(data) == 6
    assert_as_pil(data)


def test_what_makes_no_sense_turns_nothing():
    assert image_headers.orientation(jpeg()) == 1
    assert image_headers.orientation(with_exif(tiff("<", 0))) == 1
    assert image_headers.orientation(with_exif(tiff("<", 9))) == 1
    assert image_headers.orientation(with_exif(tiff("<", 6, tag=0x0113))) == 1
    assert image_headers.orientation(with_exif(tiff("<", 6, entries=0))) == 1
    assert image_headers.orientation(with_exif(b"")) == 1
    assert image_headers.orientation(with_exif(b"II*\x00\xff\xff\xff\xff")) == 1


def test_any_cut_of_the_bytes_is_read_without_an_error():
    data = jpeg(6)
    turns = {int(image_headers.orientation(data[:end])) for end in range(0, 200)}
    assert turns == {1, 6}


def test_a_jpeg_without_exif_is_told_at_a_glance():
    made = io.BytesIO()
    photo().save(made, "JPEG")
    plain = made.getvalue()
    assert image_headers.tells_nothing(plain)
    told = jpeg(6), with_exif(tiff("<", 6)), with_exif(b"", segment(0xFE, b"a comment"))
    short = b"", b"\xff\xd8\xff", plain[:21], b"\x89PNG" * 9
    assert not any(image_headers.tells_nothing(data) for data in (*told, *short))


def test_other_formats_are_left_alone():
    data = io.BytesIO()
    tags = Image.Exif()
    tags[ORIENTATION] = 6
    photo().save(data, "PNG", exif=tags)
    np.testing.assert_array_equal(transforms.decode(data.getvalue()), np.asarray(photo()))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_four_colours_are_turned_too(mode):
    data = jpeg(6, image=photo().convert(mode))
    turned = transforms.decode(data).numpy().astype(int)
    flat = transforms.decode(jpeg(1, image=photo().convert(mode))).numpy().astype(int)
    assert turned.shape == (40, 24, 3)
    np.testing.assert_array_equal(turned, np.rot90(flat, -1))
