"""The random augmentation of training images, decided by (seed, step) alone.

- Section 4.2 (`augmentation="pad"`): `flip_and_crop` pads a whole batch and crops it at random.
- Section 3.4 (`augmentation="scale"`): `decode_and_crop` cuts a square out of one encoded image at
  a random scale; `flip_if` flips one image.
- `alternate_flip` replaces the random flips by flips in every other epoch.
- Section 3.4 and AlexNet: `random_lighting` changes the colors.

The random numbers come from `resnet_keras.data.random`.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from resnet_keras.data import image_headers
from resnet_keras.data.dataset import BatchShare
from resnet_keras.data.random import RandomStream, random_bits, random_normal
from resnet_keras.data.transforms import decode, normalize
from resnet_keras.preprocessing import Preprocessing

# Section 3.4: squares of 224 pixels are cut out of images whose shorter side has been resized to
# between 256 and 480 pixels.
CROP_SIZE, MIN_SHORTER_SIDE, MAX_SHORTER_SIDE = 224, 256, 480

# By these factors a JPEG decoder can reduce an image at no cost, by averaging.
_JPEG_RATIOS = (1, 2, 4, 8)

# The principal components of the RGB values of ImageNet's pixels, in [0, 1], from
# fb.resnet.torch: the eigenvalues, and one eigenvector per column.
EIGENVALUES = np.array([0.2175, 0.0188, 0.0045], np.float32)
EIGENVECTORS = np.array(
    [
        [-0.5675, 0.7192, 0.4009],
        [-0.5808, -0.0045, -0.8140],
        [-0.5836, -0.6948, 0.4203],
    ],
    np.float32,
)


def flip_and_crop(
    images: tf.Tensor,
    seed: int,
    step: tf.Tensor,
    pad: int,
    flip: bool,
    flip_mask: tf.Tensor | None = None,
    share: BatchShare | None = None,
) -> tf.Tensor:
    """Flips half of the images, pads all with zeros and crops them to the old size (section 4.2).

    Each image becomes one of the `(2 * pad + 1) ** 2` crops of itself or of its mirror image, with
    equal probability and independently of the other images.

    Args:
        images: `(N, H, W, C)`. Subtract the mean first: then the zeros stand for the mean image.
        seed: the seed of the run.
        step: integer scalar, the training step that the batch is for.
        pad: pixels of padding on each side; with 0, nothing is cropped.
        flip: whether to flip images at random.
        flip_mask: bool `(N,)`, which images to flip instead of random ones.
        share: the part of the step's batch that `images` is; `None` if it is the whole batch.

    Returns:
        Images of the same shape and dtype.

    Example:

    >>> images = tf.ones((2, 32, 32, 3))
    >>> flip_and_crop(images, seed=0, step=10, pad=4, flip=True).shape
    TensorShape([2, 32, 32, 3])
    """
    count, height, width, channels = (int(side) for side in images.shape)
    share = share or BatchShare.full(count)
    random_flips, top, left = (
        share.take(values) for values in _flips_and_offsets(share.batch_size, seed, step, pad, flip)
    )
    flip_mask = random_flips if flip_mask is None else flip_mask
    padded = tf.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    # A single gather flips and crops: for each pixel of the result, it takes a pixel of the padded
    # image. Column x of the flipped padded image is column (padded_width - 1 - x) of the padded
    # image.
    rows = top[:, None] + tf.range(height)
    columns = left[:, None] + tf.range(width)
    padded_width = width + 2 * pad
    columns = tf.where(flip_mask[:, None], padded_width - 1 - columns, columns)
    first_row = tf.range(count) * (height + 2 * pad)
    pixels = (first_row[:, None, None] + rows[:, :, None]) * padded_width + columns[:, None, :]
    return tf.gather(tf.reshape(padded, (-1, channels)), pixels)


def _flips_and_offsets(
    count: int, seed: int, step: tf.Tensor, pad: int, flip: bool
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns, for each image of a batch, whether to flip it, and its crop's top and left."""
    bits = random_bits(RandomStream.FLIP_AND_CROP, seed, step, (3, count))
    # For the paper's 9 offsets, the modulo prefers some by one part in 400 million.
    choices = tf.cast(bits % [[2], [2 * pad + 1], [2 * pad + 1]], tf.int32)
    return tf.logical_and(choices[0] == 1, flip), choices[1], choices[2]


