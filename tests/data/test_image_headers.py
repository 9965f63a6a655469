"""Image headers: accepted formats against PIL, and headers with wrong or absurd sizes."""

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
    "gray jpeg": encoded(photo(channels=1)[..., 0], "JPEG"),
    "cmyk jpeg": encoded(Image.fromarray(photo()).convert("CMYK"), "JPEG"),
    "png": encoded(photo()),
    "rgba png": encoded(photo(channels=4)),
    "gray and alpha png": encoded(Image.fromarray(photo(channels=4)).convert("LA")),
    "palette png": encoded(Image.fromarray(photo()).quantize(8)),
    "black and white png": encoded(Image.fromarray(photo()).convert("1")),
    "16-bit png": encoded(Image.fromarray(photo(channels=1)[..., 0].astype(np.uint16) * 257)),
    "bmp": encoded(photo(), "BMP"),
    "gray bmp": encoded(photo(channels=1)[..., 0], "BMP"),
    "rgba bmp": encoded(photo(channels=4), "BMP"),
    "gif": encoded(Image.fromarray(photo()).quantize(64), "GIF"),
}


def animated(frames, **options):
    images = [Image.fromarray(frame).quantize(200) for frame in frames]
    return encoded(images[0], "GIF", save_all=True, append_images=images[1:], **options)


FILES["animated gif"] = animated([photo(seed=i) for i in range(4)], comment=b"hello" * 100, loop=0)


def reason_of(data):
    return image_headers.rejection_reason(data).numpy().decode()


def png_of(width, height):
    data = bytearray(FILES["png"])
    data[16:24] = struct.pack(">II", width, height)
    return bytes(data)


def jpeg_of(width, height):
    data = FILES["jpeg"]
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def bmp_of(width, height):
    data = bytearray(FILES["bmp"])
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def gif_of(width, height, canvas=False):
    data = bytearray(FILES["gif"])
    at = 6 if canvas else data.index(b"\x2c\0\0\0\0") + 5
    data[at : at + 4] = struct.pack("<HH", width, height)
    return bytes(data)


@pytest.mark.parametrize("name", FILES)
def test_accepted_formats_are_decoded_like_pil(name):
    assert reason_of(FILES[name]) == ""
    decoded = transforms.decode(FILES[name]).numpy()
    image = Image.open(io.BytesIO(FILES[name]))
    if name == "16-bit png":
        reference = np.repeat((np.asarray(image) // 257)[..., None], 3, axis=2)
    else:
        reference = np.asarray(image.convert("RGB"))
    assert decoded.shape == reference.shape == (20, 24, 3)
    difference = np.abs(decoded.astype(int) - reference)
    # Programs interpolate the half-size chroma of a JPEG in different ways, and TensorFlow uses the
    # fast inverse cosine transform.
    assert difference.mean() < 3 if "jpeg" in name else difference.max() <= 1


@pytest.mark.parametrize("encode", [png_of, jpeg_of, bmp_of, gif_of])
@pytest.mark.parametrize("width, height", [(20_000, 30), (30, 20_000), (9_000, 9_000)])
def test_absurd_sizes_are_rejected(encode, width, height):
    reason = reason_of(encode(width, height))
    assert reason.startswith(f"has {width}x{height} pixels") and "16384" in reason
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{width}x{height} pixels"):
        transforms.decode(encode(width, height))


def test_more_absurd_sizes():
    assert "4294967295x4294967295" in reason_of(png_of(2**32 - 1, 2**32 - 1))
    assert "has 65000x65000" in reason_of(gif_of(65_000, 65_000, canvas=True))
    # A negative height means that the rows are stored from top to bottom.
    assert reason_of(bmp_of(24, -20)) == ""
    assert "has 24x20000" in reason_of(bmp_of(24, -20_000))
    assert reason_of(png_of(0, 5)) == image_headers.DAMAGED


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
def test_bmps_of_other_depths_are_rejected_with_advice(depth, data):
    reason = reason_of(data)
    assert reason.startswith(f"is a BMP with {depth} bits per pixel") and "save it as PNG" in reason
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"BMP with {depth} bits"):
        transforms.decode(data)


def test_a_bmp_is_gray_only_if_its_whole_color_table_is():
    data = bytearray(FILES["gray bmp"])
    data[54 + 4 * 200] += 1
    assert "8 bits per pixel" in reason_of(bytes(data))
    # A header that claims to be longer than the file.
    data[14:18] = b"\xff\xff\xff\xff"
    assert "8 bits per pixel" in reason_of(bytes(data))
    assert reason_of(bytes(data[:53])) == image_headers.DAMAGED


@pytest.mark.parametrize(
    "data, reason",
    [(b"", "is empty"), (b"\0", "is not a JPEG"),
     (b"hello" * 100, "is not a JPEG, PNG, GIF or BMP"),
     (b"RIFF\0\0\0\0WEBP" + bytes(50), "is not a JPEG"), (b"\x89PNG", "is damaged"),
     (b"GIF89a", "is damaged"), (b"BM" + bytes(10), "is damaged"),
     (FILES["gif"][:-40], "is damaged"), (b"GIF89a" + bytes(200), "is damaged"),
     (b"GIF89a" + b"\x01" * 200, "is damaged")],
)  # fmt: skip
def test_rejection_reasons(data, reason):
    assert reason_of(data).startswith(reason)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("fraction", [0.3, 0.9])
def test_files_that_are_cut_short(name, fraction):
    data = FILES[name][: int(len(FILES[name]) * fraction)]
    if name == "animated gif" and fraction == 0.9:
        # The first frame is complete.
        assert transforms.decode(data).shape == (20, 24, 3)
        return
    with pytest.raises(tf.errors.InvalidArgumentError):
        transforms.decode(data)


def test_only_the_first_frame_of_a_gif_is_read():
    data = FILES["animated gif"]
    first = image_headers.first_gif_frame(data).numpy()
    assert len(first) < len(data) / 2 and first.endswith(b"\0;")
    np.testing.assert_array_equal(
        tf.io.decode_image(first, 3, expand_animations=False),
        tf.io.decode_image(data, 3, expand_animations=False),
    )


def test_random_changes_of_headers_never_crash():
    rng = np.random.default_rng(0)
    check = tf.function(
        image_headers.rejection_reason, input_signature=[tf.TensorSpec((), tf.string)]
    )
    for data in FILES.values():
        for _ in range(20):
            changed = bytearray(data)
            for _ in range(5):
                changed[rng.integers(2, min(len(data), 120))] = rng.integers(256)
            try:
                assert check(bytes(changed)).dtype == tf.string
            except tf.errors.InvalidArgumentError:
                assert bytes(changed[:3]) == b"\xff\xd8\xff"
