"""Many images through a connection: batches, and an answer or a reason for each."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.serving.address import Address
from resnet_keras.serving.connection import Connection
from resnet_keras.serving.errors import Refused, TooSlow, Unavailable
from resnet_keras.serving.predictions import Answer
from resnet_keras.serving.rest_client import RestConnection

# A file or a batch with more bytes than this is not sent.
MAX_FILE = 128 * 2**20
MAX_BATCH = 32 * 2**20
# A server this often too slow in a row is taken for dead.
SLOW_IN_A_ROW = 3
# How the reasons of those images begin that were never asked about.
NOT_ANSWERED = "not answered: "


@dataclass
class Outcome:
    """What became of a list of images.

    Attributes:
        answers: by place in the list.
        reasons: why there is no answer, by place in the list.
        ended_by: what ended it before all had been asked; `None` if nothing did.
        interrupted: whether that was Ctrl-C.
    """

    answers: dict[int, Answer] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    ended_by: UserError | None = None
    interrupted: bool = False


def classify(
    predict: Callable[[list[bytes]], list[Answer]], paths: list[Path], batch_size: int
) -> Outcome:
    """Asks about the images in files, and ends with the answers it could get.

    Args:
        predict: takes encoded images, returns an answer each, or raises a `problems`.
        paths: of the files.
        batch_size: how many images go into one request.
    """
    outcome = Outcome()
    try:
        _classify(predict, paths, batch_size, outcome)
    except KeyboardInterrupt:
        outcome.interrupted, outcome.ended_by = True, UserError("interrupted")
    if outcome.ended_by is not None:
        for index in range(len(paths)):
            if index not in outcome.answers:
                outcome.reasons.setdefault(index, f"{NOT_ANSWERED}{outcome.ended_by}")
    return outcome


def _classify(predict, paths, batch_size, outcome):
    slow = 0
    for indices, images in _batches(paths, batch_size, outcome):
        try:
            _ask(predict, indices, images, outcome)
            slow = 0
        except TooSlow as error:
            outcome.reasons.update((i, str(error)) for i in indices if i not in outcome.answers)
            slow += 1
            if slow < SLOW_IN_A_ROW:
                continue
            outcome.ended_by = error
            break
        except UserError as error:
            outcome.ended_by = error
            break


def _ask(predict, indices, images, outcome):
    """Sends a batch; if it is refused, each image by itself, so that a bad one stands alone."""
    try:
        outcome.answers.update(zip(indices, predict(images), strict=True))
    except Refused as error:
        if len(images) == 1:
            outcome.reasons[indices[0]] = str(error).replace("image_bytes[0]", "the image")
            return
        for index, image in zip(indices, images, strict=True):
            _ask(predict, [index], [image], outcome)


def _batches(paths, batch_size, outcome) -> Iterator[tuple[list[int], list[bytes]]]:
    """Reads the files as they are needed; what cannot be read goes to `outcome.reasons`."""
    indices, images = [], []
    for index, path in enumerate(paths):
        try:
            image = _read(path)
        except UserError as error:
            outcome.reasons[index] = str(error)
            continue
        too_long = sum(map(len, images)) + len(image) > MAX_BATCH
        if images and (len(images) == batch_size or too_long):
            yield indices, images
            indices, images = [], []
        indices.append(index)
        images.append(image)
    if images:
        yield indices, images


def _read(path):
    try:
        if path.is_dir():
            raise UserError("a folder, no image")
        if not path.is_file() and path.exists():
            raise UserError("no regular file")
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror or error}") from error
    if not data:
        raise UserError("the file is empty")
    if len(data) > MAX_FILE:
        raise UserError(f"larger than {MAX_FILE >> 20} MiB")
    return data


FIRST_WAIT = 0.2
LONGEST_WAIT = 5.0


def connect(address: Address, timeout: float, ca_file: str | None = None) -> Connection:
    """Returns a connection by REST or gRPC.

    Args:
        address: of the model.
        timeout: seconds for a request.
        ca_file: whom to trust, PEM, where TLS is spoken.

    Raises:
        UserError: if `ca_file` cannot be read.
    """
    if address.rpc:
        # gRPC takes a third of a second to import.
        from resnet_keras.serving.grpc_client import RpcConnection

        return RpcConnection(address, timeout, ca_file)
    return RestConnection(address, timeout, ca_file)


def retrying(
    predict: Callable, retries: int, sleep: Callable[[float], None] = time.sleep
) -> Callable[[object], list[Answer]]:
    """Returns `predict`, tried again where the server is unavailable.

    It waits about 0.2 s, then twice as long each time, 5 s at most, a random part of it so that
    many clients do not come back at once.

    Args:
        predict: raises `Unavailable`, or whatever else at once.
        retries: how often to try again.
        sleep: waits seconds.
    """

    def attempt(inputs):
        for tries in range(retries + 1):
            try:
                return predict(inputs)
            except Unavailable:
                if tries == retries:
                    raise
                wait = min(LONGEST_WAIT, FIRST_WAIT * 2**tries)
                sleep(wait * random.uniform(0.75, 1.25))
        raise AssertionError("unreachable")

    return attempt
