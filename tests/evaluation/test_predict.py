"""The views of an image and the predictions from them, compared with NumPy and Pillow."""

import numpy as np
import pytest
from PIL import Image

from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.transforms import MAX_ASPECT_RATIO
from resnet_keras.description import Description
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.evaluate import evaluate
from resnet_keras.evaluation.predict import (
    SCALES,
    multiscale,
    predict_batches,
    proportional_side,
    ten_crops,
)
from resnet_keras.evaluation.predictors import Predictor, open_predictor
from resnet_keras.export.saved_model import export
from resnet_keras.models.keras_file import save_keras_file
from resnet_keras.preprocessing import Preprocessing
from tests.evaluation.networks import (
    expected_mean,
    make_description,
    make_network,
    make_preprocessing,
)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Images of different shapes, as arrays and as files."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    images, paths = [], []
    for number, shape in enumerate([(40, 55), (70, 45), (40, 55), (33, 64), (64, 33)]):
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        image = np.asarray(coarse.resize(shape[::-1], Image.BICUBIC))
        path = folder / f"{number}.png"
        Image.fromarray(image).save(path)
        images.append(image)
        paths.append(str(path))
    return images, Files(tuple(paths), np.arange(5, dtype=np.int32))


@pytest.mark.parametrize("views, make_views", [("10crop", ten_crops), ("multiscale", multiscale)])
@pytest.mark.parametrize("kind", ["SavedModel", "keras"])
def test_views_are_averaged(any_size, photographs, views, make_views, kind):
    images, files = photographs
    predictor = open_predictor(any_size.version if kind == "SavedModel" else any_size.keras_file)
    batches = list(predict_batches(predictor, files, views, batch_size=2))
    assert [len(probabilities) for probabilities, _ in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), files.labels)
    probabilities = np.concatenate([probabilities for probabilities, _ in batches])
    expected = np.stack(
        [
            expected_mean(any_size.model, any_size.preprocessing, make_views(image, 32))
            for image in images
        ]
    )
    np.testing.assert_allclose(probabilities, expected, atol=2e-5)
    # The views differ from the centre crop.
    center = np.concatenate([batch for batch, _ in predict_batches(predictor, files)])
    assert np.abs(center - expected).max() > 1e-3


def test_a_mean_image_allows_ten_crops_but_only_one_size(tmp_path):
    model, description = make_network((32, 32)), make_description(32, per_pixel=True)
    save_keras_file(model, tmp_path / "fixed.keras", description)
    predictor = open_predictor(tmp_path / "fixed.keras")
    image = np.random.default_rng(3).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    images = Images(image, np.zeros(1, np.int32))
    ((probabilities, _),) = predict_batches(predictor, images, "10crop")
    expected = expected_mean(model, description.preprocessing, ten_crops(image[0], 32))
    np.testing.assert_allclose(probabilities[0], expected, atol=2e-5)
    with pytest.raises(UserError, match=r"subtracts a mean image.*--views 10crop works with it"):
        list(predict_batches(predictor, images, "multiscale"))


def test_multiscale_needs_a_network_for_any_size(tmp_path):
    version = export(make_network((32, 32)), make_description(32), tmp_path)
    with pytest.raises(UserError, match="was built for a fixed size and takes only 32x32 pixels"):
        evaluate(version, None, None, "multiscale")


def test_several_views_need_a_network_for_square_images():
    values = make_preprocessing(32).to_json() | {"size": [32, 48]}
    description = Description(Preprocessing.from_json(values))
    predictor = Predictor("net", description, None, (None, None))
    with pytest.raises(UserError, match=r"10crop needs a network for square images.*32x48"):
        list(predict_batches(predictor, None, "10crop"))


def test_unknown_views(any_size):
    with pytest.raises(UsageError, match="unknown views '10-crop'; known: 10crop"):
        evaluate(any_size.version, None, None, "10-crop")


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height, width):
    """An image as smooth as a photograph, for which roundings differ by one level at most."""
    return np.asarray(Image.fromarray(noise(6, 8)).resize((width, height), Image.BICUBIC))


@pytest.mark.parametrize(
    "side, size, expected", [(256, 224, 256), (256, 32, 37), (640, 64, 183), (384, 64, 110)]
)
def test_sides_are_proportional_to_the_size(side, size, expected):
    assert proportional_side(side, size) == expected == int(side * size / 224 + 0.5)


@pytest.mark.parametrize("shape", [(37, 37), (37, 50), (61, 37)])
def test_ten_crops_of_an_image_that_needs_no_resizing(shape):
    image, size = noise(*shape), 32
    height, width = shape
    top, left = (height - size) // 2, (width - size) // 2
    five = [
        image[:size, :size],
        image[:size, -size:],
        image[-size:, :size],
        image[-size:, -size:],
        image[top : top + size, left : left + size],
    ]
    expected = np.stack(five + [crop[:, ::-1] for crop in five])
    np.testing.assert_array_equal(ten_crops(image, size).numpy(), expected)


def test_ten_crops_are_cut_from_a_shorter_side_of_256():
    image = smooth(300, 451)
    resized = Image.fromarray(image).resize((385, 256), Image.BILINEAR)
    crops = ten_crops(image, 224).numpy().astype(int)
    for index, (left, top) in ((0, (0, 0)), (3, (161, 32)), (4, (80, 16))):
        expected = np.asarray(resized.crop((left, top, left + 224, top + 224))).astype(int)
        assert np.abs(crops[index] - expected).max() <= 1
        assert np.abs(crops[index + 5] - expected[:, ::-1]).max() <= 1


@pytest.mark.parametrize("shape", [(90, 120), (120, 90), (64, 64)])
def test_scales_keep_the_aspect_ratio(shape):
    image = smooth(*shape)
    views = multiscale(image, 64)
    assert len(views) == len(SCALES)
    for side, view in zip((64, 73, 110, 137, 183), views, strict=True):
        ratio = side / min(shape)
        width, height = (int(edge * ratio + 0.5) for edge in shape[::-1])
        assert view.shape == (height, width, 3)
        expected = Image.fromarray(image).resize((width, height), Image.BILINEAR)
        assert np.abs(view.numpy().astype(int) - np.asarray(expected)).max() <= 1


def test_all_views_of_a_strip_show_its_middle():
    strip = smooth(2, 400)
    middle = strip[:, 200 - MAX_ASPECT_RATIO : 200 + MAX_ASPECT_RATIO]
    np.testing.assert_array_equal(ten_crops(strip, 32), ten_crops(middle, 32))
    for view, expected in zip(multiscale(strip, 32), multiscale(middle, 32), strict=True):
        np.testing.assert_array_equal(view, expected)
