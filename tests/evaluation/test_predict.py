"""Answers over several views and of several networks, against a computation by hand."""

import json
import re
import shlex

import keras
import numpy as np
import pytest
from PIL import Image

from resnet_keras.artefact import Description
from resnet_keras.cli.main import command
from resnet_keras.data import sources
from resnet_keras.data.dataset import Files, Images
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation.ensemble import evaluate_ensemble
from resnet_keras.evaluation.evaluate import evaluate
from resnet_keras.evaluation.predict import answers
from resnet_keras.evaluation.predictors import Predictor, open_predictor
from resnet_keras.evaluation.views import scaled, ten_crops
from resnet_keras.export.saved_model import export
from resnet_keras.models.build import build
from resnet_keras.models.keras_file import save_keras_file
from resnet_keras.preprocessing import Preprocessing

NAMES = tuple("0123456789")


def preprocessing_of(size, per_pixel=False, names=NAMES):
    shape = (size, size, 3) if per_pixel else (3,)
    return Preprocessing((size, size), "stretch", 1 / 255, np.full(shape, 0.3), (0.5,) * 3, names)


def described(size, **kwargs):
    card = {"name": f"net{size}", "dataset": "digits"}
    return Description(preprocessing_of(size, **kwargs), card)


def network(sides, seed=0):
    keras.utils.set_random_seed(seed)
    model = build("resnet8", classes=10, input_shape=(*sides, 3))
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.2, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_mean.shape))
    return model


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def by_hand(model, preprocessing, views):
    """The mean over views of the softmax, the mean over places taken by NumPy."""
    shapes = {np.shape(view) for view in views}
    alike = [np.stack([v for v in views if np.shape(v) == shape]) for shape in shapes]
    return np.mean(np.concatenate([each(model, preprocessing, part) for part in alike]), axis=0)


def each(model, preprocessing, images):
    """The answers to images of one shape."""
    features = keras.Model(model.inputs, model.get_layer("pool").input)
    weight, bias = (value.numpy() for value in model.get_layer("logits").weights)
    x = (np.asarray(images, np.float32) * preprocessing.scale - preprocessing.mean) / 0.5
    maps = np.asarray(features(x, training=False), np.float64)
    return softmax(maps.mean(axis=(1, 2)) @ weight + bias)


@pytest.fixture(scope="module")
def free(tmp_path_factory):
    """A network that takes any size, as a SavedModel and in a `.keras` file."""
    folder = tmp_path_factory.mktemp("free")
    model, description = network((None, None)), described(32)
    save_keras_file(model, folder / "free.keras", description)
    return model, description.preprocessing, export(model, description, folder), folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
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


@pytest.mark.parametrize("views, cut", [("10crop", ten_crops), ("multiscale", scaled)])
@pytest.mark.parametrize("kind", ["SavedModel", "keras"])
def test_several_views_against_numpy(free, photographs, views, cut, kind):
    model, preprocessing, saved, folder = free
    images, files = photographs
    predictor = open_predictor(saved if kind == "SavedModel" else folder / "free.keras")
    found = list(answers(predictor, files, views, batch=2))
    assert [len(given) for given, _ in found] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([true for _, true in found]), files.labels)
    given = np.concatenate([given for given, _ in found])
    expected = np.stack([by_hand(model, preprocessing, cut(image, 32)) for image in images])
    np.testing.assert_allclose(given, expected, atol=2e-5)
    # And the views do not all show the same.
    center = np.concatenate([given for given, _ in answers(predictor, files)])
    assert np.abs(center - expected).max() > 1e-3


def test_a_mean_of_each_pixel_allows_ten_crops_but_no_other_size(tmp_path):
    model, description = network((32, 32)), described(32, per_pixel=True)
    save_keras_file(model, tmp_path / "fixed.keras", description)
    predictor = open_predictor(tmp_path / "fixed.keras")
    image = np.random.default_rng(3).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    source = Images(image, np.zeros(1, np.int32))
    ((given, _),) = answers(predictor, source, "10crop")
    expected = by_hand(model, description.preprocessing, ten_crops(image[0], 32))
    np.testing.assert_allclose(given[0], expected, atol=2e-5)
    with pytest.raises(UserError, match=r"a mean of each pixel.*--views 10crop works here"):
        list(answers(predictor, source, "multiscale"))


def test_a_network_of_one_size_is_refused_whatever_its_mean(tmp_path):
    version = export(network((32, 32)), described(32), tmp_path)
    with pytest.raises(UserError, match="written for one size"):
        evaluate(version, None, None, "multiscale")


