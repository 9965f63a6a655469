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
