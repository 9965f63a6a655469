"""The "standard colour augmentation" of section 3.4: AlexNet's random light."""

import numpy as np
import tensorflow as tf

from resnet_keras.data.transforms import normalize
from resnet_keras.preprocessing import Preprocessing

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
