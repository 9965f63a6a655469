"""What the header of an encoded image says, read before the image is decoded.

A file of a few bytes can claim 65,535 × 65,535 pixels; a decoder would believe it and allocate the
memory. Everything here consists of standard TensorFlow operations, because it is part of the
SavedModel's graph.
"""

import tensorflow as tf

MAX_SIDE = 16_384
MAX_PIXELS = 64 * 2**20
FORMATS = ("JPEG", "PNG", "GIF", "BMP")
DAMAGED = "is damaged or cut short"

# TensorFlow decodes the colors of BMPs with this many bits per pixel. It decodes BMPs with 8 bits
# too, but ignores their color table and takes each byte as a gray level. They are accepted only if
# their color table says the same.
_BMP_DEPTHS = (24, 32)
_GRAY_COLOR_TABLE = bytes(value for level in range(256) for value in (level, level, level, 0))
# The first frame of a GIF has to end within this many sub-blocks of at most 255 bytes.
_MAX_GIF_BLOCKS = 2**16

# An EXIF segment starts with the marker (2 bytes), the length (2 bytes) and "Exif\0\0". Then comes
# the TIFF header.
_TIFF_OFFSET = 10
_ORIENTATION_TAG = 0x0112
# Only so many entries of the first directory are searched. Cameras write about a dozen.
_MAX_ENTRIES = 512
_MAX_SEGMENTS = 64


