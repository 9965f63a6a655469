"""Training batches of files: what they hold, and that seed and step decide it."""

import traceback
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from resnet_keras.data import augmentation, decoding, normalization, pipeline, random
from resnet_keras.data.dataset import Dataset, Files, Share
from resnet_keras.data.decoding import evaluation_batches
from resnet_keras.data.transforms import decode, normalize, resize
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe

CUT = Preprocessing((16, 16), "crop", 1 / 255, (0.4, 0.5, 0.6), (1, 2, 1), ("a", "b", "c"), 18)


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
    made = pipeline.training_batches(files, CUT, recipe, start, share)
    return [(images.numpy(), labels.numpy()) for images, labels in made]


def indices_of(files, recipe):
    found = random.index_batches(recipe.seed, recipe.batch_size, len(files))
    return list(found.take(recipe.steps).as_numpy_iterator())


@pytest.mark.parametrize("augmentation", ["scale", pytest.param("pad", marks=pytest.mark.slow)])
@pytest.mark.parametrize("start", [3, *(pytest.param(s, marks=pytest.mark.slow) for s in (1, 8))])
def test_start_anywhere(files, augmentation, start):
    recipe = recipe_of(augmentation=augmentation, lighting=0.1)
    whole, rest = batches(files, recipe), batches(files, recipe, start)
    assert len(whole) == 8 and len(rest) == 8 - start
    for (images, labels), (again, labels_again) in zip(whole[start:], rest, strict=True):
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(labels, labels_again)


@pytest.mark.parametrize("augmentation", ["scale", pytest.param("pad", marks=pytest.mark.slow)])
def test_shares_laid_side_by_side_are_the_whole_batch(files, augmentation):
    recipe = recipe_of(augmentation=augmentation, lighting=0.1, steps=3)
    whole = batches(files, recipe)
    parts = [batches(files, recipe, share=Share(5, *part)) for part in ((0, 2), (2, 3))]
    for (images, labels), *shares in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate([part[0] for part in shares]), images)
        np.testing.assert_array_equal(np.concatenate([part[1] for part in shares]), labels)


def test_of_a_share_no_other_files_are_read(files, tmp_path):
    recipe = recipe_of(augmentation="scale", steps=1)
    paths = list(files.paths)
    for index in indices_of(files, recipe)[0][2:]:
        paths[index] = str(tmp_path / "missing.jpg")
    part = batches(Files(tuple(paths), files.labels), recipe, share=Share(5, 0, 2))
    np.testing.assert_array_equal(part[0][0], batches(files, recipe)[0][0][:2])


@pytest.mark.parametrize("augmentation", ["scale", "pad"])
def test_nothing_is_converted_from_python(files, augmentation, monkeypatch):
    # It would take seconds at every start. What is converted runs in files of AutoGraph's own.
    read, seen = decoding.read_image_bytes, []

    def watched(place):
        seen.append([frame.filename for frame in traceback.extract_stack()])
        return read(place)

    monkeypatch.setattr(decoding, "read_image_bytes", watched)
    batches(files, recipe_of(augmentation=augmentation, steps=1))
    list(evaluation_batches(files, CUT, 5))
    assert len(seen) == 2 and all(__file__ in stack for stack in seen)
    assert not [name for stack in seen for name in stack if "autograph_generated" in name]


def test_each_image_is_cut_mirrored_and_lit_as_its_place_says(files):
    recipe = recipe_of(augmentation="scale", lighting=0.1)
    for step, (images, labels) in enumerate(batches(files, recipe)):
        indices = indices_of(files, recipe)[step]
        np.testing.assert_array_equal(labels, files.labels[indices])
        assert (images.shape, images.dtype) == ((5, 16, 16, 3), np.float32)
        draws = augmentation.draws(5, 3, tf.constant(step, tf.int64))
        colours = augmentation.light(5, 3, tf.constant(step, tf.int64), 0.1).numpy()
        for place, index in enumerate(indices):
            data = Path(files.paths[index]).read_bytes()
            expected = augmentation.crop(data, draws[place], 16).numpy()
            if draws[place, 3] % 2:
                expected = expected[:, ::-1]
            expected = (expected / 255 - CUT.mean + colours[place]) / CUT.std
            np.testing.assert_allclose(images[place], expected, atol=1e-5)


def test_no_mirror_without_flip(files):
    plain, mirrored = (batches(files, recipe_of(flip=flip)) for flip in (False, True))
    for step, (images, _) in enumerate(plain):
        turned = augmentation.draws(5, 3, tf.constant(step, tf.int64))[:, 3].numpy() % 2 == 1
        np.testing.assert_array_equal(images[~turned], mirrored[step][0][~turned])
        np.testing.assert_allclose(images[turned][:, :, ::-1], mirrored[step][0][turned], atol=1e-5)


def test_alternate_mirrors(files):
    recipe = recipe_of(alternate_flip=True)
    rule = augmentation.alternately_mirrored(3, 5, 13)
    plain = batches(files, recipe_of(flip=False))
    for step, (images, _) in enumerate(batches(files, recipe)):
        turned = rule(tf.constant(step, tf.int64), indices_of(files, recipe)[step]).numpy()
        expected = np.where(turned[:, None, None, None], plain[step][0][:, :, ::-1], plain[step][0])
        np.testing.assert_allclose(images, expected, atol=1e-5)


def test_padding_and_cropping_what_evaluation_would_see(files):
    recipe = recipe_of(augmentation="pad", pad=0, flip=False)
    for step, (images, _) in enumerate(batches(files, recipe)):
        data = [Path(files.paths[i]).read_bytes() for i in indices_of(files, recipe)[step]]
        expected = [normalize(resize(decode(one), CUT), CUT) for one in data]
        np.testing.assert_allclose(images, expected, atol=1e-6)
    shifted = batches(files, recipe_of(augmentation="pad", pad=4, flip=False))[0][0]
    assert not np.array_equal(shifted, batches(files, recipe)[0][0])


def test_preprocessing_of_files_is_the_mean_colour_and_the_paper_s_cut(files):
    made = normalization.preprocessing_for(
        Dataset("folder", ("a", "b", "c"), files, files), files, 16
    )
    assert (made.size, made.resize, made.shorter_side) == ((16, 16), "crop", round(256 * 16 / 224))
    cut = [resize(decode(Path(path).read_bytes()), made) for path in files.paths]
    expected = np.mean(np.array(cut, np.float64), axis=(0, 1, 2)) / 255
    np.testing.assert_allclose(made.mean, expected, rtol=1e-6)
    bigger = normalization.preprocessing_for(
        Dataset("folder", ("a", "b", "c"), files, files), files, None
    )
    assert (bigger.size, bigger.shorter_side) == ((224, 224), 256)


def test_the_mean_is_of_a_sample_spread_over_the_classes(files, monkeypatch):
    monkeypatch.setattr(normalization, "MEAN_IMAGES", 3)
    sample = files.take(np.array([0, 4, 8]))
    cut = [resize(decode(Path(path).read_bytes()), CUT) for path in sample.paths]
    found = normalization.channel_mean(files, CUT)
    np.testing.assert_allclose(
        found, np.mean(np.array(cut, float), axis=(0, 1, 2)) / 255, rtol=1e-6
    )
