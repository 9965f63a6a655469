"""The program's input pipeline, kept to one core."""

import os
import time

import numpy as np
import tensorflow as tf

from benchmarks.contestants import synthetic
from resnet_keras.data.dataset import Images
from resnet_keras.data.pipeline import training_batches
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe

# More batches than the pipeline keeps ready.
PREPARED = 8


def make(examples: int, batch: int, size: int = 32):
    """Starts the pipeline over as many made-up images as asked for.

    Returns:
        `(steps, facts)`; a step takes one batch.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    train = Images(synthetic.images(examples, size), synthetic.labels(examples, 10))
    preprocessing = Preprocessing(
        size=(size, size),
        resize="stretch",
        scale=1.0 / 255.0,
        mean=np.full((size, size, 3), 0.5),
        std=(1.0, 1.0, 1.0),
        class_names=tuple(str(number) for number in range(10)),
    )
    recipe = Recipe(arch="resnet20", batch_size=batch, steps=10_000_000, flip=True)
    batches = training_batches(train, preprocessing, recipe)
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    stream = iter(batches.with_options(options))

    def steps(count):
        # What was prepared while others had their turn is no work of this one.
        for _ in range(PREPARED):
            next(stream)
        began = time.perf_counter()
        for _ in range(count):
            next(stream)
        return time.perf_counter() - began

    return steps, {"precision": "float32", "steps_an_epoch": -(-examples // batch)}
