"""Which way up a camera was held: the orientation in a JPEG's EXIF data, read and undone.

All of this is stock TensorFlow operations, for it goes into the SavedModel's graph.
"""

import tensorflow as tf

from resnet_keras.data import headers

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
    walked = tf.logical_and(headers.is_jpeg(data), tf.logical_not(tells_nothing(data)))
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
