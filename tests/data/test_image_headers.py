"""Sizes read from headers: against PIL, and against files that lie."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from resnet_keras.data import image_headers, transforms
from tests.serving.double.harness import encoded, photo

FILES = {
    "jpeg": encoded(photo(), "JPEG"),
    "progressive jpeg": encoded(photo(), "JPEG", progressive=True),
    "grey jpeg": encoded(photo(channels=1)[..., 0], "JPEG"),
    "cmyk jpeg": encoded(Image.fromarray(photo()).convert("CMYK"), "JPEG"),
    "png": encoded(photo()),
    "rgba png": encoded(photo(channels=4)),
    "grey and alpha png": encoded(Image.fromarray(photo(channels=4)).convert("LA")),
    "palette png": encoded(Image.fromarray(photo()).quantize(8)),
    "black and white png": encoded(Image.fromarray(photo()).convert("1")),
    "16-bit png": encoded(Image.fromarray(photo(channels=1)[..., 0].astype(np.uint16) * 257)),
    "bmp": encoded(photo(), "BMP"),
    "grey bmp": encoded(photo(channels=1)[..., 0], "BMP"),
    "rgba bmp": encoded(photo(channels=4), "BMP"),
    "gif": encoded(Image.fromarray(photo()).quantize(64), "GIF"),
}


def moving(frames, **options):
    images = [Image.fromarray(frame).quantize(200) for frame in frames]
    return encoded(images[0], "GIF", save_all=True, append_images=images[1:], **options)


FILES["moving gif"] = moving([photo(seed=i) for i in range(4)], comment=b"hello" * 100, loop=0)


def png_of(width, height):
    data = bytearray(FILES["png"])
    data[16:24] = struct.pack(">II", width, height)
    return bytes(data)


def jpeg_of(width, height):
    data = FILES["jpeg"]
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def bmp_of(width, height):
    data = bytearray(FILES["bmp"])
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def gif_of(width, height, canvas=False):
    data = bytearray(FILES["gif"])
    place = 6 if canvas else data.index(b"\x2c\0\0\0\0") + 5
    data[place : place + 4] = struct.pack("<HH", width, height)
    return bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_what_is_accepted_and_how_it_is_decoded(name):
    assert image_headers.refusal(FILES[name]).numpy() == b""
    decoded = transforms.decode(FILES[name]).numpy()
    image = Image.open(io.BytesIO(FILES[name]))
    if name == "16-bit png":
        reference = np.repeat((np.asarray(image) // 257)[..., None], 3, axis=2)
    else:
        reference = np.asarray(image.convert("RGB"))
    assert decoded.shape == reference.shape == (20, 24, 3)
    difference = np.abs(decoded.astype(int) - reference)
    # JPEG stores colour at half the size, which programs enlarge in their own ways; and
    # TensorFlow's inverse cosine transform is the fast one.
    assert difference.mean() < 3 if "jpeg" in name else difference.max() <= 1


@pytest.mark.parametrize("made", [png_of, jpeg_of, bmp_of, gif_of])
@pytest.mark.parametrize("width, height", [(20_000, 30), (30, 20_000), (9_000, 9_000)])
def test_absurd_dimensions(made, width, height):
    reason = image_headers.refusal(made(width, height)).numpy().decode()
    assert reason.startswith(f"is of {width}x{height} pixels") and "16384" in reason
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{width}x{height} pixels"):
        transforms.decode(made(width, height))


def test_more_absurd_dimensions():
    assert b"4294967295x4294967295" in image_headers.refusal(png_of(2**32 - 1, 2**32 - 1)).numpy()
    assert (
        b"is of 65000x65000" in image_headers.refusal(gif_of(65_000, 65_000, canvas=True)).numpy()
    )
    # Rows that go downwards.
    assert image_headers.refusal(bmp_of(24, -20)).numpy() == b""
    assert b"is of 24x20000" in image_headers.refusal(bmp_of(24, -20_000)).numpy()
    assert image_headers.refusal(png_of(0, 5)).numpy() == image_headers.DAMAGED.encode()


PALETTES = {
    1: encoded(Image.fromarray(photo()).convert("1"), "BMP"),
    8: encoded(Image.fromarray(photo()).quantize(256), "BMP"),
}


def bmp_of_depth(depth):
    data = bytearray(FILES["bmp"])
    data[28:30] = struct.pack("<H", depth)
    return bytes(data)


@pytest.mark.parametrize(
    "depth, data",
    [*PALETTES.items(), (8, bmp_of_depth(8)), (4, bmp_of_depth(4)), (16, bmp_of_depth(16))],
)
def test_bmps_of_other_depths_are_refused_and_told_what_would_work(depth, data):
    reason = image_headers.refusal(data).numpy().decode()
    assert reason.startswith(f"is a BMP of {depth} bits a pixel") and "save it as PNG" in reason
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"BMP of {depth} bits"):
        transforms.decode(data)


def test_a_grey_bmp_is_one_whose_whole_colour_table_is_grey():
    data = bytearray(FILES["grey bmp"])
    data[54 + 4 * 200] += 1
    assert b"8 bits a pixel" in image_headers.refusal(bytes(data)).numpy()
    # A header that says it is longer than the file.
    data[14:18] = b"\xff\xff\xff\xff"
    assert b"8 bits a pixel" in image_headers.refusal(bytes(data)).numpy()
    assert image_headers.refusal(bytes(data[:53])).numpy() == image_headers.DAMAGED.encode()


@pytest.mark.parametrize(
    "data, reason",
    [(b"", "is empty"), (b"\0", "is no JPEG"), (b"hello" * 100, "is no JPEG, PNG, GIF or BMP"),
     (b"RIFF\0\0\0\0WEBP" + bytes(50), "is no JPEG"), (b"\x89PNG", "is damaged"),
     (b"GIF89a", "is damaged"), (b"BM" + bytes(10), "is damaged"),
     (FILES["gif"][:-40], "is damaged"), (b"GIF89a" + bytes(200), "is damaged"),
     (b"GIF89a" + b"\x01" * 200, "is damaged")],
)  # fmt: skip
def test_reasons(data, reason):
    assert image_headers.refusal(data).numpy().decode().startswith(reason)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_cut_short(name, part):
    data = FILES[name][: int(len(FILES[name]) * part)]
    if name == "moving gif" and part == 0.9:
        # The first frame is there whole.
        assert transforms.decode(data).shape == (20, 24, 3)
        return
    with pytest.raises(tf.errors.InvalidArgumentError):
        transforms.decode(data)


def test_later_frames_of_a_gif_are_not_read():
    data = FILES["moving gif"]
    first = image_headers.first_gif_frame(data).numpy()
    assert len(first) < len(data) / 2 and first.endswith(b"\0;")
    np.testing.assert_array_equal(
        tf.io.decode_image(first, 3, expand_animations=False),
        tf.io.decode_image(data, 3, expand_animations=False),
    )


def test_any_bytes_get_an_answer():
    rng = np.random.default_rng(0)
    check = tf.function(image_headers.refusal, input_signature=[tf.TensorSpec((), tf.string)])
    for data in FILES.values():
        for _ in range(20):
            spoiled = bytearray(data)
            for _ in range(5):
                spoiled[rng.integers(2, min(len(data), 120))] = rng.integers(256)
            try:
                assert check(bytes(spoiled)).dtype == tf.string
            except tf.errors.InvalidArgumentError:
                assert bytes(spoiled[:3]) == b"\xff\xd8\xff"
