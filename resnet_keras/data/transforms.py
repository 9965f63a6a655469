"""What happens to an image between file and network, as TensorFlow operations.

Evaluation, the SavedModel's graph and the client's answers all come through here.
"""

import tensorflow as tf

from resnet_keras.data import image_headers
from resnet_keras.preprocessing import Preprocessing

# How many times longer than wide an image is looked at. A few bytes can hold 16,384 x 1 pixels,
# and the shorter side made 256 pixels long those would be four million times 256.
MAX_RATIO = 32


# Traced once a process, for all the graphs that decode.
@tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
def decode(image_bytes):
    """Decodes one JPEG, PNG, BMP or GIF (its first frame).

    Args:
        image_bytes: string scalar.

    Returns:
        uint8 `(H, W, 3)`; grey is repeated, an alpha channel dropped, 16 bits become 8. A JPEG
        is turned the way its EXIF data say.

    Raises:
        InvalidArgumentError: when run, if it is none of these, damaged or cut short, or larger
            than `image_headers.MAX_SIDE` and `MAX_PIXELS` allow.
    """
    reason = image_headers.refusal(image_bytes)
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
    return image_headers.turn(image, image_headers.orientation(image_bytes))


def resize(image, preprocessing: Preprocessing):
    """Brings one image to the network's size.

    Args:
        image: uint8 `(H, W, 3)`.
        preprocessing: says the size and the rule.

    Returns:
        uint8 of shape `(*preprocessing.size, 3)`; the very pixels where nothing was to be done.
    """
    height, width = preprocessing.size
    if preprocessing.resize == "stretch":
        return resize_stretch(image, preprocessing.size)
    image = resize_shorter_side(image, preprocessing.shorter_side)
    shape = tf.shape(image)
    # Half a pixel goes to the bottom and to the right, as in most programs.
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    return tf.ensure_shape(image[top : top + height, left : left + width], (height, width, 3))


def resize_stretch(image, size: tuple[int, int]):
    """Resizes one uint8 image `(H, W, 3)` to `size`, bilinear with antialiasing, rounded."""
    return tf.ensure_shape(_resize(image, size), (*size, 3))


def resize_shorter_side(image, side: int):
    """Resizes one uint8 image `(H, W, 3)` so that its shorter side has `side` pixels.

    Of an image more than `MAX_RATIO` times longer than wide only the middle is resized: what is
    cut off is nowhere near the centre, and a bound on the result would refuse a sound image.
    """
    image = _middle(image)
    return _resize(image, scaled_sides(tf.shape(image)[:2], side))


def _middle(image):
    """Cuts the ends off an image that is too long for its width; others it leaves alone."""
    shape = tf.shape(image)[:2]
    # As much at either end: the centre stays where it was, to half a pixel of the original.
    ends = tf.maximum(0, shape - MAX_RATIO * tf.reduce_min(shape)) // 2
    return tf.slice(image, tf.concat([ends, [0]], 0), tf.concat([shape - 2 * ends, [3]], 0))


def scaled_sides(shape, side):
    """Returns height and width, int32 `(2,)`, scaled so that the shorter has `side` pixels."""
    shorter = tf.reduce_min(shape)
    # Whole numbers throughout: no rounding can differ between machines.
    return tf.where(shape == shorter, side, (shape * side + shorter // 2) // shorter)


def _resize(image, size):
    # Bilinear resizing to the same size is exact, so images that fit keep their pixels.
    resized = tf.image.resize(image, size, method="bilinear", antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0.0, 255.0), tf.uint8)


def normalize(images, preprocessing: Preprocessing):
    """Turns uint8 `(..., H, W, 3)` into what the network takes: float32 of the same shape."""
    images = tf.cast(images, tf.float32) * preprocessing.scale - preprocessing.mean
    if any(value != 1.0 for value in preprocessing.std):
        images = images / tf.constant(preprocessing.std, tf.float32)
    return images