def rejection_reason(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns why an encoded image must not be decoded.

    Args:
        image_bytes: string scalar, any bytes.

    Returns:
        A string scalar, to be preceded by "the image", such as `"is empty"`; empty if there is no
        reason.

    Raises:
        InvalidArgumentError: when run, if the header of a JPEG is damaged.

    Example:

    >>> rejection_reason(b"hello").numpy()
    b'is not a JPEG, PNG, GIF or BMP'
    >>> png = tf.io.encode_png(tf.zeros((1, 20_000, 3), tf.uint8))
    >>> rejection_reason(png).numpy()
    b'has 20000x1 pixels; the limits are 16384 pixels per side and 64 megapixels'
    """
    unknown = f"is not a {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    return tf.case(
        [
            (tf.equal(tf.strings.length(image_bytes), 0), lambda: tf.constant("is empty")),
            (is_jpeg(image_bytes), lambda: _size_reason(*_jpeg_size(image_bytes))),
            # The other formats have their size within the first 26 bytes.
            (tf.logical_not(_is_other_format(image_bytes)), lambda: tf.constant(unknown)),
            (tf.strings.length(image_bytes) < 26, lambda: tf.constant(DAMAGED)),
            (
                _starts_with(image_bytes, b"\x89PNG"),
                lambda: _size_reason(*_png_size(image_bytes)),
            ),
            (is_gif(image_bytes), lambda: _gif_reason(image_bytes)),
        ],
        default=lambda: _bmp_reason(image_bytes),
    )


def is_jpeg(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns whether an encoded image is a JPEG, by its first bytes.

    Args:
        image_bytes: string scalar, any bytes.

    Returns:
        bool scalar.

    Example:

    >>> jpeg = tf.io.encode_jpeg(tf.zeros((2, 2, 3), tf.uint8))
    >>> bool(is_jpeg(jpeg)), bool(is_jpeg(b"hello"))
    (True, False)
    """
    return _starts_with(image_bytes, b"\xff\xd8\xff")


def is_gif(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns whether an encoded image is a GIF, by its first bytes.

    Args:
        image_bytes: string scalar, any bytes.

    Returns:
        bool scalar.

    Example:

    >>> bool(is_gif(b"GIF89a")), bool(is_gif(b"hello"))
    (True, False)
    """
    return _starts_with(image_bytes, b"GIF8")


def _is_other_format(image_bytes: tf.Tensor) -> tf.Tensor:
    matches = [_starts_with(image_bytes, magic) for magic in (b"\x89PNG", b"GIF8", b"BM")]
    return tf.reduce_any(tf.stack(matches))


def _starts_with(image_bytes: tf.Tensor, magic: bytes) -> tf.Tensor:
    # `substr` of a string shorter than `magic` is shorter too, and therefore different.
    return tf.equal(tf.strings.substr(image_bytes, 0, len(magic)), tf.constant(magic))


def _size_reason(height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Returns why an image of this size (int64) must not be decoded, or an empty string."""
    too_big = tf.logical_or(tf.maximum(height, width) > MAX_SIDE, height * width > MAX_PIXELS)
    limits = f"{MAX_SIDE} pixels per side and {MAX_PIXELS >> 20} megapixels"
    reason = tf.strings.join(
        [
            tf.constant("has "),
            tf.strings.as_string(width),
            tf.constant("x"),
            tf.strings.as_string(height),
            tf.constant(f" pixels; the limits are {limits}"),
        ]
    )
    empty = tf.minimum(height, width) < 1
    return tf.where(empty, tf.constant(DAMAGED), tf.where(too_big, reason, tf.constant("")))


def _jpeg_size(image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    shape = tf.image.extract_jpeg_shape(image_bytes, output_type=tf.int32)
    return tf.cast(shape[0], tf.int64), tf.cast(shape[1], tf.int64)


def _png_size(image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    height = _unsigned(image_bytes, 20, 4, big_endian=True)
    width = _unsigned(image_bytes, 16, 4, big_endian=True)
    return height, width


def _bmp_reason(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns why a BMP must not be decoded: its size, or a depth that would give wrong colors."""

    def reason() -> tf.Tensor:
        width, height = (_unsigned(image_bytes, offset, 4) for offset in (18, 22))
        # A negative height means that the rows are stored from top to bottom.
        size_reason = _size_reason(tf.minimum(height, 2**32 - height), width)
        return tf.where(tf.equal(size_reason, ""), _bmp_depth_reason(image_bytes), size_reason)

    # Shorter files end within the header, which has 40 bytes after the first 14.
    return tf.cond(tf.strings.length(image_bytes) < 54, lambda: tf.constant(DAMAGED), reason)


def _bmp_depth_reason(image_bytes: tf.Tensor) -> tf.Tensor:
    depth = _unsigned(image_bytes, 28, 2)
    # The color table follows the header, which starts with its own length.
    length = tf.strings.length(image_bytes)
    table = tf.minimum(14 + _unsigned(image_bytes, 14, 4), tf.cast(length, tf.int64))
    table_length = tf.constant(len(_GRAY_COLOR_TABLE), tf.int64)
    is_gray = tf.equal(
        tf.strings.substr(image_bytes, table, table_length), tf.constant(_GRAY_COLOR_TABLE)
    )
    accepted = tf.reduce_any(tf.equal(depth, tf.constant(_BMP_DEPTHS, tf.int64)))
    accepted = tf.logical_or(accepted, tf.logical_and(tf.equal(depth, 8), is_gray))
    depths = " and ".join(map(str, _BMP_DEPTHS))
    reason = tf.strings.join(
        [
            tf.constant("is a BMP with "),
            tf.strings.as_string(depth),
            tf.constant(
                f" bits per pixel; only {depths} bits, and 8 bits in gray, are supported: save it "
                "as PNG"
            ),
        ]
    )
    return tf.where(accepted, tf.constant(""), reason)


def _unsigned(
    image_bytes: tf.Tensor, offset: int, length: int, big_endian: bool = False
) -> tf.Tensor:
    """Returns the unsigned number in `length` bytes at `offset`, int64."""
    octets = tf.io.decode_raw(tf.strings.substr(image_bytes, offset, length), tf.uint8)
    powers = [256**i for i in range(length)]
    if big_endian:
        powers.reverse()
    return tf.reduce_sum(tf.cast(octets, tf.int64) * tf.constant(powers, tf.int64))


def _gif_reason(image_bytes: tf.Tensor) -> tf.Tensor:
    end, height, width = _scan_first_gif_frame(image_bytes)
    # A decoder allocates for the size of the frame and for that of the canvas.
    height = tf.maximum(height, _unsigned(image_bytes, 8, 2))
    width = tf.maximum(width, _unsigned(image_bytes, 6, 2))
    return tf.cond(end > 0, lambda: _size_reason(height, width), lambda: tf.constant(DAMAGED))


def first_gif_frame(image_bytes: tf.Tensor) -> tf.Tensor:
    r"""Cuts off a GIF after its first frame, because decoders would decode all frames.

    Args:
        image_bytes: string scalar, a GIF.

    Returns:
        String scalar, a GIF with one frame.

    Example:

    >>> gif = (
    ...     b"GIF89a\x01\x00\x01\x00\x00\x00\x00"  # 1 x 1 pixels, no color table
    ...     b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x01L\x00"  # a frame
    ...     b"all other frames;"
    ... )
    >>> first_gif_frame(gif).numpy() == gif.replace(b"all other frames", b"")
    True
    """
    end = _scan_first_gif_frame(image_bytes)[0]
    return tf.strings.join([tf.strings.substr(image_bytes, 0, end), tf.constant(b";")])


def _scan_first_gif_frame(image_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Scans the blocks of a GIF up to the end of its first frame.

    Returns:
        int32: the offset of the end of the frame, or 0 if the file ends before. int64: height and
        width of the frame.
    """
    length = tf.strings.length(image_bytes)
    # With zeros after the end, every read is valid, and chains of sub-blocks end.
    octets = tf.cast(tf.io.decode_raw(image_bytes, tf.uint8), tf.int32)
    octets = tf.concat([octets, tf.zeros(1024, tf.int32)], axis=0)

    def color_table_size(flags: tf.Tensor) -> tf.Tensor:
        """Returns the size in bytes of the color table that a byte of flags announces."""
        size = 3 * tf.bitwise.left_shift(2, tf.bitwise.bitwise_and(flags, 7))
        return tf.where(flags >= 128, size, 0)

    def number(at: tf.Tensor) -> tf.Tensor:
        return tf.cast(octets[at] + 256 * octets[at + 1], tf.int64)

    def is_unfinished(
        at: tf.Tensor,
        in_chain: tf.Tensor,
        in_frame: tf.Tensor,
        found: tf.Tensor,
        height: tf.Tensor,
        width: tf.Tensor,
    ) -> tf.Tensor:
        del in_chain, in_frame, height, width
        return tf.logical_and(tf.logical_not(found), at < length)

    def next_block(
        at: tf.Tensor,
        in_chain: tf.Tensor,
        in_frame: tf.Tensor,
        found: tf.Tensor,
        height: tf.Tensor,
        width: tf.Tensor,
    ) -> tuple[tf.Tensor, ...]:
        """Reads a sub-block if `in_chain`, otherwise the header of an extension or a frame."""
        head = octets[at]
        is_frame = tf.logical_and(tf.logical_not(in_chain), tf.equal(head, 0x2C))
        is_extension = tf.logical_and(tf.logical_not(in_chain), tf.equal(head, 0x21))
        is_bad = tf.logical_not(tf.reduce_any(tf.stack([in_chain, is_frame, is_extension])))
        height = tf.where(is_frame, number(at + 7), height)
        width = tf.where(is_frame, number(at + 5), width)
        # 10 bytes describe a frame; after the color table, one byte gives the size of its codes.
        frame_header = 11 + color_table_size(octets[at + 9])
        skip = tf.where(is_frame, frame_header, tf.where(in_chain, head + 1, 2))
        chain_ends = tf.logical_and(in_chain, tf.equal(head, 0))
        found = tf.logical_and(chain_ends, in_frame)
        return (
            tf.where(is_bad, length, at + skip),
            tf.logical_and(tf.logical_not(chain_ends), tf.logical_not(is_bad)),
            tf.logical_or(is_frame, tf.logical_and(in_chain, in_frame)),
            found,
            height,
            width,
        )

    start = 13 + color_table_size(octets[10])
    no, zero = tf.constant(False), tf.constant(0, tf.int64)
    at, _, _, found, height, width = tf.while_loop(
        is_unfinished,
        next_block,
        (start, no, no, no, zero, zero),
        maximum_iterations=_MAX_GIF_BLOCKS,
    )
    is_complete = tf.logical_and(found, at <= length)
    return tf.where(is_complete, at, 0), height, width


def exif_orientation(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns the orientation in the EXIF data of a JPEG.

    The EXIF data are searched for before the quantization tables, where the standard puts them.

    Args:
        image_bytes: string scalar, any bytes.

    Returns:
        int32 scalar from 1 to 8; 1 if the image is not a JPEG or has no valid orientation.

    Example:

    >>> jpeg = tf.io.encode_jpeg(tf.zeros((2, 2, 3), tf.uint8))
    >>> int(exif_orientation(jpeg))
    1
    """
    may_have_exif = tf.logical_and(
        is_jpeg(image_bytes), tf.logical_not(is_jfif_without_exif(image_bytes))
    )
    return tf.cond(may_have_exif, lambda: _search_segments(image_bytes), lambda: tf.constant(1))


def is_jfif_without_exif(image_bytes: tf.Tensor) -> tf.Tensor:
    """Returns whether an encoded image is a JPEG that certainly has no EXIF data.

    Most JPEGs without EXIF data start with a JFIF segment of 18 bytes, directly followed by the
    quantization tables. Looking at these bytes is much faster than to search all segments.

    Args:
        image_bytes: string scalar, any bytes.

    Returns:
        bool scalar. If it is false, the image may still be a JPEG without EXIF data.

    Example:

    >>> jpeg = tf.io.encode_jpeg(tf.zeros((2, 2, 3), tf.uint8))
    >>> bool(is_jfif_without_exif(jpeg)), bool(is_jfif_without_exif(b"hello"))
    (True, False)
    """
    is_jfif = tf.equal(
        tf.strings.substr(image_bytes, 0, 6), tf.constant(b"\xff\xd8\xff\xe0\x00\x10")
    )
    # `substr` raises an error if the position is beyond the end.
    position = tf.minimum(20, tf.strings.length(image_bytes))
    marker = tf.strings.substr(image_bytes, position, 2)
    return tf.logical_and(is_jfif, tf.equal(marker, tf.constant(b"\xff\xdb")))


def apply_orientation(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Rotates and flips an image so that it is upright.

    Args:
        image: `(H, W, C)`, as stored.
        orientation: int32 scalar from 1 to 8, as in EXIF.

    Returns:
        `(H, W, C)`, or `(W, H, C)` for the orientations 5 to 8.

    Example:

    >>> image = tf.constant([[[1], [2], [3]]])  # one row of three pixels
    >>> apply_orientation(image, tf.constant(3)).numpy().ravel().tolist()  # rotated by 180°
    [3, 2, 1]
    >>> apply_orientation(image, tf.constant(6)).shape  # rotated by 90°
    TensorShape([3, 1, 1])
    """
    is_upright = tf.equal(orientation, 1)
    return tf.cond(is_upright, lambda: image, lambda: _rotated(image, orientation))


def _rotated(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    # 5 to 8 are stored with rows and columns exchanged. Then each is flipped along the vertical
    # axis, the horizontal axis, both or none.
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    left_right = _is_one_of(orientation, (2, 3, 6, 7))
    image = tf.cond(left_right, lambda: tf.reverse(image, [1]), lambda: image)
    up_down = _is_one_of(orientation, (3, 4, 7, 8))
    return tf.cond(up_down, lambda: tf.reverse(image, [0]), lambda: image)


def _is_one_of(value: tf.Tensor, values: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_any(tf.equal(value, tf.constant(values)))


def _search_segments(image_bytes: tf.Tensor) -> tf.Tensor:
    """Reads the orientation from the EXIF segment, which comes before the tables."""

    def is_unfinished(at: tf.Tensor, found: tf.Tensor) -> tf.Tensor:
        return tf.logical_and(at > 0, tf.logical_not(found))

    def next_segment(at: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        del found
        head = _octets(image_bytes, at, _TIFF_OFFSET)
        marker, length = head[1], 256 * head[2] + head[3]
        # APP0 to APP15, or a comment.
        may_precede_exif = tf.logical_or(
            tf.logical_and(marker >= 0xE0, marker <= 0xEF), tf.equal(marker, 0xFE)
        )
        is_known = tf.logical_and(tf.equal(head[0], 0xFF), may_precede_exif)
        is_named_exif = tf.reduce_all(tf.equal(head[4:], tf.constant(list(b"Exif\x00\x00"))))
        is_exif = tf.logical_and(tf.equal(marker, 0xE1), is_named_exif)
        following = tf.where(tf.logical_and(is_known, length >= 2), at + 2 + length, 0)
        found = tf.logical_and(is_known, is_exif)
        return tf.where(found, at, following), found

    start = (tf.constant(2), tf.constant(False))
    at, found = tf.while_loop(is_unfinished, next_segment, start, maximum_iterations=_MAX_SEGMENTS)
    return tf.cond(
        found, lambda: _tiff_orientation(image_bytes, at + _TIFF_OFFSET), lambda: tf.constant(1)
    )


def _tiff_orientation(image_bytes: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Reads the orientation from the first directory of the TIFF data at `start`."""
    head = _octets(image_bytes, start, 8)
    # "II" means little-endian (Intel), "MM" big-endian (Motorola).
    little_endian = tf.equal(head[0], ord("I"))

    def number(octets: tf.Tensor) -> tf.Tensor:
        """Returns the unsigned numbers along the last axis."""
        octets = tf.where(little_endian, tf.reverse(octets, [-1]), octets)
        powers = tf.constant([256**i for i in reversed(range(octets.shape[-1]))], tf.int64)
        return tf.reduce_sum(tf.cast(octets, tf.int64) * powers, axis=-1)

    # The directory must be within the segment, which has at most 64 KiB.
    offset = tf.cast(tf.minimum(number(head[4:8]), 2**16), tf.int32)
    count = tf.cast(number(_octets(image_bytes, start + offset, 2)), tf.int32)
    count = tf.minimum(count, _MAX_ENTRIES)
    # An entry has 12 bytes: tag, type, count, and the value if it fits into four bytes.
    entries = tf.reshape(_octets(image_bytes, start + offset + 2, 12 * count), (-1, 12))
    tags, types, values = (number(entries[:, a:b]) for a, b in ((0, 2), (2, 4), (8, 10)))
    is_orientation = tf.logical_and(tf.equal(tags, _ORIENTATION_TAG), tf.equal(types, 3))
    value = tf.concat([tf.boolean_mask(values, is_orientation), [1]], axis=0)[0]
    is_valid = tf.logical_and(value >= 1, value <= 8)
    return tf.where(is_valid, tf.cast(value, tf.int32), 1)


def _octets(image_bytes: tf.Tensor, at: tf.Tensor, length: tf.Tensor | int) -> tf.Tensor:
    """Returns int32 `(length,)`: the bytes from `at` on, and zeros after the end of the image."""
    at = tf.minimum(at, tf.strings.length(image_bytes))
    octets = tf.io.decode_raw(tf.strings.substr(image_bytes, at, length), tf.uint8)
    return tf.ensure_shape(
        tf.pad(tf.cast(octets, tf.int32), [[0, length - tf.size(octets)]]),
        (length if isinstance(length, int) else None,),
    )
