"""What an encoded image says of itself, read before anything is decoded.

A few bytes can claim 65,535 × 65,535 pixels, and a decoder believes them and takes the memory.
All of this is stock TensorFlow operations, for it goes into the SavedModel's graph.
"""

import tensorflow as tf

MAX_SIDE = 16_384
MAX_PIXELS = 64 * 2**20
# Bits a pixel of the BMPs whose colours TensorFlow reads. It decodes those of 8 bits too, but takes
# the numbers for grey levels whatever the colour table says: so they must be.
BMP_DEPTHS = (24, 32)
_GREYS = bytes(value for level in range(256) for value in (level, level, level, 0))
# Sub-blocks of at most 255 bytes in front of the end of a GIF's first frame.
MAX_GIF_BLOCKS = 2**16

KINDS = ("JPEG", "PNG", "GIF", "BMP")
DAMAGED = "is damaged or cut short"


def refusal(data):
    """Says why one encoded image must not be decoded.

    Args:
        data: string scalar, any bytes.

    Returns:
        string scalar such as `"is no JPEG, PNG, GIF or BMP"`; empty if nothing speaks against it.
        A JPEG whose header is damaged raises `InvalidArgumentError` instead.
    """
    unknown = f"is no {', '.join(KINDS[:-1])} or {KINDS[-1]}"
    return tf.case(
        [
            (tf.equal(tf.strings.length(data), 0), lambda: tf.constant("is empty")),
            (is_jpeg(data), lambda: _judge(*_jpeg_size(data))),
            # Each of the others has its size within the first 26 bytes.
            (tf.logical_not(_known(data)), lambda: tf.constant(unknown)),
            (tf.strings.length(data) < 26, lambda: tf.constant(DAMAGED)),
            (_begins(data, b"\x89PNG"), lambda: _judge(*_png_size(data))),
            (is_gif(data), lambda: _judge_gif(data)),
        ],
        default=lambda: _judge_bmp(data),
    )


def is_jpeg(data):
    """Returns whether `data`, a string scalar, begins as a JPEG does."""
    return _begins(data, b"\xff\xd8\xff")


def is_gif(data):
    """Returns whether `data`, a string scalar, begins as a GIF does."""
    return _begins(data, b"GIF8")


def first_gif_frame(data):
    """Cuts a GIF, a string scalar, behind its first frame: decoders would read all of them."""
    end = _first_frame(data)[0]
    return tf.strings.join([tf.strings.substr(data, 0, end), tf.constant(b";")])


def _known(data):
    beginnings = [_begins(data, magic) for magic in (b"\x89PNG", b"GIF8", b"BM")]
    return tf.reduce_any(tf.stack(beginnings))


def _begins(data, magic):
    # A string shorter than `magic` is cut where it ends, and differs.
    return tf.equal(tf.strings.substr(data, 0, len(magic)), tf.constant(magic))


def _judge(height, width):
    """Returns the reason against an image of int64 `height` and `width`, or nothing."""
    too_big = tf.logical_or(tf.maximum(height, width) > MAX_SIDE, height * width > MAX_PIXELS)
    reason = tf.strings.join(
        [
            tf.constant("is of "),
            tf.strings.as_string(width),
            tf.constant("x"),
            tf.strings.as_string(height),
            tf.constant(
                f" pixels; at most {MAX_SIDE} a side and {MAX_PIXELS >> 20} megapixels are decoded"
            ),
        ]
    )
    empty = tf.minimum(height, width) < 1
    return tf.where(empty, tf.constant(DAMAGED), tf.where(too_big, reason, tf.constant("")))


def _jpeg_size(data):
    shape = tf.image.extract_jpeg_shape(data, output_type=tf.int32)
    return tf.cast(shape[0], tf.int64), tf.cast(shape[1], tf.int64)


def _png_size(data):
    return _number(data, 20, 4, big_endian=True), _number(data, 16, 4, big_endian=True)


def _judge_bmp(data):
    """Returns the reason against a BMP: its size, or a depth that would give wrong colours."""

    def judge():
        # A negative height says that rows go downwards.
        width, height = (_number(data, offset, 4) for offset in (18, 22))
        of_size = _judge(tf.minimum(height, 2**32 - height), width)
        return tf.where(tf.equal(of_size, ""), _against_depth(data), of_size)

    # Shorter ones end inside the header, which has 40 bytes behind the first 14.
    return tf.cond(tf.strings.length(data) < 54, lambda: tf.constant(DAMAGED), judge)


