"""Saving, loading and exporting a network keeps its probabilities."""

import json
import shutil
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from resnet_keras.description import Description
from resnet_keras.evaluation.predictors import model_probabilities, open_predictor
from resnet_keras.export.saved_model import export, export_file, next_version
from resnet_keras.models.build import build
from resnet_keras.models.keras_file import load_keras_file, save_keras_file
from resnet_keras.preprocessing import Preprocessing
from tests.models.lifecycle import (
    CLASSES,
    make_preprocessing,
    png,
    random_images,
    randomized,
    run_lifecycle,
    softmax,
)

TINY = [
    ("resnet8", "A", "conv_bn", 8),
    ("resnet8", "B", "conv_bn", 8),
    ("resnet8", "C", "average", 8),
]
MORE = [
    ("plain8", None, "conv_bn", 8),
    ("resnet8", "C", "conv_bn", 8),
    ("resnet8", "B", "average", 8),
    ("resnet18", "A", "conv_bn", 32),
    ("resnet18", "B", "conv_bn", 32),
    ("resnet18", "C", "average", 32),
    ("plain18", None, "conv_bn", 32),
    ("resnet50", "B", "conv_bn", 32),
    ("vgg19", None, "conv_bn", 32),
]


@pytest.fixture(
    scope="module",
    params=[*TINY, *(pytest.param(case, marks=pytest.mark.slow) for case in MORE)],
    ids=lambda case: "-".join(map(str, case)),
)
def lifecycle(request, tmp_path_factory):
    return run_lifecycle(tmp_path_factory.mktemp("lifecycle"), *request.param)


