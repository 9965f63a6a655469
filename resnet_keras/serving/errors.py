"""What can go wrong between a client and a server, by what to do about it."""

import re

from resnet_keras.errors import UserError


class Unavailable(UserError):
    """No server answers, or it says that it cannot now: worth another try, a little later."""


class TooSlow(UserError):
    """The server did not answer in time. Another try would only add to its work."""


class WrongModel(UserError):
    """The server is there, but not this model, version, label or signature: nothing will help."""


class WrongServer(UserError):
    """What answers there is no TensorFlow Serving, or not one to be trusted."""


class Refused(UserError):
    """The server refuses this very request: an image is bad, or has the wrong size."""


def plain_message(told: str) -> str:
    """Returns what the graph itself said in a server's message, without TensorFlow's frame."""
    found = re.search(r"assertion failed: \[(.*?)\]\s*(\n|\[\[|$)", told, re.DOTALL)
    return " ".join((found[1] if found else told).split())


def is_wrong_model(told: str) -> bool:
    """Returns whether a server's message says that a model lacks what was asked for: the
    signature, or the label."""
    told = told.lower()
    signature = "signature" in told and ("not found" in told or "not match" in told)
    return signature or "version label" in told
