"""Random crops of JPEGs on one core: the program's pipeline, or the decoder alone."""

import atexit
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.contestants import synthetic
from resnet_keras.data import augmentation
from resnet_keras.data.dataset import Files
from resnet_keras.data.pipeline import training_batches
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe

# Of most photographs in ImageNet. Its training images have 115 KB on the average (147,897,477,120
# bytes in ILSVRC2012_img_train.tar, 1,281,167 images); so much noise makes about as many.
HEIGHT, WIDTH, QUALITY, NOISE = 375, 500, 95, 10
PREPARED = 8


def make(who: str, examples: int, batch: int, size: int = 224):
    """Starts over as many made-up photographs as asked for.

    Args:
        who: `"ours"`, from files to preprocessed batches; `"decoder"`, the same windows decoded,
            from memory, and thrown away.
        examples: photographs.
        batch: crops a step.
        size: side of a crop in pixels.

    Returns:
        `(steps, facts)`; a step takes one batch.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    photographs = [_photograph(number) for number in range(examples)]
    made = _pipeline if who == "ours" else _decoder
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    stream = iter(made(photographs, batch, size).with_options(options))

    def steps(count):
        # What was prepared while others had their turn is no work of this one.
        for _ in range(PREPARED):
            next(stream)
        began = time.perf_counter()
        for _ in range(count):
            next(stream)
        return time.perf_counter() - began

    kilobytes = sum(map(len, photographs)) / examples / 1000
    return steps, {"precision": "float32", "kilobytes_a_photograph": round(kilobytes, 1)}


def _photograph(number):
    """Large smooth shapes, small ones and noise: about as many bytes as a photograph has."""
    rng = np.random.default_rng(number)
    total = np.zeros((HEIGHT, WIDTH, 3))
    for side, weight in ((4, 0.5), (16, 0.3), (64, 0.2)):
        coarse = rng.uniform(0, 255, (side, side, 3))
        total += weight * tf.image.resize(coarse, (HEIGHT, WIDTH), method="bicubic").numpy()
    noisy = total + rng.normal(0, NOISE, total.shape)
    pixels = np.clip(noisy, 0, 255).astype(np.uint8)
    return tf.io.encode_jpeg(pixels, quality=QUALITY).numpy()


def _pipeline(photographs, batch, size):
    folder = Path(tempfile.mkdtemp(prefix="jpeg-pipeline-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    paths = [folder / f"{number}.jpg" for number in range(len(photographs))]
    for path, data in zip(paths, photographs, strict=True):
        path.write_bytes(data)
    files = Files(tuple(map(str, paths)), synthetic.labels(len(paths), 10))
    preprocessing = Preprocessing(
        size=(size, size),
        resize="crop",
        scale=1.0 / 255.0,
        mean=np.full(3, 0.5),
        std=(1.0, 1.0, 1.0),
        class_names=tuple(str(number) for number in range(10)),
        shorter_side=round(256 * size / 224),
    )
    recipe = Recipe(
        arch="resnet18", batch_size=batch, steps=10_000_000, augmentation="scale", lighting=0.1,
        flip=True,
    )  # fmt: skip
    return training_batches(files, preprocessing, recipe)


def _decoder(photographs, batch, size):
    shape = tf.constant([HEIGHT, WIDTH])
    draws = augmentation.draws(len(photographs), 0, tf.constant(0, tf.int64))
    windows = np.array([augmentation.window(shape, draw, size).numpy() for draw in draws])

    def decode(data, window):
        # The size alone goes on: what is decoded need not be copied anywhere.
        return tf.size(tf.io.decode_and_crop_jpeg(data, window, channels=3))

    each = tf.data.Dataset.from_tensor_slices((photographs, windows)).repeat()
    return each.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(batch).prefetch(4)
