"""Training batches of images in files, as `tf.data` pipelines."""

import tensorflow as tf

from resnet_keras.data import augment, contents, order, scale_crop
from resnet_keras.data.image_files import Files
from resnet_keras.data.lighting import light, normalize_lit
from resnet_keras.data.share import Share
from resnet_keras.data.transforms import decode, resize
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe


def file_batches(
    train: Files, preprocessing: Preprocessing, recipe: Recipe, start: int, share: Share
) -> tf.data.Dataset:
    """Yields the steps' batches; see `pipeline.training_batches`.

    Images are read, cut and coloured one by one, on all cores; what is random about them is
    drawn for the whole batch before, from the seed and the step. All is written in TensorFlow's own
    operations: looking for Python to convert would take seconds at every start.
    """
    places, labels = contents.places(train), tf.constant(train.labels)
    count, seed = recipe.batch_size, recipe.seed
    by_scale = recipe.augmentation != "pad"
    alternate = recipe.flip and recipe.alternate_flip
    turns = augment.alternately_mirrored(seed, count, len(train))

    @tf.autograph.experimental.do_not_convert
    def plan(step, indices):
        """What is to be done to each image of a step."""
        draws = scale_crop.draws(count, seed, step)
        by_chance = tf.logical_and(draws[:, 3] % 2 == 1, bool(recipe.flip))
        whole = {
            "step": tf.fill((count,), step),
            "place": contents.gather(places, indices),
            "label": tf.gather(labels, indices),
            "draw": draws,
            "mirrored": turns(step, indices) if alternate else by_chance,
            "light": light(count, seed, step, recipe.lighting),
        }
        return tf.nest.map_structure(share.of, whole)

    @tf.autograph.experimental.do_not_convert
    def picture(one):
        """One image as the network takes it."""
        data = contents.read(one["place"])
        if by_scale:
            image = scale_crop.crop(data, one["draw"], preprocessing.size[0], one["mirrored"])
        else:
            image = resize(decode(data), preprocessing)
        image = normalize_lit(image, one["light"], preprocessing)
        return image, one["label"], one["step"], one["mirrored"]

    @tf.autograph.experimental.do_not_convert
    def finish(images, labels, steps, mirrored):
        if not by_scale:
            images = augment.flip_and_crop(
                images, seed, steps[0], recipe.pad, bool(recipe.flip), mirrored, share
            )
        return images, labels

    steps = tf.data.Dataset.range(start, recipe.steps)
    indices = order.index_batches(seed, count, len(train), start)
    each = tf.data.Dataset.zip(steps, indices).map(plan).unbatch()
    pictures = each.map(picture, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return pictures.batch(share.count, drop_remainder=True).map(finish)
