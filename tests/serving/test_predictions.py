"""Messages and predictions, compared with the original definitions of TensorFlow Serving."""

import subprocess
import sys

import numpy as np
import pytest

from resnet_keras.serving import messages
from resnet_keras.serving.errors import WrongServer
from resnet_keras.serving.predictions import (
    Pixels,
    predictions_from_json,
    predictions_from_tensors,
    tensor_from_inputs,
)

ORIGINALS = {
    "ModelSpec": "tensorflow.serving.ModelSpec",
    "PredictRequest": "tensorflow.serving.PredictRequest",
    "PredictResponse": "tensorflow.serving.PredictResponse",
    "Tensor": "tensorflow.TensorProto",
    "TensorShape": "tensorflow.TensorShapeProto",
    "Dim": "tensorflow.TensorShapeProto.Dim",
    "Version": "google.protobuf.Int64Value",
}


@pytest.mark.parametrize("ours, theirs", ORIGINALS.items())
def test_fields_are_those_of_the_originals(ours, theirs):
    from google.protobuf import descriptor_pool

    # The import adds the messages to the pool.
    pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    original = descriptor_pool.Default().FindMessageTypeByName(theirs).fields_by_name
    for name, (number, kind, repeated) in messages.MESSAGES[ours].items():
        field = original[name]
        assert field.number == number and field.is_repeated == repeated
        if isinstance(kind, str):
            assert field.type == field.TYPE_MESSAGE
        elif name == "dtype":
            assert field.type == field.TYPE_ENUM
        else:
            assert field.type == kind


def test_the_original_parses_our_requests():
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
    ours = messages.PredictRequest()
    ours.model_spec.name, ours.model_spec.version.value = "net", 7
    ours.inputs.add(key="images", value=tensor_from_inputs(Pixels(images.tobytes(), images.shape)))
    ours.inputs.add(key="image_bytes", value=tensor_from_inputs([b"a", b"\xff\0"]))
    theirs = predict_pb2.PredictRequest.FromString(ours.SerializeToString())
    assert theirs.model_spec.version.value == 7
    np.testing.assert_array_equal(tf.make_ndarray(theirs.inputs["images"]), images)
    assert tf.make_ndarray(theirs.inputs["image_bytes"]).tolist() == [b"a", b"\xff\0"]
    assert tf.as_dtype(theirs.inputs["image_bytes"].dtype) == tf.string


@pytest.mark.parametrize("values", [[[0.75, 0.25], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]])
def test_responses_of_the_original_are_parsed(values):
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    response = predict_pb2.PredictResponse()
    names = [["cat", "dog"], ["dog", "cat"]]
    response.outputs["top_classes"].CopyFrom(tf.make_tensor_proto(names))
    response.outputs["top_probabilities"].CopyFrom(tf.make_tensor_proto(values, tf.float32))
    ours = messages.PredictResponse.FromString(response.SerializeToString())
    outputs = {pair.key: pair.value for pair in ours.outputs}
    found = predictions_from_tensors(outputs, 2)
    assert [list(prediction.top) for prediction in found] == [
        list(zip(*row, strict=True)) for row in zip(names, values, strict=True)
    ]
    for count in (1, 3):
        with pytest.raises(WrongServer):
            predictions_from_tensors(outputs, count)
    with pytest.raises(WrongServer, match="not exported by this program"):
        predictions_from_tensors({}, 2)


@pytest.mark.parametrize(
    "rows", [None, [1], [{}], [{"top_classes": ["a"], "top_probabilities": []}], []]
)
def test_unexpected_json(rows):
    with pytest.raises(WrongServer):
        predictions_from_json(rows, 1)


def outputs_of(shape, names, numbers):
    outputs = {}
    for key, filled in (("top_classes", "string_val"), ("top_probabilities", "float_val")):
        outputs[key] = messages.Tensor()
        getattr(outputs[key], filled).extend(names if filled == "string_val" else numbers)
        for size in shape:
            outputs[key].tensor_shape.dim.add(size=size)
    return outputs


@pytest.mark.parametrize("k", [0, -1, 6, 2**50])
def test_a_small_message_that_claims_many_classes_is_rejected(k):
    assert (
        predictions_from_tensors(outputs_of((1, 5), [b"a"], [0.5]), 1)[0].top == (("a", 0.5),) * 5
    )
    with pytest.raises(WrongServer, match="shape"):
        predictions_from_tensors(outputs_of((1, k), [b"a"], [0.5]), 1)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_probabilities_that_are_not_finite_are_rejected(number):
    with pytest.raises(WrongServer, match="not finite"):
        predictions_from_tensors(outputs_of((1, 2), [b"a", b"b"], [0.5, number]), 1)
    with pytest.raises(WrongServer, match="not finite"):
        predictions_from_json([{"top_classes": ["a", "b"], "top_probabilities": [0.5, number]}], 1)


@pytest.mark.parametrize("k", [0, 6])
def test_json_with_too_few_or_too_many_classes(k):
    with pytest.raises(WrongServer, match=f"{k} classes"):
        predictions_from_json([{"top_classes": ["a"] * k, "top_probabilities": [0.1] * k}], 1)


def test_the_client_imports_no_tensorflow():
    code = (
        "import sys, resnet_keras.cli.predict, resnet_keras.cli.load_test, "
        "resnet_keras.serving.grpc_client, resnet_keras.serving.load_test\n"
        "heavy = {'tensorflow', 'keras', 'tensorflow_serving', 'jax', 'numpy', 'pandas'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
