"""The two signatures of a SavedModel: raw images and encoded images."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from resnet_keras.data import image_headers
from resnet_keras.data.transforms import decode, normalize, resize
from resnet_keras.preprocessing import Preprocessing

TOP = 5
# How many images of one request are decoded in parallel.
DECODERS = 4
# How many bad images an error message names before it only counts the rest.
NAMED = 5

_Size = tuple[int | None, int | None]


def build_signatures(
    network: Callable[[tf.Tensor], tf.Tensor], preprocessing: Preprocessing, input_size: _Size
) -> dict[str, Any]:
    """Returns the concrete functions to save, by signature name.

    `serving_default` takes `images`, uint8 `(N, H, W, 3)`. `classify_bytes` takes `image_bytes`,
    string `(N,)`: JPEG, PNG, GIF or BMP files, which are resized exactly as in evaluation. Both
    return `probabilities`, float32 `(N, classes)`, and the k = min(5, classes) most probable
    classes: `top_classes`, string `(N, k)`, and `top_probabilities`, float32 `(N, k)`. N may be 0.

    Both raise `InvalidArgumentError` for invalid inputs: `serving_default` for images of another
    size than the network's, and `classify_bytes` for bytes that are not an image, damaged or too
    large. The message names the index of each such image.

    Args:
        network: takes preprocessed images, float32 `(N, H, W, 3)`, and returns logits.
        preprocessing: becomes part of the graph.
        input_size: height and width that `network` accepts, in pixels; `None` for any.

    Example:

    >>> preprocessing = Preprocessing((4, 4), "stretch", 1.0, (0, 0, 0), (1, 1, 1), tuple("abc"))
    >>> signatures = build_signatures(
    ...     lambda images: tf.reduce_mean(images, (1, 2)), preprocessing, (4, 4)
    ... )
    >>> red = tf.constant([255, 0, 0], tf.uint8) * tf.ones((1, 4, 4, 3), tf.uint8)
    >>> signatures["serving_default"](images=red)["top_classes"].numpy()[0, 0]
    b'a'
    """
    names = tf.constant(preprocessing.class_names)

    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        count = tf.shape(images)[0]
        logits = network(normalize(_at_least_one(images), preprocessing))[:count]
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        top = tf.math.top_k(probabilities, min(TOP, len(preprocessing.class_names)))
        return {
            "probabilities": probabilities,
            "top_classes": tf.gather(names, top.indices),
            "top_probabilities": top.values,
        }

    def classify_images(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return classify(_check_shape(images, input_size))

    def classify_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        return classify(_decode_all(image_bytes, preprocessing))

    images = tf.TensorSpec((None, *input_size, 3), tf.uint8, name="images")
    image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
    return {
        "serving_default": _trace(classify_images, images=images),
        "classify_bytes": _trace(classify_bytes, image_bytes=image_bytes),
    }


def _trace(function: Callable[..., Any], **inputs: tf.TensorSpec) -> Any:
    # The functions consist of TensorFlow operations only. AutoGraph would search them for Python
    # control flow for seconds.
    return tf.function(function, autograph=False).get_concrete_function(**inputs)


def _at_least_one(images: tf.Tensor) -> tf.Tensor:
    """Adds an image to an empty batch, because some convolutions do not accept empty batches."""
    shape = tf.shape(images)
    missing = tf.cast(tf.equal(shape[:1], 0), tf.int32)
    return tf.concat([images, tf.zeros(tf.concat([missing, shape[1:]], 0), tf.uint8)], axis=0)


def _check_shape(images: tf.Tensor, input_size: _Size) -> tf.Tensor:
    """Returns `images`, or raises an error when the graph runs if their shape is wrong.

    A server feeds whatever a client sends without comparing it with the signature, and an image of
    one pixel would be broadcast against the mean.
    """
    # The shape of this operation's output is unknown, so the comparison is not optimized away.
    images = tf.raw_ops.PlaceholderWithDefault(input=images, shape=None)
    shape = tf.strings.reduce_join(tf.strings.as_string(tf.shape(images)), separator="x")
    height, width = (side or "[1-9][0-9]*" for side in input_size)
    is_valid = tf.strings.regex_full_match(shape, f"[0-9]+x{height}x{width}x3")
    height, width = (side or axis for side, axis in zip(input_size, "HW", strict=True))
    message = tf.strings.join(
        ["images has the shape ", shape, f", but this network takes Nx{height}x{width}x3"]
    )
    with tf.control_dependencies([tf.debugging.Assert(is_valid, [message])]):
        return tf.ensure_shape(images, (None, *input_size, 3))


def _decode_all(image_bytes: tf.Tensor, preprocessing: Preprocessing) -> tf.Tensor:
    """Returns `resize(decode(...))` of each image, uint8 `(N, *size, 3)`.

    If some cannot be decoded, the graph raises an error that names them. A decoder's own error
    would not say which image of the batch it is about. A data set inside the graph drops the
    images that fail, so the missing indices are those of the bad images.
    """
    blank = tf.zeros((*preprocessing.size, 3), tf.uint8)
    count = tf.size(image_bytes, out_type=tf.int64)

    @tf.autograph.experimental.do_not_convert
    def prepare(index: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return index, resize(decode(data), preprocessing)

    encoded = tf.data.Dataset.zip(
        tf.data.Dataset.range(count), tf.data.Dataset.from_tensor_slices(image_bytes)
    )
    decoded = encoded.map(prepare, num_parallel_calls=DECODERS)
    indices, images = _without_errors(decoded, (tf.constant(-1, tf.int64), blank), count)
    is_complete = tf.equal(tf.size(indices, out_type=tf.int64), count)
    message = tf.cond(
        is_complete, lambda: tf.constant(""), lambda: _bad_images_message(image_bytes, indices)
    )
    with tf.control_dependencies([tf.debugging.Assert(is_complete, [message])]):
        return tf.ensure_shape(images, (None, *preprocessing.size, 3))


def _without_errors(dataset: tf.data.Dataset, filler: Any, max_count: tf.Tensor) -> Any:
    """Returns the elements of a data set that do not raise an error, as one batch.

    Args:
        dataset: the data set.
        filler: an element of the same structure. It is appended, because an empty data set has no
            batch, and removed from the result.
        max_count: int64 scalar, the largest possible number of elements.
    """
    options = tf.data.Options()
    # Optimizing such a small data set at every request takes longer than running it.
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    filler = tf.data.Dataset.from_tensors(filler)
    batch = dataset.ignore_errors().concatenate(filler).batch(max_count + 1).with_options(options)
    return tf.nest.map_structure(lambda part: part[:-1], batch.get_single_element())


def _bad_images_message(image_bytes: tf.Tensor, good_indices: tf.Tensor) -> tf.Tensor:
    """Returns a message, string scalar, about the images whose indices, int64, are missing."""
    count = tf.size(image_bytes, out_type=tf.int64)
    bad = tf.sets.difference(tf.range(count)[tf.newaxis], good_indices[tf.newaxis]).values
    named = bad[:NAMED]

    @tf.autograph.experimental.do_not_convert
    def reason(index: tf.Tensor, data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return index, image_headers.rejection_reason(data)

    encoded = tf.data.Dataset.zip(
        tf.data.Dataset.from_tensor_slices(named),
        tf.data.Dataset.from_tensor_slices(tf.gather(image_bytes, named)),
    )
    # `rejection_reason` itself raises an error for a damaged JPEG header.
    known, reasons = _without_errors(
        encoded.map(reason), (tf.constant(-1, tf.int64), tf.constant("")), count
    )
    reasons = tf.tensor_scatter_nd_update(tf.fill([count], ""), known[:, tf.newaxis], reasons)
    reasons = tf.gather(reasons, named)
    reasons = tf.where(tf.equal(reasons, ""), tf.constant(image_headers.DAMAGED), reasons)
    texts = tf.strings.join(["image_bytes[", tf.strings.as_string(named), "] ", reasons])
    more = tf.strings.join([" and ", tf.strings.as_string(tf.size(bad) - NAMED), " more"])
    return tf.strings.join(
        [
            tf.strings.reduce_join(texts, separator="; "),
            tf.where(tf.size(bad) > NAMED, more, tf.constant("")),
        ]
    )
