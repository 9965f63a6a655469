"""The signatures of the SavedModel: operations, outputs, and errors for invalid inputs."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import kernels

from resnet_keras.data.transforms import decode, resize
from resnet_keras.evaluation.predictors import open_predictor
from resnet_keras.export.signatures import build_signatures
from resnet_keras.preprocessing import Preprocessing
from tests.data.test_image_headers import FILES, png_of
from tests.serving.double.harness import CLASSES, NAME, SIZE, encoded, models_dir, photo


@pytest.fixture(scope="module")
def version():
    return models_dir() / NAME / "2"


@pytest.fixture(scope="module")
def signatures(version):
    return tf.saved_model.load(str(version)).signatures


@pytest.fixture(scope="module")
def preprocessing(version):
    return open_predictor(version).description.preprocessing


def nodes(version):
    model = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    for meta in model.meta_graphs:
        yield from meta.graph_def.node
        for function in meta.graph_def.library.function:
            yield from function.node_def


def test_every_operation_is_stock_tensorflow_and_runs_on_a_cpu(version):
    names = {node.op for node in nodes(version)}
    assert len(names) > 30 and "Conv2D" in names
    for name in names:
        assert hasattr(tf.raw_ops, name), name
        assert "PyFunc" not in name
        registered = kernels.get_registered_kernels_for_op(name).kernel
        # The runtime itself calls functions.
        is_call = name in ("PartitionedCall", "StatefulPartitionedCall")
        assert is_call or any(k.device_type in ("CPU", "DEFAULT") for k in registered), name


def test_shapes_of_inputs_and_outputs(version):
    model = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    (graph,) = model.meta_graphs
    assert list(graph.meta_info_def.tags) == ["serve"]

    def shape(info):
        return [dim.size for dim in info.tensor_shape.dim]

    signatures = graph.signature_def
    assert shape(signatures["serving_default"].inputs["images"]) == [-1, *SIZE, 3]
    assert shape(signatures["classify_bytes"].inputs["image_bytes"]) == [-1]
    for name in ("serving_default", "classify_bytes"):
        outputs = signatures[name].outputs
        assert {key: shape(value) for key, value in outputs.items()} == {
            "probabilities": [-1, len(CLASSES)],
            "top_classes": [-1, 5],
            "top_probabilities": [-1, 5],
        }


def test_top_classes(signatures):
    images = np.stack([photo(*SIZE, seed=i) for i in range(3)])
    outputs = signatures["serving_default"](images=tf.constant(images))
    probabilities = outputs["probabilities"].numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    order = np.argsort(-probabilities, axis=1)[:, :5]
    assert [[name.decode() for name in row] for row in outputs["top_classes"].numpy()] == [
        [CLASSES[i] for i in row] for row in order
    ]
    np.testing.assert_array_equal(
        outputs["top_probabilities"], np.take_along_axis(probabilities, order, axis=1)
    )


@pytest.mark.parametrize("name", FILES)
def test_bytes_are_resized_as_in_evaluation(signatures, preprocessing, name):
    image = resize(decode(FILES[name]), preprocessing)
    expected = signatures["serving_default"](images=image[tf.newaxis])["probabilities"]
    outputs = signatures["classify_bytes"](image_bytes=tf.constant([FILES[name]]))
    np.testing.assert_array_equal(outputs["probabilities"], expected)


def test_outputs_are_in_the_order_of_the_inputs(signatures):
    files = [encoded(photo(30 + i, 20, seed=i)) for i in range(11)]
    together = signatures["classify_bytes"](image_bytes=tf.constant(files))["probabilities"]
    alone = [
        signatures["classify_bytes"](image_bytes=tf.constant([file]))["probabilities"][0]
        for file in files
    ]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_an_empty_batch_has_empty_outputs(signatures):
    for outputs in (
        signatures["classify_bytes"](image_bytes=tf.constant([], tf.string)),
        signatures["serving_default"](images=tf.zeros((0, *SIZE, 3), tf.uint8)),
    ):
        shapes = {key: tuple(value.shape) for key, value in outputs.items()}
        assert shapes == {
            "probabilities": (0, len(CLASSES)),
            "top_classes": (0, 5),
            "top_probabilities": (0, 5),
        }


def test_each_bad_image_is_named(signatures):
    good, jpeg = FILES["png"], FILES["jpeg"]
    batch = [good, b"text", good, jpeg[:300], b"", png_of(30_000, 2), good]
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        signatures["classify_bytes"](image_bytes=tf.constant(batch))
    assert (
        "image_bytes[1] is not a JPEG, PNG, GIF or BMP; image_bytes[3] is damaged or cut short; "
        "image_bytes[4] is empty; image_bytes[5] has 30000x2 pixels"
    ) in caught.value.message


def test_only_the_first_bad_images_are_named(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"image_bytes\[4\].* and 35 more"):
        signatures["classify_bytes"](image_bytes=tf.constant([b"x"] * 40))


@pytest.mark.parametrize("shape", [(2, 17, 16, 3), (2, 1, 1, 3), (16, 16, 3), (1, 16, 16, 1)])
def test_the_graph_refuses_images_of_a_wrong_shape(version, shape):
    from tensorflow.core.protobuf import config_pb2

    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(version))
        signature = meta.signature_def["serving_default"]
        options = config_pb2.CallableOptions()
        options.feed.append(signature.inputs["images"].name)
        options.fetch.append(signature.outputs["probabilities"].name)
        # A server feeds in the same way, without comparing shapes with the signature.
        call = session._make_callable_from_options(options)
        assert call(np.zeros((3, *SIZE, 3), np.uint8))[0].shape == (3, len(CLASSES))
        text = "x".join(map(str, shape))
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            call(np.zeros(shape, np.uint8))
        assert f"images has the shape {text}, but this network takes Nx16x16x3" in str(caught.value)
        with pytest.raises((tf.errors.InvalidArgumentError, ValueError)):
            call(np.zeros((1, *SIZE, 3), np.float32))


def test_a_mean_per_channel_allows_images_of_any_size():
    preprocessing = Preprocessing((8, 8), "crop", 1.0, (1, 2, 3), (1, 1, 1), ("a", "b"), 10)
    made = build_signatures(
        lambda images: tf.reduce_mean(images, (1, 2))[:, :2], preprocessing, (None, None)
    )
    default = made["serving_default"]
    assert default.inputs[0].shape.as_list() == [None, None, None, 3]
    for size in ((8, 8), (30, 9)):
        assert default(images=tf.zeros((2, *size, 3), tf.uint8))["top_classes"].shape == (2, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="NxHxWx3"):
        default(images=tf.zeros((2, 0, 9, 3), tf.uint8))
    assert made["classify_bytes"](image_bytes=tf.constant([FILES["jpeg"]]))[
        "probabilities"
    ].shape == (1, 2)


@pytest.mark.landing
def test_tensorflow_alone_computes_the_same_outputs(version, signatures, tmp_path):
    files = [FILES["jpeg"], FILES["png"]]
    np.save(tmp_path / "images.npy", np.stack([photo(*SIZE, seed=i) for i in range(2)]))
    for index, data in enumerate(files):
        (tmp_path / str(index)).write_bytes(data)
    code = f"""
import sys
sys.modules["keras"] = sys.modules["resnet_keras"] = None
import numpy as np, pathlib, tensorflow as tf
folder = pathlib.Path({str(tmp_path)!r})
loaded = tf.saved_model.load({str(version)!r}).signatures
images = loaded["serving_default"](images=tf.constant(np.load(folder / "images.npy")))
data = [(folder / str(i)).read_bytes() for i in range(2)]
encoded = loaded["classify_bytes"](image_bytes=tf.constant(data))
np.savez(folder / "out.npz", a=images["probabilities"], b=encoded["probabilities"])
assert not any(m.split(".")[0] in ("keras", "resnet_keras") and sys.modules[m] for m in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=300)
    outputs = np.load(tmp_path / "out.npz")
    images = tf.constant(np.load(tmp_path / "images.npy"))
    np.testing.assert_allclose(
        outputs["a"], signatures["serving_default"](images=images)["probabilities"], atol=1e-6
    )
    np.testing.assert_allclose(
        outputs["b"],
        signatures["classify_bytes"](image_bytes=tf.constant(files))["probabilities"],
        atol=1e-6,
    )
