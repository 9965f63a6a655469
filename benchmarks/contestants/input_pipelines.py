"""Input pipelines on one core: for arrays, for JPEG files, and the JPEG decoder alone."""

import atexit
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.contestants import Built, synthetic
from resnet_keras.data import augmentation
from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.pipeline import training_batches
from resnet_keras.recipe import Recipe

CLASSES = 10
# The size of most photos in ImageNet. Its training images have 115 KB on average (147,897,477,120
# bytes in ILSVRC2012_img_train.tar, 1,281,167 images); with this noise, ours are about as large.
HEIGHT, WIDTH, QUALITY, NOISE = 375, 500, 95, 10
# More batches than a pipeline keeps ready. A turn discards them before its time starts, because
# they were computed earlier.
BUFFERED = 8
_MANY_STEPS = 10_000_000


def make(pipeline: str, examples: int, batch: int, size: int) -> Built:
    """Starts a pipeline over synthetic images, on one core.

    Args:
        pipeline: `"arrays"`: augmented batches of images in memory. `"jpeg"`: from JPEG files to
            preprocessed batches of random crops. `"decoder"`: the same crops, decoded from memory
            and discarded.
        examples: the number of images.
        batch: images or crops per step.
        size: the side of an image or a crop in pixels.

    Returns:
        `(run_steps, facts)`. A step takes one batch.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    build = {"arrays": _arrays, "jpeg": _jpeg_files, "decoder": _decoder}[pipeline]
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    batches = iter(build(examples, batch, size).with_options(options))

    def run_steps(count: int) -> float:
        for _ in range(BUFFERED):
            next(batches)
        start = time.perf_counter()
        for _ in range(count):
            next(batches)
        return time.perf_counter() - start

    return run_steps, {"precision": "float32"}


def _arrays(examples: int, batch: int, size: int) -> tf.data.Dataset:
    images = Images(synthetic.images(examples, size), synthetic.labels(examples, CLASSES))
    preprocessing = synthetic.preprocessing(size, CLASSES, mean=np.full((size, size, 3), 0.5))
    recipe = Recipe(arch="resnet20", batch_size=batch, steps=_MANY_STEPS, flip=True)
    return training_batches(images, preprocessing, recipe)


def _jpeg_files(examples: int, batch: int, size: int) -> tf.data.Dataset:
    folder = Path(tempfile.mkdtemp(prefix="jpeg-pipeline-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    paths = [folder / f"{number}.jpg" for number in range(examples)]
    for number, path in enumerate(paths):
        path.write_bytes(_photo(number))
    files = Files(tuple(map(str, paths)), synthetic.labels(examples, CLASSES))
    preprocessing = synthetic.preprocessing(
        size,
        CLASSES,
        mean=np.full(3, 0.5),
        resize="crop",
        shorter_side=round(256 * size / 224),
    )
    recipe = Recipe(
        arch="resnet18",
        batch_size=batch,
        steps=_MANY_STEPS,
        augmentation="scale",
        lighting=0.1,
        flip=True,
    )
    return training_batches(files, preprocessing, recipe)


def _decoder(examples: int, batch: int, size: int) -> tf.data.Dataset:
    photos = [_photo(number) for number in range(examples)]
    shape = tf.constant([HEIGHT, WIDTH])
    draws = augmentation.crop_draws(examples, 0, tf.constant(0, tf.int64))
    windows = np.array([augmentation.crop_window(shape, draw, size).numpy() for draw in draws])

    def decode(data: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
        # Only the size is returned, so that the decoded pixels are not copied.
        return tf.size(tf.io.decode_and_crop_jpeg(data, window, channels=3))

    dataset = tf.data.Dataset.from_tensor_slices((photos, windows)).repeat()
    return dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(batch).prefetch(4)


def _photo(number: int) -> bytes:
    """Returns a JPEG of large and small smooth shapes with noise, about as large as a photo."""
    rng = np.random.default_rng(number)
    total = np.zeros((HEIGHT, WIDTH, 3))
    for side, weight in ((4, 0.5), (16, 0.3), (64, 0.2)):
        coarse = rng.uniform(0, 255, (side, side, 3))
        total += weight * tf.image.resize(coarse, (HEIGHT, WIDTH), method="bicubic").numpy()
    noisy = total + rng.normal(0, NOISE, total.shape)
    pixels = np.clip(noisy, 0, 255).astype(np.uint8)
    return tf.io.encode_jpeg(pixels, quality=QUALITY).numpy()
