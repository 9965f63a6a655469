"""The interpretation of error messages."""

import pytest

from resnet_keras.serving.errors import is_wrong_model, plain_message


def test_plain_message_of_an_assertion():
    message = (
        "x\nassertion failed: [image_bytes[0] is empty; image_bytes[2] is empty]\n\t [[{{node A}}]]"
    )
    assert plain_message(message) == "image_bytes[0] is empty; image_bytes[2] is empty"
    assert plain_message("assertion failed: [a [b] c]") == "a [b] c"
    assert plain_message("plain\n text") == "plain text"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('Serving signature key "x" not found.', True),
        ('Serving signature name: "x" not found in signature def', True),
        ("input size does not match signature: 1!=2", True),
        ("Unrecognized servable version label: x", True),
        ("images has the shape 1x8x32x3", False),
    ],
)
def test_is_wrong_model(message, expected):
    assert is_wrong_model(message) is expected