def test_views_for_square_networks_and_known_ones(free):
    names = preprocessing_of(32).to_json() | {"size": [32, 48]}
    odd = Predictor("net", Description(Preprocessing.from_json(names)), None, (None, None))
    with pytest.raises(UserError, match="10crop is for square ones"):
        list(answers(odd, None, "10crop"))
    with pytest.raises(UsageError, match="unknown views '10-crop'; known: 10crop"):
        evaluate(free[2], None, None, "10-crop")


@pytest.fixture
def few_digits(monkeypatch):
    """A few test images, so that they can be asked about many times."""
    whole = sources.load_digits()
    few = type(whole)(whole.name, whole.class_names, whole.train, whole.test.take(slice(30)), False)
    monkeypatch.setattr(sources, "load_digits", lambda: few)
    return few.test


def test_an_ensemble_of_different_sizes_is_the_mean_of_probabilities(free, tmp_path, few_digits):
    second = network((48, 48), seed=1)
    save_keras_file(second, tmp_path / "second.keras", described(48, per_pixel=True))
    found = evaluate_ensemble([free[2], tmp_path / "second.keras"], None, None)
    for member, path in zip(found.members, (free[2], tmp_path / "second.keras"), strict=True):
        alone = evaluate(path, None, None).measurement
        assert member.measurement.top1_error == alone.top1_error
        assert member.measurement.loss == pytest.approx(alone.loss, rel=1e-6)
    large = [
        np.asarray(Image.fromarray(image).resize((48, 48), Image.BILINEAR))
        for image in few_digits.images
    ]
    one = each(free[0], free[1], few_digits.images)
    other = each(second, preprocessing_of(48, per_pixel=True), large)
    expected = (one + other) / 2
    of_true = expected[np.arange(30), few_digits.labels]
    assert found.measurement.loss == pytest.approx(-np.log(of_true).mean(), rel=1e-3)
    right = expected.argmax(axis=1) == few_digits.labels
    assert found.measurement.top1_error == pytest.approx(100 * (1 - right.mean()))


def test_an_ensemble_knows_one_set_of_classes(free, tmp_path):
    other = described(32, names=NAMES[::-1])
    save_keras_file(network((None, None)), tmp_path / "other.keras", other)
    with pytest.raises(UserError, match="answer with different classes"):
        evaluate_ensemble([free[2], tmp_path / "other.keras"], None, None)


def test_the_command_prints_each_member_and_the_ensemble(free, few_digits, capsys, tmp_path):
    figure = ["--confusion", str(tmp_path / "c.png")]
    paths = [str(free[2]), str(free[3] / "free.keras")]
    views = ["--views", "10crop"]
    assert command("evaluate", [*figure, *views, "--json", "--ensemble", *paths], "evaluate") == 0
    found = json.loads(capsys.readouterr().out)
    assert [member["path"] for member in found["members"]] == paths
    assert found["views"] == "10crop" and found["examples"] == 30
    # Two copies of one network agree with themselves.
    assert found["top1_error"] == found["members"][0]["top1_error"]
    assert command("evaluate", [*figure, paths[0], "--ensemble", paths[1]], "evaluate") == 0
    printed = capsys.readouterr().out
    assert printed.count("top-1 error") == 4 and "ensemble of 2 on digits" in printed
    assert command("evaluate", ["--ensemble", paths[0]], "evaluate") == 2
    assert "two or more" in capsys.readouterr().err


def test_the_error_is_recorded_in_the_savedmodels_card(free, few_digits, capsys, tmp_path):
    figure = ["--confusion", str(tmp_path / "c.png")]
    version = str(free[2])
    assert command("evaluate", [*figure, version, "--record", "--json"], "evaluate") == 0
    found = json.loads(capsys.readouterr().out)
    card = open_predictor(version).description.card
    assert card["test_error"]["top1_percent"] == pytest.approx(found["top1_error"], abs=1e-4)
    assert card["test_error"]["examples"] == 30
    for flags in (["--views", "10crop"], ["--ensemble", version]):
        assert command("evaluate", [*figure, version, "--record", *flags], "evaluate") == 2
    # A .keras file has no card of its own to be changed.
    file = str(free[3] / "free.keras")
    assert command("evaluate", [*figure, file, "--record"], "evaluate") == 1
    capsys.readouterr()


def test_an_export_says_how_to_measure_it(free, few_digits, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("export", [str(free[3] / "free.keras"), "--name", "again"], "export") == 0
    said = capsys.readouterr()
    version = said.out.strip()
    assert open_predictor(version).description.card["test_error"] is None
    measure = re.search(r"python evaluate\.py (.+ --record)", said.err).group(1)
    assert command("evaluate", shlex.split(measure), "evaluate") == 0
    assert open_predictor(version).description.card["test_error"]["examples"] == 30
