"""What can go wrong between a client and a server, classified by what to do about it.

`load-test --json` prints the names of these classes, so they must not change.
"""

import re

from resnet_keras.errors import UserError


class Unavailable(UserError):
    """No server answers, or it is busy. Trying again a little later may succeed."""


class TooSlow(UserError):
    """The server did not answer in time. Trying again would only increase its load."""


class WrongModel(UserError):
    """The server does not have the model, version, label or signature. Trying again is useless."""


class WrongServer(UserError):
    """The server is not TensorFlow Serving, does not serve such a model, or is not trusted."""


class Refused(UserError):
    """The server rejects this request, for example because an image is damaged or too large."""


def plain_message(message: str) -> str:
    """Returns the message of an assertion in the graph, without what TensorFlow adds to it.

    Args:
        message: the error message of a server, or of a TensorFlow exception.

    Returns:
        The message on one line.

    Example:

    >>> plain_message("assertion failed: [image_bytes[0] is empty]\\n [[{{node Assert}}]]")
    'image_bytes[0] is empty'
    """
    found = re.search(r"assertion failed: \[(.*?)\]\s*(\n|\[\[|$)", message, re.DOTALL)
    return " ".join((found[1] if found else message).split())


def is_wrong_model(message: str) -> bool:
    """Returns whether a server's error message means that a signature or label does not exist.

    Args:
        message: the message of TensorFlow Serving.

    Example:

    >>> is_wrong_model('Serving signature key "classify_bytes" not found.')
    True
    """
    message = message.lower()
    signature = "signature" in message and ("not found" in message or "not match" in message)
    return signature or "version label" in message