def test_keras_file_keeps_weights_and_description(lifecycle):
    assert lifecycle.read == lifecycle.description
    for mine, theirs in zip(lifecycle.model.variables, lifecycle.loaded.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    assert not lifecycle.loaded.compiled


def test_saved_model_equals_keras_model(lifecycle):
    predictor = open_predictor(lifecycle.version)
    probabilities = predictor.probabilities(lifecycle.images)
    np.testing.assert_allclose(probabilities, lifecycle.expected, atol=1e-5)
    assert probabilities.dtype == np.float32
    # The outputs of the random network depend on the image.
    assert np.ptp(lifecycle.expected, axis=0).max() > 1e-3
    assert predictor.description.preprocessing == lifecycle.preprocessing
    for other in (
        open_predictor(lifecycle.path).probabilities,
        open_predictor(lifecycle.folder).probabilities,
        model_probabilities(lifecycle.model, lifecycle.preprocessing),
    ):
        np.testing.assert_allclose(other(lifecycle.images), lifecycle.expected, atol=1e-5)


def test_signatures(lifecycle):
    signatures = tf.saved_model.load(str(lifecycle.version)).signatures
    assert set(signatures) == {"serving_default", "classify_bytes"}
    raw = signatures["serving_default"](images=tf.constant(lifecycle.images))
    encoded = signatures["classify_bytes"](
        image_bytes=tf.constant([png(image) for image in lifecycle.images])
    )
    assert set(raw) == set(encoded) == {"probabilities", "top_classes", "top_probabilities"}
    for name in raw:
        np.testing.assert_array_equal(raw[name].numpy(), encoded[name].numpy())
    # The names of the five most probable classes, the most probable one first.
    order = np.argsort(-raw["probabilities"].numpy(), axis=1, kind="stable")[:, :5]
    names = np.array([name.encode() for name in CLASSES], object)
    np.testing.assert_array_equal(raw["top_classes"].numpy(), names[order])
    np.testing.assert_array_equal(
        raw["top_probabilities"].numpy(),
        np.take_along_axis(raw["probabilities"].numpy(), order, axis=1),
    )
    specs = signatures["serving_default"].structured_input_signature[1]
    side = lifecycle.side
    assert specs["images"].dtype == tf.uint8
    assert specs["images"].shape.as_list() == [None, side, side, 3]
    assert signatures["classify_bytes"].structured_input_signature[1]["image_bytes"].shape.rank == 1


def test_members_of_the_keras_file(lifecycle):
    with zipfile.ZipFile(lifecycle.path) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        values = json.loads(archive.read("resnet_keras.json"))
    assert set(names) >= {"config.json", "metadata.json", "model.weights.h5"}
    assert len(names) == len(set(names))
    assert values["card"]["arch"] == lifecycle.arch
    assert sorted(path.name for path in lifecycle.folder.iterdir()) == ["model.keras", "models"]


def test_layout_of_the_saved_model(lifecycle):
    assert lifecycle.version == lifecycle.folder / "models" / lifecycle.name / "1"
    extra = lifecycle.version / "assets.extra"
    assert sorted(path.name for path in extra.iterdir()) == [
        "model_card.json",
        "preprocessing.json",
        "tf_serving_warmup_requests",
    ]
    card = json.loads((extra / "model_card.json").read_text("utf-8"))
    # The export may add fields, but changes none.
    assert {**card, **lifecycle.description.card} == card


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The files of one small network."""
    return run_lifecycle(tmp_path_factory.mktemp("saved"), "resnet8", "A", "conv_bn", 8)


def test_the_graph_resizes_images_of_other_sizes(saved):
    from resnet_keras.data.transforms import resize

    photo = random_images(1, 13, 21)[0]
    fitted = resize(photo, saved.preprocessing).numpy()
    signatures = tf.saved_model.load(str(saved.version)).signatures
    np.testing.assert_array_equal(
        signatures["classify_bytes"](image_bytes=tf.constant([png(photo)]))["probabilities"],
        signatures["serving_default"](images=tf.constant(fitted[None]))["probabilities"],
    )


@pytest.mark.parametrize("classes", [1, 3, 5, 6])
def test_top_k_of_few_classes(tmp_path, classes):
    model = build("plain8", classes=classes, input_shape=(8, 8, 3))
    names = tuple(f"c{i}" for i in range(classes))
    version = export(model, Description(make_preprocessing(8, names)), tmp_path)
    answer = tf.saved_model.load(str(version)).signatures["serving_default"](
        images=tf.constant(random_images(2, 8, 8))
    )
    assert answer["top_classes"].shape == (2, min(5, classes))
    assert answer["probabilities"].shape == (2, classes)


def test_mixed_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = randomized(build("resnet8", "A", classes=7, input_shape=(8, 8, 3)))
    keras.config.set_dtype_policy("float32")
    description = Description(make_preprocessing(8), {"name": "mixed"})
    save_keras_file(model, tmp_path / "m.keras", description)
    loaded, _ = load_keras_file(tmp_path / "m.keras")
    assert loaded.get_layer("conv1").compute_dtype == "bfloat16"
    images = random_images(4, 8, 8)
    expected = model_probabilities(model, description.preprocessing)(images)
    again = model_probabilities(loaded, description.preprocessing)(images)
    np.testing.assert_allclose(again, expected, atol=1e-6)
    # An export computes in float32 by default, with the same weights.
    plain = build("resnet8", "A", classes=7, input_shape=(8, 8, 3))
    plain.set_weights(model.get_weights())
    exact = model_probabilities(plain, description.preprocessing)(images)
    given = open_predictor(export_file(tmp_path / "m.keras", tmp_path / "models")).probabilities(
        images
    )
    assert given.dtype == np.float32
    np.testing.assert_allclose(given, exact, atol=1e-5)
    np.testing.assert_allclose(given, expected, atol=0.1)


def test_any_size_with_a_mean_per_channel(tmp_path):
    model = randomized(build("resnet8", "B", classes=7, input_shape=(None, None, 3)))
    made = Preprocessing((8, 8), "crop", 1 / 255, (0.4, 0.5, 0.6), (0.2, 0.2, 0.3), CLASSES, 10)
    version = export(model, Description(made), tmp_path)
    images = random_images(3, 11, 6)
    inputs = (images / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.2, 0.3]
    expected = softmax(np.asarray(model(inputs.astype(np.float32), training=False)))
    np.testing.assert_allclose(open_predictor(version).probabilities(images), expected, atol=1e-5)


def test_the_next_version_is_the_highest_plus_one(saved, tmp_path):
    folder = tmp_path / "m"
    assert next_version(folder) == 1
    for name in ("1", "9", "10", "x", "11.tmp"):
        (folder / name).mkdir(parents=True)
    assert next_version(folder) == 11
    shutil.copytree(saved.version, folder / "11")
    assert open_predictor(folder).path == folder / "11"


def test_export_under_another_name(tmp_path):
    model = build("resnet8", "A", classes=len(CLASSES), input_shape=(8, 8, 3))
    description = Description(make_preprocessing(8), {"name": "one", "arch": "resnet8"})
    save_keras_file(model, tmp_path / "m.keras", description)
    version = export_file(tmp_path / "m.keras", tmp_path / "models", name="another")
    assert version == tmp_path / "models/another/1"
    card = open_predictor(version).description.card
    assert (card["name"], card["arch"]) == ("another", "resnet8")
