"""Training batches of image files: what they contain, and that seed and step decide it."""

import traceback
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from resnet_keras.data import augmentation, decoding, pipeline, random
from resnet_keras.data.dataset import BatchShare, Files
from resnet_keras.data.decoding import evaluation_batches
from resnet_keras.data.transforms import decode, normalize, resize
from resnet_keras.errors import UsageError
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe

CROP = Preprocessing((16, 16), "crop", 1 / 255, (0.4, 0.5, 0.6), (1, 2, 1), ("a", "b", "c"), 18)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    paths = []
    for number in range(13):
        kind = ("png", "jpg")[number % 2]
        path = root / f"{number}.{kind}"
        Image.fromarray(rng.integers(0, 256, (20 + number, 44 - number, 3), np.uint8)).save(path)
        paths.append(str(path))
    return Files(tuple(paths), (np.arange(13) % 3).astype(np.int32))


def recipe_of(**changes):
    values = {"steps": 8, "batch_size": 5, "drops": (), "flip": True, "seed": 3, "image_size": 16}
    return Recipe("resnet8", **{**values, **changes})


def batches(files, recipe, start=0, share=None):
    dataset = pipeline.training_batches(files, CROP, recipe, start, share)
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def indices_of(files, recipe):
    dataset = random.index_batches(recipe.seed, recipe.batch_size, len(files))
    return list(dataset.take(recipe.steps).as_numpy_iterator())


def test_an_unresolved_recipe_is_rejected(files):
    with pytest.raises(UsageError, match="Received: flip=None"):
        pipeline.training_batches(files, CROP, recipe_of(flip=None))


@pytest.mark.parametrize("augmentation", ["scale", pytest.param("pad", marks=pytest.mark.slow)])
@pytest.mark.parametrize("start", [3, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 8))])
def test_any_step_can_be_the_first(files, augmentation, start):
    recipe = recipe_of(augmentation=augmentation, lighting=0.1)
    everything, rest = batches(files, recipe), batches(files, recipe, start)
    assert len(everything) == 8 and len(rest) == 8 - start
    for (images, labels), (again, labels_again) in zip(everything[start:], rest, strict=True):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(labels, labels_again)


@pytest.mark.parametrize("augmentation", ["scale", pytest.param("pad", marks=pytest.mark.slow)])
def test_concatenated_shares_equal_the_whole_batch(files, augmentation):
    recipe = recipe_of(augmentation=augmentation, lighting=0.1, steps=3)
    expected = batches(files, recipe)
    parts = [batches(files, recipe, share=BatchShare(5, *part)) for part in ((0, 2), (2, 3))]
    for (images, labels), *shares in zip(expected, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate([part[0] for part in shares]), images)
        np.testing.assert_array_equal(np.concatenate([part[1] for part in shares]), labels)


def test_files_of_other_shares_are_not_read(files, tmp_path):
    recipe = recipe_of(augmentation="scale", steps=1)
    paths = list(files.paths)
    for index in indices_of(files, recipe)[0][2:]:
        paths[index] = str(tmp_path / "missing.jpg")
    part = batches(Files(tuple(paths), files.labels), recipe, share=BatchShare(5, 0, 2))
    np.testing.assert_array_equal(part[0][0], batches(files, recipe)[0][0][:2])


@pytest.mark.parametrize("augmentation", ["scale", "pad"])
def test_autograph_converts_nothing(files, augmentation, monkeypatch):
    # The conversion would take seconds at every start. Converted code runs in generated files.
    read, stacks = decoding.read_image_bytes, []

    def recording(location):
        stacks.append([frame.filename for frame in traceback.extract_stack()])
        return read(location)

    monkeypatch.setattr(decoding, "read_image_bytes", recording)
    batches(files, recipe_of(augmentation=augmentation, steps=1))
    list(evaluation_batches(files, CROP, 5))
    assert len(stacks) == 2 and all(__file__ in stack for stack in stacks)
    assert not [name for stack in stacks for name in stack if "autograph_generated" in name]


def test_crop_flip_and_lighting_of_each_image(files):
    recipe = recipe_of(augmentation="scale", lighting=0.1)
    for step, (images, labels) in enumerate(batches(files, recipe)):
        indices = indices_of(files, recipe)[step]
        np.testing.assert_array_equal(labels, files.labels[indices])
        assert (images.shape, images.dtype) == ((5, 16, 16, 3), np.float32)
        draws = augmentation.crop_draws(5, 3, tf.constant(step, tf.int64))
        lighting = augmentation.random_lighting(5, 3, tf.constant(step, tf.int64), 0.1).numpy()
        for position, index in enumerate(indices):
            data = Path(files.paths[index]).read_bytes()
            expected = augmentation.decode_and_crop(data, draws[position], 16).numpy()
            if draws[position, 3] % 2:
                expected = expected[:, ::-1]
            expected = (expected / 255 - CROP.mean + lighting[position]) / CROP.std
            np.testing.assert_allclose(images[position], expected, atol=1e-5)


def test_without_flip_nothing_is_flipped(files):
    plain, with_flip = (batches(files, recipe_of(flip=flip)) for flip in (False, True))
    for step, (images, _) in enumerate(plain):
        flips = augmentation.crop_draws(5, 3, tf.constant(step, tf.int64))[:, 3].numpy() % 2 == 1
        np.testing.assert_array_equal(images[~flips], with_flip[step][0][~flips])
        np.testing.assert_allclose(images[flips][:, :, ::-1], with_flip[step][0][flips], atol=1e-5)


def test_alternate_flip(files):
    recipe = recipe_of(alternate_flip=True)
    flip_mask = augmentation.alternate_flip(3, 5, 13)
    plain = batches(files, recipe_of(flip=False))
    for step, (images, _) in enumerate(batches(files, recipe)):
        flips = flip_mask(tf.constant(step, tf.int64), indices_of(files, recipe)[step]).numpy()
        expected = np.where(flips[:, None, None, None], plain[step][0][:, :, ::-1], plain[step][0])
        np.testing.assert_allclose(images, expected, atol=1e-5)


def test_pad_augments_images_resized_as_in_evaluation(files):
    recipe = recipe_of(augmentation="pad", pad=0, flip=False)
    for step, (images, _) in enumerate(batches(files, recipe)):
        data = [Path(files.paths[i]).read_bytes() for i in indices_of(files, recipe)[step]]
        expected = [normalize(resize(decode(one), CROP), CROP) for one in data]
        np.testing.assert_allclose(images, expected, atol=1e-6)
    shifted = batches(files, recipe_of(augmentation="pad", pad=4, flip=False))[0][0]
    assert not np.array_equal(shifted, batches(files, recipe)[0][0])
