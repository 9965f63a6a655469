"""Classifies many image files over one connection: batches, retries, and an error per file."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.serving.address import Address
from resnet_keras.serving.connection import Connection
from resnet_keras.serving.errors import Refused, TooSlow, Unavailable
from resnet_keras.serving.predictions import Inputs, Prediction
from resnet_keras.serving.rest_client import RestConnection

# Larger files and larger batches are not sent, in bytes.
MAX_FILE = 128 * 2**20
MAX_BATCH = 32 * 2**20
# After so many timeouts in a row, no further batch is sent.
MAX_TIMEOUTS = 3
# The errors of images that were never sent start with this.
NOT_CLASSIFIED = "not classified: "

# Seconds before the first retry, and the longest wait before a later one.
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0

Predict = Callable[[list[bytes]], list[Prediction]]


@dataclass
class ClassificationResult:
    """Predictions and errors for a list of files.

    Attributes:
        predictions: by position in the list.
        errors: why there is no prediction, by position in the list.
        aborted_by: the error after which no further image was sent; `None` if all were sent.
        interrupted: whether Ctrl-C ended it early.
    """

    predictions: dict[int, Prediction] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    aborted_by: UserError | None = None
    interrupted: bool = False


def classify_files(
    predict: Predict, paths: Sequence[Path], batch_size: int
) -> ClassificationResult:
    """Classifies image files.

    A damaged image, or a timeout, does not affect the other images. If the server goes away, or
    the user presses Ctrl-C, the predictions so far are returned.

    Args:
        predict: classifies encoded images; raises the errors of `resnet_keras.serving.errors`.
        paths: the files.
        batch_size: the number of images per request.

    Returns:
        For every file a prediction or an error.

    Example:

    >>> _ = Path("a.png").write_bytes(b"image")
    >>> predict = lambda images: [Prediction((("cat", 0.75),)) for _ in images]
    >>> result = classify_files(predict, [Path("a.png"), Path("b.png")], batch_size=32)
    >>> result.predictions[0].top
    (('cat', 0.75),)
    >>> result.errors
    {1: 'cannot be read: No such file or directory'}
    """
    result = ClassificationResult()
    try:
        _classify_batches(predict, paths, batch_size, result)
    except KeyboardInterrupt:
        result.interrupted, result.aborted_by = True, UserError("interrupted")
    if result.aborted_by is not None:
        for index in range(len(paths)):
            if index not in result.predictions:
                result.errors.setdefault(index, f"{NOT_CLASSIFIED}{result.aborted_by}")
    return result


def connect(address: Address, timeout: float, ca_file: str | None = None) -> Connection:
    """Creates a connection by REST or gRPC. It connects with the first request.

    Args:
        address: the address of the model.
        timeout: seconds per request.
        ca_file: the trusted certificate authorities, a PEM file, if the address uses TLS.

    Raises:
        UserError: if `ca_file` cannot be read.

    Example:

    >>> from resnet_keras.serving.address import parse_url
    >>> connection = connect(parse_url("http://localhost/v1/models/resnet20-A"), timeout=5.0)
    >>> connection.close()
    """
    if address.is_grpc:
        # Importing gRPC takes a third of a second.
        from resnet_keras.serving.grpc_client import GrpcConnection

        return GrpcConnection(address, timeout, ca_file)
    return RestConnection(address, timeout, ca_file)


def with_retries(
    predict: Callable[[Inputs], list[Prediction]],
    retries: int,
    sleep: Callable[[float], None] = time.sleep,
) -> Callable[[Inputs], list[Prediction]]:
    """Returns a function that tries again while the server is unavailable.

    It waits about 0.2 s before the first retry and twice as long before each further one, at most
    5 s. Part of the wait is random, so that many clients do not return at the same moment.

    Args:
        predict: classifies one batch. Only `Unavailable` leads to a retry.
        retries: the number of retries.
        sleep: waits for a number of seconds.

    Returns:
        A function with the arguments and results of `predict`.

    Example:

    >>> responses = iter([Unavailable("busy"), [Prediction((("cat", 0.75),))]])
    >>> def predict(inputs):
    ...     response = next(responses)
    ...     if isinstance(response, Exception):
    ...         raise response
    ...     return response
    >>> with_retries(predict, retries=1)([b"image"])
    [Prediction(top=(('cat', 0.75),))]
    """

    def predict_with_retries(inputs: Inputs) -> list[Prediction]:
        for attempt in range(retries + 1):
            try:
                return predict(inputs)
            except Unavailable:
                if attempt == retries:
                    raise
                wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt)
                sleep(wait * random.uniform(0.75, 1.25))
        raise AssertionError("unreachable")

    return predict_with_retries


def _classify_batches(
    predict: Predict, paths: Sequence[Path], batch_size: int, result: ClassificationResult
) -> None:
    timeouts = 0
    for indices, images in _batches(paths, batch_size, result):
        try:
            _classify_batch(predict, indices, images, result)
            timeouts = 0
        except TooSlow as error:
            result.errors.update((i, str(error)) for i in indices if i not in result.predictions)
            timeouts += 1
            if timeouts < MAX_TIMEOUTS:
                continue
            result.aborted_by = error
            break
        except UserError as error:
            result.aborted_by = error
            break


def _classify_batch(
    predict: Predict, indices: list[int], images: list[bytes], result: ClassificationResult
) -> None:
    """Sends a batch; if it is rejected, sends its images one by one to find the bad ones."""
    try:
        result.predictions.update(zip(indices, predict(images), strict=True))
    except Refused as error:
        if len(images) == 1:
            result.errors[indices[0]] = str(error).replace("image_bytes[0]", "the image")
            return
        for index, image in zip(indices, images, strict=True):
            _classify_batch(predict, [index], [image], result)


def _batches(
    paths: Sequence[Path], batch_size: int, result: ClassificationResult
) -> Iterator[tuple[list[int], list[bytes]]]:
    """Reads the files when they are needed; adds those that cannot be read to `result.errors`."""
    indices: list[int] = []
    images: list[bytes] = []
    for index, path in enumerate(paths):
        try:
            image = _read(path)
        except UserError as error:
            result.errors[index] = str(error)
            continue
        too_large = sum(len(other) for other in images) + len(image) > MAX_BATCH
        if images and (len(images) == batch_size or too_large):
            yield indices, images
            indices, images = [], []
        indices.append(index)
        images.append(image)
    if images:
        yield indices, images


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise UserError("is a folder, not an image file")
        if not path.is_file() and path.exists():
            raise UserError("is not a regular file")
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror or error}") from error
    if not data:
        raise UserError("the file is empty")
    if len(data) > MAX_FILE:
        raise UserError(f"larger than {MAX_FILE >> 20} MiB")
    return data
