"""The views of an image over which predictions are averaged: pure functions on images."""

from typing import Any

import tensorflow as tf

from resnet_keras.data.transforms import resize_shorter_side

# The sides of section 3.4, for networks of 224 pixels; for other networks they are scaled in
# proportion. The paper does not state the scale of its ten crops: 256 is what the released models
# of others use.
PAPER_SIZE = 224
CROP_SIDE = 256
SCALES = (224, 256, 384, 480, 640)


def proportional_side(side: int, size: int) -> int:
    """Returns what a side in the paper becomes for a network of another size.

    Args:
        side: pixels, for a network of 224 pixels.
        size: the network's side in pixels.

    Returns:
        Pixels, rounded half up.

    Example:

    >>> proportional_side(256, 224), proportional_side(256, 32)
    (256, 37)
    """
    return (2 * side * size + PAPER_SIZE) // (2 * PAPER_SIZE)


def ten_crops(image: Any, size: int) -> tf.Tensor:
    """Crops the four corners and the centre of an image, and flips each of them.

    The shorter side is resized to 256/224 of `size` first.

    Args:
        image: uint8 `(H, W, 3)`. If one side is more than `MAX_ASPECT_RATIO` times the other, the
            corners are those of its middle part.
        size: side of the crops in pixels.

    Returns:
        uint8 `(10, size, size, 3)`: top left, top right, bottom left, bottom right, centre, then
        the mirror images of these five.

    Example:

    >>> ten_crops(tf.zeros((40, 50, 3), tf.uint8), 32).shape.as_list()
    [10, 32, 32, 3]
    """
    image = resize_shorter_side(image, proportional_side(CROP_SIDE, size))
    height, width = tf.unstack(tf.shape(image)[:2])
    bottom, right = height - size, width - size
    corners = ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2))
    crops = tf.stack([image[top : top + size, left : left + size] for top, left in corners])
    return tf.concat([crops, tf.reverse(crops, axis=[2])], axis=0)


def multiscale(image: Any, size: int) -> list[tf.Tensor]:
    """Resizes an image to each of the scales of section 3.4, without cropping or flipping.

    Args:
        image: uint8 `(H, W, 3)`. If one side is more than `MAX_ASPECT_RATIO` times the other, only
            its middle part is used.
        size: the network's side in pixels.

    Returns:
        Five images, uint8 `(h, w, 3)`, from the smallest to the largest.

    Example:

    >>> [image.shape[0] for image in multiscale(tf.zeros((40, 50, 3), tf.uint8), 32)]
    [32, 37, 55, 69, 91]
    """
    return [resize_shorter_side(image, proportional_side(side, size)) for side in SCALES]
