"""What happens to an image between file and network, as TensorFlow operations.

Evaluation, prediction and the graph of the SavedModel all use these functions, so that an image
gives the same input everywhere. Training uses them too, except where it augments.
"""

import tensorflow as tf

from resnet_keras.data import image_headers
from resnet_keras.preprocessing import Preprocessing

# The ends of an image that is longer than this many times its width are cut off. A file of a few
# bytes can contain 16,384 x 1 pixels, which would be resized to four million x 256.
MAX_ASPECT_RATIO = 32


# Traced once per process, and shared by all graphs that call it.
@tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
def decode(image_bytes: tf.Tensor) -> tf.Tensor:
    """Decodes one JPEG, PNG, BMP or GIF image.

    Gray images get three equal channels, an alpha channel is dropped, 16 bits become 8, and of an
    animated GIF only the first frame is decoded. A JPEG is rotated according to its EXIF data.

    Args:
        image_bytes: string scalar, the encoded image.

    Returns:
        uint8 `(H, W, 3)`, RGB.

    Raises:
        InvalidArgumentError: when run, if the image has another format, is damaged or cut short,
            or has more than `image_headers.MAX_SIDE` pixels on a side or
            `image_headers.MAX_PIXELS` in total.

    Example:

    >>> png = tf.io.encode_png(tf.constant([[[0], [255]]], tf.uint8))  # two gray pixels
    >>> decode(png).numpy().tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    reason = image_headers.rejection_reason(image_bytes)
    accepted = tf.debugging.Assert(
        tf.equal(reason, ""), [tf.strings.join(["the image ", reason])], summarize=1
    )
    with tf.control_dependencies([accepted]):
        image_bytes = tf.cond(
            image_headers.is_gif(image_bytes),
            lambda: image_headers.first_gif_frame(image_bytes),
            lambda: tf.identity(image_bytes),
        )
    image = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    image.set_shape((None, None, 3))
    return image_headers.apply_orientation(image, image_headers.exif_orientation(image_bytes))


def resize(image: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Resizes one image to the size of the network's input.

    Args:
        image: uint8 `(H, W, 3)`.
        preprocessing: gives the size, and whether to stretch the image or to crop its center.

    Returns:
        uint8 `(*preprocessing.size, 3)`. An image that has this size already keeps its pixels.

    Example:

    >>> rule = Preprocessing((32, 32), "stretch", 1 / 255, (0, 0, 0), (1, 1, 1), ("cat",))
    >>> resize(tf.zeros((100, 75, 3), tf.uint8), rule).shape
    TensorShape([32, 32, 3])
    """
    height, width = preprocessing.size
    if preprocessing.resize == "stretch":
        return resize_stretch(image, preprocessing.size)
    image = resize_shorter_side(image, preprocessing.shorter_side)
    shape = tf.shape(image)
    # An odd pixel is cut off at the bottom or at the right, as in most programs.
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    return tf.ensure_shape(image[top : top + height, left : left + width], (height, width, 3))


def resize_stretch(image: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Resizes one image to a size, without keeping its aspect ratio.

    Args:
        image: uint8 `(H, W, 3)`.
        size: height and width in pixels.

    Returns:
        uint8 `(*size, 3)`: bilinear with antialiasing, rounded.

    Example:

    >>> resize_stretch(tf.zeros((100, 75, 3), tf.uint8), (32, 24)).shape
    TensorShape([32, 24, 3])
    """
    return tf.ensure_shape(_resize(image, size), (*size, 3))


def resize_shorter_side(image: tf.Tensor, side: int | None) -> tf.Tensor:
    """Resizes one image so that its shorter side has `side` pixels, keeping its aspect ratio.

    If the image is longer than `MAX_ASPECT_RATIO` times its width, only its middle is resized: the
    ends are far from the center that evaluation looks at, and rejecting the image would reject a
    valid file.

    Args:
        image: uint8 `(H, W, 3)`.
        side: the new length of the shorter side in pixels.

    Returns:
        uint8 `(h, w, 3)`: bilinear with antialiasing, rounded.

    Example:

    >>> resize_shorter_side(tf.zeros((100, 200, 3), tf.uint8), 50).shape
    TensorShape([50, 100, 3])
    """
    image = _without_ends(image)
    return _resize(image, scaled_shape(tf.shape(image)[:2], side))


def scaled_shape(shape: tf.Tensor, side: int | None) -> tf.Tensor:
    """Returns a height and width scaled so that the shorter of the two is `side`.

    Args:
        shape: int32 `(2,)`, height and width.
        side: the new length of the shorter side.

    Returns:
        int32 `(2,)`.

    Example:

    >>> scaled_shape(tf.constant([375, 500]), 256).numpy().tolist()
    [256, 341]
    """
    shorter = tf.reduce_min(shape)
    # With integers, no machine can round differently from another.
    return tf.where(shape == shorter, side, (shape * side + shorter // 2) // shorter)


def normalize(images: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Converts pixels to the network's input: scales, subtracts the mean, divides by the deviation.

    Args:
        images: `(…, H, W, 3)`, uint8 or float32, with values from 0 to 255.
        preprocessing: gives scale, mean and standard deviation.

    Returns:
        float32 of the same shape.

    Example:

    >>> rule = Preprocessing((2, 2), "stretch", 1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 1), ("cat",))
    >>> normalize(tf.fill((2, 2, 3), 255), rule)[0, 0].numpy().tolist()
    [1.0, 1.0, 0.5]
    """
    images = tf.cast(images, tf.float32) * preprocessing.scale - preprocessing.mean
    if any(value != 1.0 for value in preprocessing.std):
        images = images / tf.constant(preprocessing.std, tf.float32)
    return images


def _without_ends(image: tf.Tensor) -> tf.Tensor:
    """Cuts off both ends of an image that is too long for its width."""
    shape = tf.shape(image)[:2]
    # The same number of pixels at either end, so that the center stays in place to half a pixel.
    ends = tf.maximum(0, shape - MAX_ASPECT_RATIO * tf.reduce_min(shape)) // 2
    return tf.slice(image, tf.concat([ends, [0]], 0), tf.concat([shape - 2 * ends, [3]], 0))


def _resize(image: tf.Tensor, size: tf.Tensor | tuple[int, int]) -> tf.Tensor:
    # Bilinear resizing to the same size is exact, so images of the right size keep their pixels.
    resized = tf.image.resize(image, size, method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)
