"""Inference with a SavedModel, called through its signature."""

import time

import tensorflow as tf

from benchmarks.contestants import Built, synthetic


def make(folder: str, batch: int, size: int, precision: str) -> Built:
    """Loads a SavedModel.

    Args:
        folder: the folder of the SavedModel.
        batch: images per step.
        size: the side of the images in pixels.
        precision: the precision it computes in, which is only recorded.

    Returns:
        `(run_steps, facts)`.
    """
    loaded = tf.saved_model.load(folder)
    signature = loaded.signatures["serving_default"]
    (name, spec), *_ = signature.structured_input_signature[1].items()
    images = synthetic.images(batch, size)
    # Our exports take raw images, the plain export what its network takes.
    images = images if spec.dtype == tf.uint8 else synthetic.scaled(images)

    def run_steps(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            outputs = signature(**{name: tf.constant(images)})
            next(iter(outputs.values())).numpy()
        return time.perf_counter() - start

    # A signature alone does not keep its variables alive, so the function keeps the loaded object.
    run_steps.loaded = loaded  # type: ignore[attr-defined]
    return run_steps, {"precision": precision}
