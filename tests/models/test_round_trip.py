"""Save, load, export, reload: the same probabilities all the way."""

import io
import json
import shutil
import zipfile
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from resnet_keras.artefact import Description
from resnet_keras.errors import UserError
from resnet_keras.evaluation.predictors import model_probabilities, open_predictor
from resnet_keras.export.saved_model import export, export_file, next_version
from resnet_keras.models.build import build
from resnet_keras.models.keras_description import read_description
from resnet_keras.models.keras_file import load_keras_file, save_keras_file
from resnet_keras.preprocessing import Preprocessing

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
CLASSES = ("zero", "one", "zwei", "trois", "quattro", "fünf", "six")


def images_of(count, height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def png(image):
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


def preprocessing_of(side, classes=CLASSES):
    mean = np.random.default_rng(5).uniform(100, 150, (side, side, 3))
    return Preprocessing((side, side), "stretch", 1.0, mean, (60.0, 61.0, 62.0), classes)


def shaken(model):
    """The model with every weight away from where it starts, moving averages too."""
    rng = np.random.default_rng(7)
    shape = (4, *(side or 8 for side in model.input_shape[1:3]), 3)
    for variable in model.trainable_variables:
        value = variable.numpy() * rng.uniform(0.7, 1.3, variable.shape)
        variable.assign(value + rng.normal(0, 0.1, value.shape) * (value.ndim == 1))
    for _ in range(5):
        model(rng.normal(size=shape), training=True)
    # A deep residual network with random weights has logits in the hundreds, whose last digits
    # a softmax makes much of. A trained one's are of this size.
    spread = float(np.std(model(rng.normal(size=shape), training=False)))
    kernel = model.get_layer("logits").kernel
    kernel.assign(kernel * (2.0 / spread))
    return model


def softmax(logits):
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def travel(folder, arch, option, projection, side):
    """Everything one network goes through, and what it answered on the way."""
    model = build(
        arch, option, classes=len(CLASSES), input_shape=(side, side, 3), projection=projection
    )
    shaken(model)
    preprocessing = preprocessing_of(side)
    name = f"{arch}-{option}-{projection}"
    description = Description(preprocessing, {"name": name, "dataset": "made-up", "arch": arch})
    path = folder / "model.keras"
    save_keras_file(model, path, description)
    loaded, read = load_keras_file(path)
    version = export_file(path, folder / "models")
    images = images_of(5, side, side)
    # Preprocessing by hand, in float64.
    inputs = (images.astype(np.float64) - preprocessing.mean) / preprocessing.std
    expected = softmax(np.asarray(model(inputs.astype(np.float32), training=False)))
    return SimpleNamespace(**locals())


@pytest.fixture(
    scope="module",
    params=[*TINY, *(pytest.param(case, marks=pytest.mark.slow) for case in MORE)],
    ids=lambda case: "-".join(map(str, case)),
)
def journey(request, tmp_path_factory):
    return travel(tmp_path_factory.mktemp("journey"), *request.param)


def test_keras_file_keeps_weights_and_description(journey):
    assert journey.read == journey.description
    for mine, theirs in zip(journey.model.variables, journey.loaded.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
    assert not journey.loaded.compiled


def test_saved_model_equals_keras_model(journey):
    predictor = open_predictor(journey.version)
    probabilities = predictor.probabilities(journey.images)
    np.testing.assert_allclose(probabilities, journey.expected, atol=1e-5)
    assert probabilities.dtype == np.float32
    # The random network does tell images apart.
    assert np.ptp(journey.expected, axis=0).max() > 1e-3
    assert predictor.description.preprocessing == journey.preprocessing
    for other in (
        open_predictor(journey.path).probabilities,
        open_predictor(journey.folder).probabilities,
        model_probabilities(journey.model, journey.preprocessing),
    ):
        np.testing.assert_allclose(other(journey.images), journey.expected, atol=1e-5)


def test_signatures(journey):
    signatures = tf.saved_model.load(str(journey.version)).signatures
    assert set(signatures) == {"serving_default", "classify_bytes"}
    raw = signatures["serving_default"](images=tf.constant(journey.images))
    encoded = signatures["classify_bytes"](
        image_bytes=tf.constant([png(image) for image in journey.images])
    )
    assert set(raw) == set(encoded) == {"probabilities", "top_classes", "top_probabilities"}
    for name in raw:
        np.testing.assert_array_equal(raw[name].numpy(), encoded[name].numpy())
    # The five best, best first, by name.
    order = np.argsort(-raw["probabilities"].numpy(), axis=1, kind="stable")[:, :5]
    names = np.array([name.encode() for name in CLASSES], object)
    np.testing.assert_array_equal(raw["top_classes"].numpy(), names[order])
    np.testing.assert_array_equal(
        raw["top_probabilities"].numpy(),
        np.take_along_axis(raw["probabilities"].numpy(), order, axis=1),
    )
    specs = signatures["serving_default"].structured_input_signature[1]
    side = journey.side
    assert specs["images"].dtype == tf.uint8
    assert specs["images"].shape.as_list() == [None, side, side, 3]
    assert signatures["classify_bytes"].structured_input_signature[1]["image_bytes"].shape.rank == 1


def test_members_of_the_keras_file(journey):
    with zipfile.ZipFile(journey.path) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
        values = json.loads(archive.read("resnet_keras.json"))
    assert set(names) >= {"config.json", "metadata.json", "model.weights.h5"}
    assert len(names) == len(set(names))
    assert values["card"]["arch"] == journey.arch
    assert sorted(path.name for path in journey.folder.iterdir()) == ["model.keras", "models"]


def test_layout_of_the_saved_model(journey):
    assert journey.version == journey.folder / "models" / journey.name / "1"
    extra = journey.version / "assets.extra"
    assert sorted(path.name for path in extra.iterdir()) == [
        "model_card.json",
        "preprocessing.json",
        "tf_serving_warmup_requests",
    ]
    card = json.loads((extra / "model_card.json").read_text("utf-8"))
    # The export may add how it was made, and changes nothing.
    assert {**card, **journey.description.card} == card


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """One small network's files."""
    return travel(tmp_path_factory.mktemp("saved"), *TINY[0])


def test_other_sizes_are_resized_in_the_graph(saved):
    from resnet_keras.data.transforms import resize

    photo = images_of(1, 13, 21)[0]
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
    version = export(model, Description(preprocessing_of(8, names)), tmp_path)
    answer = tf.saved_model.load(str(version)).signatures["serving_default"](
        images=tf.constant(images_of(2, 8, 8))
    )
    assert answer["top_classes"].shape == (2, min(5, classes))
    assert answer["probabilities"].shape == (2, classes)


def test_mixed_precision(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = shaken(build("resnet8", "A", classes=7, input_shape=(8, 8, 3)))
    keras.config.set_dtype_policy("float32")
    description = Description(preprocessing_of(8), {"name": "mixed"})
    save_keras_file(model, tmp_path / "m.keras", description)
    loaded, _ = load_keras_file(tmp_path / "m.keras")
    assert loaded.get_layer("conv1").compute_dtype == "bfloat16"
    images = images_of(4, 8, 8)
    expected = model_probabilities(model, description.preprocessing)(images)
    again = model_probabilities(loaded, description.preprocessing)(images)
    np.testing.assert_allclose(again, expected, atol=1e-6)
    # An export computes in float32 unless it is told otherwise: the same weights there.
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
    model = shaken(build("resnet8", "B", classes=7, input_shape=(None, None, 3)))
    made = Preprocessing((8, 8), "crop", 1 / 255, (0.4, 0.5, 0.6), (0.2, 0.2, 0.3), CLASSES, 10)
    version = export(model, Description(made), tmp_path)
    images = images_of(3, 11, 6)
    inputs = (images / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.2, 0.3]
    expected = softmax(np.asarray(model(inputs.astype(np.float32), training=False)))
    np.testing.assert_allclose(open_predictor(version).probabilities(images), expected, atol=1e-5)


def test_versions_count_up(saved, tmp_path):
    folder = tmp_path / "m"
    assert next_version(folder) == 1
    for name in ("1", "9", "10", "x", "11.tmp"):
        (folder / name).mkdir(parents=True)
    assert next_version(folder) == 11
    shutil.copytree(saved.version, folder / "11")
    assert open_predictor(folder).path == folder / "11"


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_truncated_keras_file(saved, tmp_path, keep):
    data = saved.path.read_bytes()
    path = tmp_path / "broken.keras"
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    for use in (load_keras_file, read_description, open_predictor):
        with pytest.raises(UserError, match=r"broken\.keras"):
            use(path)


def rewritten(source, target, change):
    """Copies a `.keras` file with its members changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)


@pytest.mark.parametrize(
    "member, data",
    [
        ("model.weights.h5", b"no weights"),
        ("model.weights.h5", None),
        ("config.json", b"{"),
        ("config.json", b"{}"),
        ("config.json", None),
        ("resnet_keras.json", b"{"),
        ("resnet_keras.json", b"[]"),
        ("resnet_keras.json", b'{"preprocessing": {"scale": 1}}'),
        ("resnet_keras.json", None),
    ],
)
def test_damaged_members(saved, tmp_path, member, data):
    path = tmp_path / "broken.keras"
    rewritten(saved.path, path, lambda name, old: data if name == member else old)
    with pytest.raises(UserError, match=r"broken\.keras"):
        load_keras_file(path)


@pytest.mark.parametrize("at", np.linspace(0.02, 0.98, 25))
def test_flipped_bytes_never_pass_silently(saved, tmp_path, at):
    data = bytearray(saved.path.read_bytes())
    data[int(at * len(data))] ^= 0x10
    path = tmp_path / "broken.keras"
    path.write_bytes(data)
    try:
        model, read = load_keras_file(path)
    except UserError:
        return
    # A byte that says nothing, such as a time stamp.
    assert read == saved.description
    for mine, theirs in zip(saved.model.variables, model.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_a_lambda_inside_is_refused(saved, tmp_path):
    inputs = keras.Input((8, 8, 3))
    outputs = keras.layers.Lambda(lambda x: x[:, 0, 0], output_shape=(3,))(inputs)
    path = tmp_path / "sly.keras"
    save_keras_file(keras.Model(inputs, outputs), path, saved.description)
    with pytest.raises(UserError, match=r"cannot load the network in .*sly\.keras"):
        load_keras_file(path)


def test_stock_keras_file_is_refused_by_name(tmp_path):
    path = tmp_path / "stock.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]).save(path)
    with pytest.raises(UserError, match=r"stock\.keras holds no preprocessing"):
        load_keras_file(path)


def test_missing_things_are_named(tmp_path):
    for path in (tmp_path / "none.keras", tmp_path / "none"):
        with pytest.raises(UserError, match="none"):
            open_predictor(path)
        with pytest.raises(UserError, match="none"):
            load_keras_file(path)
        with pytest.raises(UserError, match="none"):
            export_file(path, tmp_path)
    with pytest.raises(UserError, match="neither"):
        open_predictor(tmp_path)
    with pytest.raises(UserError, match=r"no model\.keras"):
        export_file(tmp_path, tmp_path)


@pytest.mark.parametrize(
    "name", ["saved_model.pb", "assets.extra/preprocessing.json", "assets.extra/model_card.json",
             "variables/variables.index", "variables/variables.data-00000-of-00001"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["missing", "half", "empty"])
def test_damaged_saved_model(saved, tmp_path, name, how):
    version = tmp_path / "m" / "1"
    shutil.copytree(saved.version, version)
    path = version / name
    data = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(data[: len(data) // 2 if how == "half" else 0])
    with pytest.raises(UserError, match=str(tmp_path)):
        open_predictor(tmp_path / "m")


@pytest.mark.parametrize("name", ["preprocessing.json", "model_card.json"])
@pytest.mark.parametrize("values", ["{}", "[]", "null", '{"scale": 1}'])
def test_saved_description_of_another_form(saved, tmp_path, name, values):
    shutil.copytree(saved.version, tmp_path / "1")
    (tmp_path / "1" / "assets.extra" / name).write_text(values)
    try:
        read = open_predictor(tmp_path / "1").description
    except UserError as error:
        assert str(tmp_path / "1") in str(error)
    else:
        # A card may be empty: all in it is optional.
        assert name == "model_card.json" and read.preprocessing == saved.preprocessing


def test_export_into_a_file_is_one_line(saved, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        export_file(saved.path, tmp_path / "file")


def test_saving_where_nothing_can_be_written_is_one_line(saved, tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*m\.keras"):
        save_keras_file(saved.model, tmp_path / "none" / "m.keras", saved.description)


def test_failed_save_leaves_the_old_file(saved, tmp_path, monkeypatch):
    path = tmp_path / "m.keras"
    shutil.copy(saved.path, path)
    old = path.read_bytes()
    bad = Description(saved.preprocessing, {"name": object()})
    with pytest.raises(TypeError):
        save_keras_file(saved.model, path, bad)
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.keras"]


def test_exported_under_another_name(tmp_path):
    model = build("resnet8", "A", classes=len(CLASSES), input_shape=(8, 8, 3))
    description = Description(preprocessing_of(8), {"name": "one", "arch": "resnet8"})
    save_keras_file(model, tmp_path / "m.keras", description)
    version = export_file(tmp_path / "m.keras", tmp_path / "models", name="another")
    assert version == tmp_path / "models/another/1"
    card = open_predictor(version).description.card
    assert (card["name"], card["arch"]) == ("another", "resnet8")
