"""The few protocol buffer messages of TensorFlow Serving that the client needs.

`tensorflow-serving-api` contains them all, but imports TensorFlow. A serialized message consists of
the numbers and types of its fields, which are public and do not change; a test compares them with
the original definitions. The messages are defined in a descriptor pool of their own, so that they
cannot collide with TensorFlow's.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PREDICT_METHOD = "/tensorflow.serving.PredictionService/Predict"
# Values of the enum `tensorflow.DataType`.
DT_FLOAT, DT_UINT8, DT_STRING = 1, 4, 7

_PACKAGE = "resnet_keras.serving"
_Field = descriptor_pb2.FieldDescriptorProto
_STRING, _BYTES = _Field.TYPE_STRING, _Field.TYPE_BYTES
_INT32, _INT64, _FLOAT, _BOOL = (
    _Field.TYPE_INT32, _Field.TYPE_INT64, _Field.TYPE_FLOAT, _Field.TYPE_BOOL,
)  # fmt: skip

# Message -> field -> (number, type, repeated). A type that is a string names another message.
# Fields that this program does not use are missing; parsers skip fields that they do not know.
MESSAGES: dict[str, dict[str, tuple[int, Any, bool]]] = {
    "Version": {"value": (1, _INT64, False)},
    "ModelSpec": {
        "name": (1, _STRING, False),
        "version": (2, "Version", False),
        "signature_name": (3, _STRING, False),
        "version_label": (4, _STRING, False),
    },
    "Dim": {"size": (1, _INT64, False)},
    "TensorShape": {"dim": (2, "Dim", True), "unknown_rank": (3, _BOOL, False)},
    "Tensor": {
        # An enum, which is serialized like an int32.
        "dtype": (1, _INT32, False),
        "tensor_shape": (2, "TensorShape", False),
        "tensor_content": (4, _BYTES, False),
        "float_val": (5, _FLOAT, True),
        "string_val": (8, _BYTES, True),
    },
    # A map is serialized as a list of such pairs.
    "NamedTensor": {"key": (1, _STRING, False), "value": (2, "Tensor", False)},
    "PredictRequest": {"model_spec": (1, "ModelSpec", False), "inputs": (2, "NamedTensor", True)},
    "PredictResponse": {"outputs": (1, "NamedTensor", True), "model_spec": (2, "ModelSpec", False)},
}


def _message_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(
        name="resnet_keras/serving.proto", package=_PACKAGE, syntax="proto3"
    )
    for message, fields in MESSAGES.items():
        descriptor = file.message_type.add(name=message)
        for name, (number, kind, repeated) in fields.items():
            field = descriptor.field.add(name=name, number=number)
            field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in MESSAGES
    }


_CLASSES = _message_classes()
PredictRequest = _CLASSES["PredictRequest"]
PredictResponse = _CLASSES["PredictResponse"]
Tensor = _CLASSES["Tensor"]
