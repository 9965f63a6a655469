"""Predictions from several views, compared with NumPy."""

import numpy as np
import pytest
from PIL import Image

from resnet_keras.data.dataset import Files, Images
from resnet_keras.description import Description
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.evaluate import evaluate
from resnet_keras.evaluation.predict import predict_batches
from resnet_keras.evaluation.predictors import Predictor, open_predictor
from resnet_keras.evaluation.views import multiscale, ten_crops
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
