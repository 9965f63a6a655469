"""The two signatures of a SavedModel: raw images, and encoded ones."""

import tensorflow as tf

from resnet_keras.data import image_headers
from resnet_keras.data.transforms import decode, normalize, resize
from resnet_keras.preprocessing import Preprocessing

TOP = 5
# Images of one request that are decoded at the same time.
DECODERS = 4
# Bad images that an error names before it says how many more there are.
NAMED = 5


def signatures(network, preprocessing: Preprocessing, sides: tuple[int | None, int | None]) -> dict:
    """Returns the concrete functions to save, by signature name.

    `serving_default` takes `images`, uint8 `(N, H, W, 3)`; `classify_bytes` takes `image_bytes`,
    string `(N,)`, JPEG, PNG, GIF or BMP, resized here exactly as in evaluation. Both return
    `probabilities`, float32 `(N, classes)`, and the k = min(5, classes) best: `top_classes`,
    string `(N, k)`, and `top_probabilities`, float32 `(N, k)`. N may be 0.

    What they cannot answer they refuse with `InvalidArgumentError`: images of another size than
    the network's, and bytes that are no image, damaged or too large, by their index.

    Args:
        network: from preprocessed images, float32 `(N, H, W, 3)`, to logits.
        preprocessing: put into the graph.
        sides: height and width that `network` accepts, `None` for any.
    """
    names = tf.constant(preprocessing.class_names)

    def classify(images):
        count = tf.shape(images)[0]
        logits = network(normalize(_at_least_one(images), preprocessing))[:count]
        probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
        top = tf.math.top_k(probabilities, min(TOP, len(preprocessing.class_names)))
        return {
            "probabilities": probabilities,
            "top_classes": tf.gather(names, top.indices),
            "top_probabilities": top.values,
        }

    def classify_images(images):
        return classify(_of_right_shape(images, sides))

    def classify_bytes(image_bytes):
        return classify(_decoded(image_bytes, preprocessing))

    images = tf.TensorSpec((None, *sides, 3), tf.uint8, name="images")
    image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
    return {
        "serving_default": _traced(classify_images, images=images),
        "classify_bytes": _traced(classify_bytes, image_bytes=image_bytes),
    }


def _traced(function, **inputs):
    # It is all operations of TensorFlow's: looking for Python to convert would take seconds.
    return tf.function(function, autograph=False).get_concrete_function(**inputs)


def _at_least_one(images):
    """Adds an image to a batch that has none: not every convolution takes an empty one."""
    shape = tf.shape(images)
    missing = tf.cast(tf.equal(shape[:1], 0), tf.int32)
    return tf.concat([images, tf.zeros(tf.concat([missing, shape[1:]], 0), tf.uint8)], axis=0)


def _of_right_shape(images, sides):
    """Passes `images` on, or refuses them when they come.

    A server feeds whatever a client sent: nobody compares it with the signature, and an image of
    one pixel would be broadcast against the mean.
    """
    # Behind this operation the shape is unknown, so that the comparison is not optimized away.
    images = tf.raw_ops.PlaceholderWithDefault(input=images, shape=None)
    shape = tf.strings.reduce_join(tf.strings.as_string(tf.shape(images)), separator="x")
    height, width = (side or "[1-9][0-9]*" for side in sides)
    right = tf.strings.regex_full_match(shape, f"[0-9]+x{height}x{width}x3")
    height, width = (side or axis for side, axis in zip(sides, "HW", strict=True))
    message = tf.strings.join(
        ["images has the shape ", shape, f", this network takes Nx{height}x{width}x3"]
    )
    with tf.control_dependencies([tf.debugging.Assert(right, [message])]):
        return tf.ensure_shape(images, (None, *sides, 3))


def _decoded(image_bytes, preprocessing):
    """Returns `resize(decode(...))` of each, uint8 `(N, *size, 3)`, or names those it refuses.

    Whatever a decoder says of a damaged image would fail the whole batch without telling which
    image it was. A data set inside the graph leaves out what fails, and so shows it.
    """
    nothing = tf.zeros((*preprocessing.size, 3), tf.uint8)
    count = tf.size(image_bytes, out_type=tf.int64)

    @tf.autograph.experimental.do_not_convert
    def prepare(index, data):
        return index, resize(decode(data), preprocessing)

    given = tf.data.Dataset.zip(
        tf.data.Dataset.range(count), tf.data.Dataset.from_tensor_slices(image_bytes)
    )
    sound = given.map(prepare, num_parallel_calls=DECODERS)
    indices, images = _without_errors(sound, (tf.constant(-1, tf.int64), nothing), count)
    complete = tf.equal(tf.size(indices, out_type=tf.int64), count)
    message = tf.cond(complete, lambda: tf.constant(""), lambda: _refused(image_bytes, indices))
    with tf.control_dependencies([tf.debugging.Assert(complete, [message])]):
        return tf.ensure_shape(images, (None, *preprocessing.size, 3))


def _without_errors(dataset, spare, count):
    """Returns the elements of a data set of at most `count`, batched, but for those that fail.

    Args:
        dataset: the data set.
        spare: one more element of its form, taken off again: without any there is no batch.
        count: int64 scalar.
    """
    options = tf.data.Options()
    # Rewriting so small a data set at every request takes longer than running it.
    options.experimental_optimization.apply_default_optimizations = False
    options.autotune.enabled = False
    spare = tf.data.Dataset.from_tensors(spare)
    batch = dataset.ignore_errors().concatenate(spare).batch(count + 1).with_options(options)
    return tf.nest.map_structure(lambda part: part[:-1], batch.get_single_element())


def _refused(image_bytes, sound):
    """Returns the message, string scalar, about those of `image_bytes` not among `sound`, int64."""
    count = tf.size(image_bytes, out_type=tf.int64)
    bad = tf.sets.difference(tf.range(count)[tf.newaxis], sound[tf.newaxis]).values
    named = bad[:NAMED]

    @tf.autograph.experimental.do_not_convert
    def reason(index, data):
        return index, image_headers.refusal(data)

    given = tf.data.Dataset.zip(
        tf.data.Dataset.from_tensor_slices(named),
        tf.data.Dataset.from_tensor_slices(tf.gather(image_bytes, named)),
    )
    known, reasons = _without_errors(
        given.map(reason), (tf.constant(-1, tf.int64), tf.constant("")), count
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
