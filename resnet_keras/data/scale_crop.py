"""The augmentation of section 3.4: the shorter side at random, a random crop of it or its flip.

Cutting first and resizing then is the same but for where the square may lie: on whole pixels of
the original. So no more of a JPEG is decoded than the square needs, and nothing else is resized.
"""

import tensorflow as tf

from resnet_keras.data import exif, headers
from resnet_keras.data.transforms import decode

# Each use of randomness has a tag of its own, so that no two of them draw the same numbers.
_CROP_TAG = 4
# The shorter side, in pixels, of which 224 x 224 are cut out.
SHORTEST, LONGEST, CROP = 256, 480, 224
# How many times smaller a JPEG decoder makes an image at no cost, by averaging.
RATIOS = (1, 2, 4, 8)


def shorter_sides(size: int) -> tuple[int, int]:
    """Returns the least and the greatest shorter side for crops of `size` pixels a side."""
    return round(SHORTEST * size / CROP), round(LONGEST * size / CROP)


def draws(count: int, seed: int, step):
    """Returns what `crop` needs to be told of each image of a step's batch.

    Args:
        count: images in the batch.
        seed: of the run.
        step: int64 scalar.

    Returns:
        int64 `(count, 4)`, each uniform from 0 to 2³² - 1: for the scale, the row, the column and
        the mirror.
    """
    key = tf.stack([tf.constant(_CROP_TAG * 2**32 + seed, tf.int64), tf.cast(step, tf.int64)])
    drawn = tf.random.stateless_uniform(
        (count, 4), seed=key, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    return tf.cast(drawn, tf.int64)


def crop(image_bytes, draw, size: int, mirrored=False):
    """Cuts a square out of an encoded image as if its shorter side had been resized at random.

    A JPEG that is to become less than half as large is decoded at a half, a quarter or an eighth
    of its size; what is left to do is bilinear, as it is where an image is enlarged. It is
    decoded as far as the square reaches: what is damaged beyond is not seen. Of other formats
    everything is decoded, and resizing is bilinear with antialiasing. Where the EXIF data ask for
    it, the square is turned after it has been cut; then it is mirrored.

    Args:
        image_bytes: string scalar.
        draw: int64 `(3,)` or more: the first three of `draws`.
        size: side of the square in pixels.
        mirrored: bool scalar, whether to return the mirror image.

    Returns:
        float32 `(size, size, 3)`, grey levels from 0 to 255.

    Raises:
        InvalidArgumentError: when run, if it cannot be decoded.
    """
    # Of numbers and bytes as they are, each would be traced anew.
    return _crop(tf.convert_to_tensor(image_bytes), tf.convert_to_tensor(draw)[:3], size, mirrored)


# Traced once a size, for all the graphs that cut.
@tf.function(autograph=False)
def _crop(image_bytes, draw, size, mirrored):
    cut = tf.cond(
        exif.tells_nothing(image_bytes),
        lambda: _of_jpeg(image_bytes, draw, size, mirrored),
        lambda: _with_care(image_bytes, draw, size, mirrored),
    )
    return tf.ensure_shape(cut, (size, size, 3))


def window(shape, draw, size: int):
    """Returns which part of an image becomes the square.

    Args:
        shape: int32 `(2,)`, height and width.
        draw: see `crop`.
        size: likewise.

    Returns:
        int32 `(4,)`: top, left, height and width, as `tf.io.decode_and_crop_jpeg` takes them.
    """
    side = _side(draw, size)
    length = _scaled(size, tf.reduce_min(shape), side)
    corner = draw[1:3] % tf.cast(shape - length + 1, tf.int64)
    return tf.concat([tf.cast(corner, tf.int32), [length, length]], axis=0)


def mirror(image, mirrored):
    """Returns the image `(H, W, C)`, or its mirror image where `mirrored`, a bool scalar."""
    if mirrored is False:
        return image
    return tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)


def _aside(function):
    """Keeps a rare case out of the graph around it, where each of its operations would be passed
    by, at a cost, for every image that does not need it."""
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


def _of_jpeg(image_bytes, draw, size, mirrored):
    """Cuts a JPEG the way it is stored."""
    shape = tf.image.extract_jpeg_shape(image_bytes)[:2]
    times = tf.reduce_min(shape) // _side(draw, size)
    chosen = tf.reduce_sum(tf.cast(times >= tf.constant(RATIOS[1:]), tf.int32))
    ratio = tf.gather(tf.constant(RATIOS), chosen)
    part = window((shape + ratio - 1) // ratio, draw, size)

    def decoded(ratio):
        return lambda: tf.io.decode_and_crop_jpeg(image_bytes, part, channels=3, ratio=ratio)

    pixels = tf.switch_case(chosen, [decoded(ratio) for ratio in RATIOS])
    # Bytes are mirrored sooner than floats.
    pixels = mirror(pixels, mirrored)
    # More than twice too large after all: only where photographs become thumbnails.
    return tf.cond(
        part[2] > 2 * size,
        lambda: _aside(lambda: _antialiased(pixels, size))(),
        lambda: _bilinear(pixels, size),
    )


def _with_care(image_bytes, draw, size, mirrored):
    """Cuts what is no JPEG, or one that may have to be turned."""

    def cut():
        upright = tf.cond(
            headers.is_jpeg(image_bytes),
            lambda: exif.turn(
                _of_jpeg(image_bytes, draw, size, False), exif.orientation(image_bytes)
            ),
            lambda: _of_pixels(decode(image_bytes), draw, size),
        )
        return mirror(upright, mirrored)

    return _aside(cut)()


def _of_pixels(image, draw, size):
    top, left, height, width = tf.unstack(window(tf.shape(image)[:2], draw, size))
    return _antialiased(image[top : top + height, left : left + width], size)


def _bilinear(pixels, size):
    # Of floats the operation makes fewer steps than of bytes, by more than casting them takes.
    # What it returns is handed on whole: of a slice, nothing could be computed in place.
    resized = tf.raw_ops.ResizeBilinear(
        images=tf.expand_dims(tf.cast(pixels, tf.float32), 0),
        size=(size, size),
        half_pixel_centers=True,
    )
    return tf.reshape(resized, (size, size, 3))


def _antialiased(pixels, size):
    return tf.image.resize(pixels, (size, size), method="bilinear", antialias=True)


def _side(draw, size):
    low, high = shorter_sides(size)
    return low + tf.cast(draw[0] % (high - low + 1), tf.int32)


def _scaled(size, shorter, side):
    """Returns how many pixels of the original become `size`: at least one, rounded."""
    return tf.maximum(1, (size * shorter + side // 2) // side)