def _against_depth(data):
    depth = _number(data, 28, 2)
    # The colour table lies behind the header, whose length stands at its beginning.
    length = tf.strings.length(data)
    table = tf.minimum(14 + _number(data, 14, 4), tf.cast(length, tf.int64))
    of_greys = tf.equal(
        tf.strings.substr(data, table, tf.constant(len(_GREYS), tf.int64)), tf.constant(_GREYS)
    )
    fine = tf.reduce_any(tf.equal(depth, tf.constant(BMP_DEPTHS, tf.int64)))
    fine = tf.logical_or(fine, tf.logical_and(tf.equal(depth, 8), of_greys))
    known = " and ".join(map(str, BMP_DEPTHS))
    reason = tf.strings.join(
        [
            tf.constant("is a BMP of "),
            tf.strings.as_string(depth),
            tf.constant(f" bits a pixel; {known} are decoded, and 8 if grey: save it as PNG"),
        ]
    )
    return tf.where(fine, tf.constant(""), reason)


def _number(data, offset, length, big_endian=False):
    """Returns the unsigned number in `length` bytes at `offset`, int64."""
    read = tf.cast(tf.io.decode_raw(tf.strings.substr(data, offset, length), tf.uint8), tf.int64)
    powers = [256**i for i in range(length)]
    return tf.reduce_sum(read * tf.constant(powers[::-1] if big_endian else powers, tf.int64))


def _judge_gif(data):
    end, height, width = _first_frame(data)
    # A decoder goes by the frame's own size and by that of the canvas.
    height = tf.maximum(height, _number(data, 8, 2))
    width = tf.maximum(width, _number(data, 6, 2))
    return tf.cond(end > 0, lambda: _judge(height, width), lambda: tf.constant(DAMAGED))


def _first_frame(data):
    """Walks over a GIF's blocks to its first frame.

    Returns:
        int32: the offset behind the frame, or 0 if `data` ends before; int64: height, width of it.
    """
    length = tf.strings.length(data)
    # Zeros behind the end make every read a valid one, and end chains of sub-blocks.
    octets = tf.cast(tf.io.decode_raw(data, tf.uint8), tf.int32)
    octets = tf.concat([octets, tf.zeros(1024, tf.int32)], axis=0)

    def table(flags):
        """Bytes of the colour table that a byte of flags announces."""
        size = 3 * tf.bitwise.left_shift(2, tf.bitwise.bitwise_and(flags, 7))
        return tf.where(flags >= 128, size, 0)

    def number(at):
        return tf.cast(octets[at] + 256 * octets[at + 1], tf.int64)

    def going(at, chain, frame, found, height, width):
        del chain, frame, height, width
        return tf.logical_and(tf.logical_not(found), at < length)

    def step(at, chain, frame, found, height, width):
        """One block: inside a `chain` a sub-block, else the head of an extension or a frame."""
        head = octets[at]
        is_frame = tf.logical_and(tf.logical_not(chain), tf.equal(head, 0x2C))
        extension = tf.logical_and(tf.logical_not(chain), tf.equal(head, 0x21))
        bad = tf.logical_not(tf.reduce_any(tf.stack([chain, is_frame, extension])))
        height = tf.where(is_frame, number(at + 7), height)
        width = tf.where(is_frame, number(at + 5), width)
        # 10 bytes describe a frame, one more says how long its codes are.
        skip = tf.where(is_frame, 11 + table(octets[at + 9]), tf.where(chain, head + 1, 2))
        ended = tf.logical_and(chain, tf.equal(head, 0))
        found = tf.logical_and(ended, frame)
        return (
            tf.where(bad, length, at + skip),
            tf.logical_and(tf.logical_not(ended), tf.logical_not(bad)),
            tf.logical_or(is_frame, tf.logical_and(chain, frame)),
            found,
            height,
            width,
        )

    start = 13 + table(octets[10])
    no, zero = tf.constant(False), tf.constant(0, tf.int64)
    at, _, _, found, height, width = tf.while_loop(
        going, step, (start, no, no, no, zero, zero), maximum_iterations=MAX_GIF_BLOCKS
    )
    complete = tf.logical_and(found, at <= length)
    return tf.where(complete, at, 0), height, width


# Two bytes of marker, two of length, "Exif" and two zeros: then the TIFF header.
_TIFF = 10
_ORIENTATION = 0x0112
# Entries of the first directory that are looked at; cameras write about a dozen.
_MAX_ENTRIES = 512
_MAX_SEGMENTS = 64


def orientation(data):
    """Returns the orientation that a JPEG's EXIF data tell, int32 1 to 8; 1 where none is told.

    Looked for in the segments in front of the tables, where the standard wants it.

    Args:
        data: string scalar, any bytes; what is no JPEG has 1.
    """
    walked = tf.logical_and(is_jpeg(data), tf.logical_not(tells_nothing(data)))
    return tf.cond(walked, lambda: _of_jpeg(data), lambda: tf.constant(1))


