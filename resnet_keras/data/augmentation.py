"""The augmentation of section 4.2, a whole batch at a time and decided by (seed, step) alone."""

import numpy as np
import tensorflow as tf

from resnet_keras.data import image_headers
from resnet_keras.data.dataset import Share
from resnet_keras.data.transforms import decode, normalize
from resnet_keras.preprocessing import Preprocessing

# Each use of randomness has a tag of its own, so that no two of them draw the same numbers.
_AUGMENT_TAG = 2
_MIRROR_TAG = 3


def flip_and_crop(
    images, seed: int, step, pad: int, flip: bool, mirrored=None, share: Share | None = None
):
    """Mirrors half of the images, pads all with zeros and cuts the old size out at random.

    Args:
        images: `(N, H, W, C)`, mean already subtracted: the zeros are the mean image.
        seed: of the run.
        step: int64 scalar, the training step the batch is for.
        pad: pixels on each side; 0 does not crop.
        flip: whether to mirror.
        mirrored: bool `(N,)`, which images to mirror where that is not left to chance.
        share: which images of the step's batch these are; `None` for all of them.

    Returns:
        Images of the same shape and dtype. Each image is, independently of the others, one of
        the `(2 pad + 1)²` crops of itself or of its mirror image, all equally likely.
    """
    count, height, width, channels = (int(side) for side in images.shape)
    share = share or Share.all(count)
    by_chance, top, left = (
        share.of(drawn) for drawn in _choices(share.batch_size, seed, step, pad, flip)
    )
    mirrored = by_chance if mirrored is None else mirrored
    padded = tf.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    # One gather does it all: for each pixel of the result, the pixel of the padded original.
    # In the padded mirror image, column x holds what column (width - 1 - x) of the padded
    # original does, counted over the padded width.
    rows = top[:, None] + tf.range(height)
    columns = left[:, None] + tf.range(width)
    padded_width = width + 2 * pad
    columns = tf.where(mirrored[:, None], padded_width - 1 - columns, columns)
    first = tf.range(count) * (height + 2 * pad)
    pixels = (first[:, None, None] + rows[:, :, None]) * padded_width + columns[:, None, :]
    return tf.gather(tf.reshape(padded, (-1, channels)), pixels)


def alternately_mirrored(seed: int, batch_size: int, examples: int):
    """Returns a function that says which images of a batch are mirrored: half of all in the first
    epoch, by chance, the others in the second, and so on. No image is seen the same way round
    twice in a row (as in K. Jordan, *94% on CIFAR-10 in 3.29 Seconds*, arXiv:2404.00498).

    Args:
        seed: of the run.
        batch_size: images a step.
        examples: images in the training set.

    Returns:
        A function of the step, int64 scalar, and its images' indices, int64 `(batch_size,)`, to
        bool `(batch_size,)`.
    """
    key = tf.constant([_MIRROR_TAG * 2**32 + seed, 0], tf.int64)
    first = tf.random.stateless_uniform(
        (examples,), seed=key, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    first = tf.cast(first % 2, tf.int64)

    def mirrored(step, indices):
        places = tf.cast(step, tf.int64) * batch_size + tf.range(batch_size, dtype=tf.int64)
        return (tf.gather(first, indices) + places // examples) % 2 == 1

    return mirrored


def _choices(count, seed, step, pad, flip):
    draws = tf.random.stateless_uniform(
        (3, count),
        seed=tf.stack(
            [tf.constant(_AUGMENT_TAG * 2**32 + seed, tf.int64), tf.cast(step, tf.int64)]
        ),
        minval=None,
        maxval=None,
        dtype=tf.uint32,
        alg="philox",  # the same numbers on every device
    )
    # 2^32 is no multiple of 9; the excess of some offsets is a four-hundred-millionth.
    draws = tf.cast(tf.cast(draws, tf.int64) % [[2], [2 * pad + 1], [2 * pad + 1]], tf.int32)
    mirrored = tf.logical_and(draws[0] == 1, flip)
    return mirrored, draws[1], draws[2]


# Each use of randomness has a tag of its own, so that no two of them draw the same numbers.
_LIGHTING_TAG = 5
# Principal components of the colours of ImageNet's pixels, RGB in [0, 1], as in fb.resnet.torch:
# the variances along them, and a component a column.
EIGENVALUES = np.array([0.2175, 0.0188, 0.0045], np.float32)
EIGENVECTORS = np.array(
    [
        [-0.5675, 0.7192, 0.4009],
        [-0.5808, -0.0045, -0.8140],
        [-0.5836, -0.6948, 0.4203],
    ],
    np.float32,
)


def light(count: int, seed: int, step, deviation: float):
    """Returns what is added to every pixel of each image of a step's batch.

    Args:
        count: images in the batch.
        seed: of the run.
        step: int64 scalar.
        deviation: standard deviation of the factors of the eigenvalues; AlexNet's is 0.1.

    Returns:
        float32 `(count, 3)`, for RGB in [0, 1]: the eigenvectors' sum, each times its eigenvalue
        and a normal random number.
    """
    key = tf.stack([tf.constant(_LIGHTING_TAG * 2**32 + seed, tf.int64), tf.cast(step, tf.int64)])
    drawn = tf.random.stateless_normal((count, 3), seed=key, stddev=deviation, alg="philox")
    return tf.linalg.matmul(drawn * EIGENVALUES, EIGENVECTORS, transpose_b=True)


def lit(images, light, preprocessing: Preprocessing):
    """Returns preprocessed images, float32 `(..., H, W, 3)`, in the light `(..., 3)` of `light`."""
    return images + (light * _unit(preprocessing))[..., tf.newaxis, tf.newaxis, :]


def normalize_lit(image, light, preprocessing: Preprocessing):
    """Returns `lit(normalize(image), light)` of one image `(H, W, 3)`, in less time.

    Args:
        image: grey levels from 0 to 255, uint8 or float32.
        light: `(3,)`, one of those that `light` returns.
        preprocessing: says scale, mean and deviation.
    """
    if preprocessing.per_pixel:
        return lit(normalize(image, preprocessing), light, preprocessing)
    # A row at a time: to spread three numbers over an image takes as long as to decode it.
    height, width = preprocessing.size
    std = tf.constant(preprocessing.std, tf.float32)
    shift = tf.tile(light * _unit(preprocessing) - preprocessing.mean / std, (width,))
    factor = tf.tile(preprocessing.scale / std, (width,))
    if len(set(preprocessing.std)) == 1:
        factor = preprocessing.scale / preprocessing.std[0]
    rows = tf.reshape(tf.cast(image, tf.float32), (height, width * 3))
    return tf.reshape(rows * factor + shift, (height, width, 3))


def _unit(preprocessing):
    """What 1 of RGB in [0, 1] is for the network: float32 `(3,)`."""
    return 255.0 * preprocessing.scale / tf.constant(preprocessing.std, tf.float32)


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
        image_headers.tells_nothing(image_bytes),
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
            image_headers.is_jpeg(image_bytes),
            lambda: image_headers.turn(
                _of_jpeg(image_bytes, draw, size, False), image_headers.orientation(image_bytes)
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