def alternate_flip(
    seed: int, batch_size: int, examples: int
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns a function that decides which images of a batch are flipped, alternating by epoch.

    A random half of all images is flipped in the first epoch, the other half in the second, and so
    on, so that no image looks the same way in two epochs in a row (K. Jordan, *94% on CIFAR-10 in
    3.29 Seconds*, arXiv:2404.00498).

    Args:
        seed: the seed of the run.
        batch_size: the number of images per step.
        examples: the number of images in the training set.

    Returns:
        A function from the step, an int64 scalar, and the indices of its images, int64
        `(batch_size,)`, to a bool mask `(batch_size,)`.

    Example:

    >>> flip_mask = alternate_flip(seed=0, batch_size=4, examples=4)  # one step per epoch
    >>> indices = np.arange(4)
    >>> bool(tf.reduce_all(flip_mask(0, indices) != flip_mask(1, indices)))
    True
    """
    first_epoch = random_bits(RandomStream.FIRST_FLIP, seed, 0, (examples,)) % 2

    def flip_mask(step: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        positions = tf.cast(step, tf.int64) * batch_size + tf.range(batch_size, dtype=tf.int64)
        epochs = positions // examples
        return (tf.gather(first_epoch, indices) + epochs) % 2 == 1

    return flip_mask


def crop_draws(count: int, seed: int, step: tf.Tensor) -> tf.Tensor:
    """Returns the random numbers that `decode_and_crop` needs for each image of a step's batch.

    Args:
        count: the number of images in the batch.
        seed: the seed of the run.
        step: integer scalar.

    Returns:
        int64 `(count, 4)`, uniform from 0 to 2**32 - 1. The columns decide the scale, the row and
        the column of the crop, and the flip.

    Example:

    >>> crop_draws(count=8, seed=0, step=5).shape
    TensorShape([8, 4])
    """
    return random_bits(RandomStream.SCALE_AND_CROP, seed, step, (count, 4))


def decode_and_crop(
    image_bytes: tf.Tensor, draw: tf.Tensor, size: int, flip: tf.Tensor | bool = False
) -> tf.Tensor:
    """Decodes an image and cuts out a square at a random scale and position (section 3.4).

    The result is as if the shorter side had been resized to a random length and a square cut out.
    For speed, the square is cut out first, and then resized:

    - A JPEG that has to shrink to less than half is decoded at a half, a quarter or an eighth of
      its size; the rest of the way, and enlarging, is bilinear. It is decoded only as far as the
      square reaches, so damage beyond it is not noticed.
    - Other formats are decoded as a whole and resized bilinearly with antialiasing.

    The square is rotated as the EXIF data of the photograph say, and then flipped.

    Args:
        image_bytes: string scalar, the encoded image.
        draw: int64 `(4,)`, one row of `crop_draws`. The last element is ignored.
        size: the side of the square in pixels.
        flip: bool scalar, whether to return the mirror image.

    Returns:
        float32 `(size, size, 3)`, with values from 0 to 255.

    Raises:
        InvalidArgumentError: when run, if the image cannot be decoded.

    Example:

    >>> jpeg = tf.io.encode_jpeg(np.zeros((300, 400, 3), np.uint8))
    >>> draw = crop_draws(count=1, seed=0, step=0)[0]
    >>> decode_and_crop(jpeg, draw, size=64).shape
    TensorShape([64, 64, 3])
    """
    # The function below would be traced again for each Python value.
    image_bytes, draw = tf.convert_to_tensor(image_bytes), tf.convert_to_tensor(draw)
    return _decode_and_crop(image_bytes, draw[:3], size, flip)


# Traced once for each size, and shared by all graphs that call it.
@tf.function(autograph=False)
def _decode_and_crop(
    image_bytes: tf.Tensor, draw: tf.Tensor, size: int, flip: tf.Tensor | bool
) -> tf.Tensor:
    square = tf.cond(
        image_headers.is_jfif_without_exif(image_bytes),
        lambda: _decode_and_crop_jpeg(image_bytes, draw, size, flip),
        lambda: _decode_and_crop_other(image_bytes, draw, size, flip),
    )
    return tf.ensure_shape(square, (size, size, 3))


def _decode_and_crop_jpeg(
    image_bytes: tf.Tensor, draw: tf.Tensor, size: int, flip: tf.Tensor | bool
) -> tf.Tensor:
    """Handles a JPEG, ignoring its EXIF orientation."""
    shape = tf.image.extract_jpeg_shape(image_bytes)[:2]
    shrink = tf.reduce_min(shape) // _shorter_side(draw, size)
    choice = tf.reduce_sum(tf.cast(shrink >= tf.constant(_JPEG_RATIOS[1:]), tf.int32))
    ratio = tf.gather(tf.constant(_JPEG_RATIOS), choice)
    window = crop_window((shape + ratio - 1) // ratio, draw, size)

    def decoded(ratio: int) -> Callable[[], tf.Tensor]:
        return lambda: tf.io.decode_and_crop_jpeg(image_bytes, window, channels=3, ratio=ratio)

    pixels = tf.switch_case(choice, [decoded(ratio) for ratio in _JPEG_RATIOS])
    # Flipping bytes is faster than flipping floats.
    pixels = flip_if(pixels, flip)
    # More than twice too large even so: only if photographs are reduced to thumbnails.
    return tf.cond(
        window[2] > 2 * size,
        lambda: _outlined(lambda: _resize_antialiased(pixels, size))(),
        lambda: _resize_bilinear(pixels, size),
    )


def _decode_and_crop_other(
    image_bytes: tf.Tensor, draw: tf.Tensor, size: int, flip: tf.Tensor | bool
) -> tf.Tensor:
    """Handles other formats, and JPEGs that may have to be rotated."""

    def upright_square() -> tf.Tensor:
        square = tf.cond(
            image_headers.is_jpeg(image_bytes),
            lambda: image_headers.apply_orientation(
                _decode_and_crop_jpeg(image_bytes, draw, size, False),
                image_headers.exif_orientation(image_bytes),
            ),
            lambda: _crop_pixels(decode(image_bytes), draw, size),
        )
        return flip_if(square, flip)

    return _outlined(upright_square)()


def _crop_pixels(image: tf.Tensor, draw: tf.Tensor, size: int) -> tf.Tensor:
    top, left, height, width = tf.unstack(crop_window(tf.shape(image)[:2], draw, size))
    return _resize_antialiased(image[top : top + height, left : left + width], size)


def _outlined(function: Callable[[], tf.Tensor]) -> Callable[[], tf.Tensor]:
    """Keeps a rare case out of the surrounding graph.

    Otherwise each of its operations would be skipped, at a cost, for every image that does not
    need it.
    """
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


def _resize_bilinear(pixels: tf.Tensor, size: int) -> tf.Tensor:
    # The operation is faster on floats than on bytes, by more than the cast takes. Its output is
    # reshaped, not sliced: the next operation can work in place only on a whole buffer.
    resized = tf.raw_ops.ResizeBilinear(
        images=tf.expand_dims(tf.cast(pixels, tf.float32), 0),
        size=(size, size),
        half_pixel_centers=True,
    )
    return tf.reshape(resized, (size, size, 3))


def _resize_antialiased(pixels: tf.Tensor, size: int) -> tf.Tensor:
    return tf.image.resize(pixels, (size, size), method="bilinear", antialias=True)


def crop_window(shape: tf.Tensor, draw: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the part of an image that becomes the square.

    Args:
        shape: int32 `(2,)`, height and width of the image in pixels.
        draw: int64 `(3,)` or more, one row of `crop_draws`.
        size: the side of the square in pixels.

    Returns:
        int32 `(4,)`: top, left, height and width, as `tf.io.decode_and_crop_jpeg` takes them.

    Example:

    >>> draw = tf.constant([0, 3, 5], tf.int64)  # the smallest scale, row 3, column 5
    >>> crop_window(tf.constant([256, 256]), draw, size=224).numpy().tolist()
    [3, 5, 224, 224]
    """
    shorter, side = tf.reduce_min(shape), _shorter_side(draw, size)
    # `size` pixels of the resized image in pixels of the original: rounded, at least one.
    length = tf.maximum(1, (size * shorter + side // 2) // side)
    corner = draw[1:3] % tf.cast(shape - length + 1, tf.int64)
    return tf.concat([tf.cast(corner, tf.int32), [length, length]], axis=0)


def _shorter_side(draw: tf.Tensor, size: int) -> tf.Tensor:
    low, high = shorter_side_range(size)
    return low + tf.cast(draw[0] % (high - low + 1), tf.int32)


def shorter_side_range(size: int) -> tuple[int, int]:
    """Returns the range of the shorter side from which squares are cut.

    The paper's 256 to 480 pixels for squares of 224 pixels are scaled in proportion.

    Args:
        size: the side of the square in pixels.

    Returns:
        The smallest and the largest shorter side in pixels.

    Example:

    >>> shorter_side_range(224), shorter_side_range(64)
    ((256, 480), (73, 137))
    """
    return (
        round(MIN_SHORTER_SIDE * size / CROP_SIZE),
        round(MAX_SHORTER_SIDE * size / CROP_SIZE),
    )


def flip_if(image: tf.Tensor, flip: tf.Tensor | bool) -> tf.Tensor:
    """Flips an image left to right if `flip` is true.

    Args:
        image: `(H, W, C)`.
        flip: bool scalar.

    Returns:
        An image of the same shape and dtype.

    Example:

    >>> image = tf.constant([[[1], [2], [3]]])
    >>> flip_if(image, tf.constant(True)).numpy().ravel().tolist()
    [3, 2, 1]
    """
    if flip is False:
        return image
    return tf.cond(flip, lambda: tf.reverse(image, [1]), lambda: image)


def random_lighting(count: int, seed: int, step: tf.Tensor, stddev: float) -> tf.Tensor:
    """Returns the color that is added to each image of a step's batch.

    This is the color augmentation of AlexNet, which section 3.4 uses: the sum of the principal
    components of the RGB values, each times its eigenvalue and a random number.

    Args:
        count: the number of images in the batch.
        seed: the seed of the run.
        step: integer scalar.
        stddev: the standard deviation of the random numbers; 0.1 in AlexNet.

    Returns:
        float32 `(count, 3)`, for RGB values in [0, 1].

    Example:

    >>> random_lighting(count=8, seed=0, step=5, stddev=0.1).shape
    TensorShape([8, 3])
    """
    factors = random_normal(RandomStream.LIGHTING, seed, step, (count, 3), stddev)
    return tf.linalg.matmul(factors * EIGENVALUES, EIGENVECTORS, transpose_b=True)


def add_lighting(images: tf.Tensor, lighting: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Adds a color to images that have been normalized already.

    Args:
        images: float32 `(…, H, W, 3)`, from `normalize`.
        lighting: float32 `(…, 3)`, from `random_lighting`.
        preprocessing: what `normalize` used.

    Returns:
        float32 `(…, H, W, 3)`.

    Example:

    >>> preprocessing = Preprocessing((2, 2), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat",))
    >>> add_lighting(tf.zeros((2, 2, 3)), [0.5, 0.0, -0.5], preprocessing)[0, 0].numpy().tolist()
    [0.5, 0.0, -0.5]
    """
    return images + (lighting * _lighting_unit(preprocessing))[..., tf.newaxis, tf.newaxis, :]


def normalize_with_lighting(
    image: tf.Tensor, lighting: tf.Tensor, preprocessing: Preprocessing
) -> tf.Tensor:
    """Returns `add_lighting(normalize(image), lighting)` for one image, in less time.

    Args:
        image: `(H, W, 3)`, uint8 or float32, with values from 0 to 255.
        lighting: float32 `(3,)`, one row of `random_lighting`.
        preprocessing: gives scale, mean and standard deviation.

    Returns:
        float32 `(H, W, 3)`.

    Example:

    >>> preprocessing = Preprocessing((2, 2), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat",))
    >>> image = tf.fill((2, 2, 3), 255.0)
    >>> normalize_with_lighting(image, tf.zeros(3), preprocessing)[0, 0].numpy().round(3).tolist()
    [1.0, 1.0, 1.0]
    """
    if preprocessing.per_pixel:
        return add_lighting(normalize(image, preprocessing), lighting, preprocessing)
    # Compute with whole rows: broadcasting three numbers over an image takes as long as decoding.
    height, width = preprocessing.size
    std = tf.constant(preprocessing.std, tf.float32)
    shift = tf.tile(lighting * _lighting_unit(preprocessing) - preprocessing.mean / std, (width,))
    factor = tf.tile(preprocessing.scale / std, (width,))
    if len(set(preprocessing.std)) == 1:
        factor = preprocessing.scale / preprocessing.std[0]
    rows = tf.reshape(tf.cast(image, tf.float32), (height, width * 3))
    return tf.reshape(rows * factor + shift, (height, width, 3))


def _lighting_unit(preprocessing: Preprocessing) -> tf.Tensor:
    """Returns what the value 1 of RGB in [0, 1] is after normalization: float32 `(3,)`."""
    return 255.0 * preprocessing.scale / tf.constant(preprocessing.std, tf.float32)