def tells_nothing(data):
    """Returns whether `data`, a string scalar, is at a glance a JPEG without EXIF data: whether
    it begins, as most do, with 18 bytes of JFIF and the tables."""
    jfif = tf.equal(tf.strings.substr(data, 0, 6), tf.constant(b"\xff\xd8\xff\xe0\x00\x10"))
    return tf.logical_and(jfif, tf.equal(_two_at_20(data), tf.constant(b"\xff\xdb")))


def turn(image, orientation):
    """Turns and mirrors an image `(H, W, C)` so that what was up is up.

    Args:
        image: as stored.
        orientation: int32 scalar, 1 to 8.

    Returns:
        `(H, W, C)`, or `(W, H, C)` for the orientations 5 to 8.
    """
    return tf.cond(tf.equal(orientation, 1), lambda: image, lambda: _turned(image, orientation))


def _turned(image, orientation):
    # 5 to 8 are stored with rows for columns; then each is mirrored along one axis, both or none.
    upright = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    across = _one_of(orientation, (2, 3, 6, 7))
    upright = tf.cond(across, lambda: tf.reverse(upright, [1]), lambda: upright)
    down = _one_of(orientation, (3, 4, 7, 8))
    return tf.cond(down, lambda: tf.reverse(upright, [0]), lambda: upright)


def _one_of(value, values):
    return tf.reduce_any(tf.equal(value, tf.constant(values)))


def _of_jpeg(data):
    """Walks from segment to segment until one holds EXIF data, or the tables begin."""

    def going(at, found):
        return tf.logical_and(at > 0, tf.logical_not(found))

    def step(at, found):
        del found
        head = _octets(data, at, _TIFF)
        kind, length = head[1], 256 * head[2] + head[3]
        # APP0 to APP15, or a comment.
        named = tf.logical_or(tf.logical_and(kind >= 0xE0, kind <= 0xEF), tf.equal(kind, 0xFE))
        known = tf.logical_and(tf.equal(head[0], 0xFF), named)
        named_exif = tf.reduce_all(tf.equal(head[4:], tf.constant(list(b"Exif\x00\x00"))))
        exif = tf.logical_and(tf.equal(kind, 0xE1), named_exif)
        onward = tf.where(tf.logical_and(known, length >= 2), at + 2 + length, 0)
        here = tf.logical_and(known, exif)
        return tf.where(here, at, onward), here

    start = (tf.constant(2), tf.constant(False))
    at, found = tf.while_loop(going, step, start, maximum_iterations=_MAX_SEGMENTS)
    return tf.cond(found, lambda: _of_tiff(data, at + _TIFF), lambda: tf.constant(1))


def _of_tiff(data, start):
    """Looks the orientation up in the first directory of the TIFF data at `start`."""
    head = _octets(data, start, 8)
    # "II" for Intel's order of bytes, "MM" for Motorola's.
    little = tf.equal(head[0], ord("I"))

    def number(octets):
        """The unsigned number in the last axis."""
        octets = tf.where(little, tf.reverse(octets, [-1]), octets)
        powers = tf.constant([256**i for i in reversed(range(octets.shape[-1]))], tf.int64)
        return tf.reduce_sum(tf.cast(octets, tf.int64) * powers, axis=-1)

    # No directory lies beyond what its segment of at most 64 KiB can hold.
    offset = tf.cast(tf.minimum(number(head[4:8]), 2**16), tf.int32)
    count = tf.cast(number(_octets(data, start + offset, 2)), tf.int32)
    count = tf.minimum(count, _MAX_ENTRIES)
    # An entry has 12 bytes: tag, type, count, and the value if it fits into four.
    entries = _octets(data, start + offset + 2, 12 * count)
    entries = tf.reshape(entries, (-1, 12))
    tags, values = number(entries[:, 0:2]), number(entries[:, 8:10])
    fits = tf.logical_and(tf.equal(tags, _ORIENTATION), tf.equal(number(entries[:, 2:4]), 3))
    told = tf.concat([tf.boolean_mask(values, fits), [1]], axis=0)[0]
    sound = tf.logical_and(told >= 1, told <= 8)
    return tf.where(sound, tf.cast(told, tf.int32), 1)


def _two_at_20(data):
    return tf.strings.substr(data, tf.minimum(20, tf.strings.length(data)), 2)


def _octets(data, at, length):
    """Returns int32 `(length,)`: the bytes from `at` on, zeros behind the end of `data`."""
    at = tf.minimum(at, tf.strings.length(data))
    read = tf.cast(tf.io.decode_raw(tf.strings.substr(data, at, length), tf.uint8), tf.int32)
    return tf.ensure_shape(
        tf.pad(read, [[0, length - tf.size(read)]]),
        (length if isinstance(length, int) else None,),
    )
