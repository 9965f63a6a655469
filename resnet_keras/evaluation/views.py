"""The views of one image that testing averages over: pure functions, images in and out."""

import tensorflow as tf

from resnet_keras.data.transforms import resize_shorter_side

VIEWS = ("center", "10crop", "multiscale")

# Section 3.4's, for networks of 224 pixels; others' are in proportion. The paper does not say at
# which scale its ten crops are cut: 256 is what the released models of others take.
PAPER_SIZE = 224
CROP_SIDE = 256
SCALES = (224, 256, 384, 480, 640)


def in_proportion(side: int, size: int) -> int:
    """Returns what `side` is for a network of `size` pixels instead of 224, rounded half up."""
    return (2 * side * size + PAPER_SIZE) // (2 * PAPER_SIZE)


def ten_crops(image, size: int):
    """Cuts the four corners and the centre out of an image, and mirrors them.

    Args:
        image: uint8 `(H, W, 3)`; its shorter side is first brought to 256/224 of `size`. Of one
            longer than `MAX_RATIO` times its width, the middle is what the corners are cut of.
        size: side of the crops in pixels.

    Returns:
        uint8 `(10, size, size, 3)`: top left, top right, bottom left, bottom right, centre, then
        the mirror images of these five.
    """
    image = resize_shorter_side(image, in_proportion(CROP_SIDE, size))
    height, width = tf.unstack(tf.shape(image)[:2])
    bottom, right = height - size, width - size
    corners = ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2))
    crops = tf.stack([image[top : top + size, left : left + size] for top, left in corners])
    return tf.concat([crops, tf.reverse(crops, axis=[2])], axis=0)


def scaled(image, size: int) -> list:
    """Brings an image's shorter side to each of section 3.4's scales, uncut and not mirrored.

    Args:
        image: uint8 `(H, W, 3)`; the middle of one longer than `MAX_RATIO` times its width.
        size: the network's side in pixels.

    Returns:
        Five images, uint8 `(h, w, 3)`, from the smallest to the largest.
    """
    return [resize_shorter_side(image, in_proportion(side, size)) for side in SCALES]
