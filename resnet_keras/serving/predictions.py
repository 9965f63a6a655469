"""The inputs of requests, and predictions from responses, without NumPy or TensorFlow."""

import array
import math
import struct
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resnet_keras.serving import messages
from resnet_keras.serving.errors import WrongServer

# An exported model returns at most so many classes per image.
TOP_K = 5


@dataclass(frozen=True)
class Pixels:
    """A batch of raw images.

    Attributes:
        data: uint8 values in the order of `shape`.
        shape: `(N, H, W, 3)`.

    Example:

    >>> Pixels(bytes(2 * 32 * 32 * 3), (2, 32, 32, 3)).shape
    (2, 32, 32, 3)
    """

    data: bytes
    shape: tuple[int, int, int, int]


# Encoded images (JPEG, PNG, GIF or BMP files), or raw images.
Inputs = list[bytes] | Pixels


@dataclass(frozen=True)
class Prediction:
    """The prediction for one image.

    Attributes:
        top: names and probabilities of the 1 to 5 most probable classes, the most probable first.

    Example:

    >>> Prediction((("cat", 0.75), ("dog", 0.25))).top[0]
    ('cat', 0.75)
    """

    top: tuple[tuple[str, float], ...]


def signature_of(inputs: Inputs) -> tuple[str, str]:
    """Returns the signature of an exported model that accepts the inputs.

    Args:
        inputs: one batch.

    Returns:
        The name of the signature, and the name of its input.

    Example:

    >>> signature_of([b"the bytes of a JPEG file"])
    ('classify_bytes', 'image_bytes')
    """
    if isinstance(inputs, Pixels):
        return "serving_default", "images"
    return "classify_bytes", "image_bytes"


def image_count(inputs: Inputs) -> int:
    """Returns the number of images in a batch.

    Args:
        inputs: one batch.

    Example:

    >>> image_count(Pixels(bytes(2 * 32 * 32 * 3), (2, 32, 32, 3)))
    2
    """
    return inputs.shape[0] if isinstance(inputs, Pixels) else len(inputs)


def tensor_from_inputs(inputs: Inputs) -> Any:
    """Converts a batch to a `TensorProto`.

    Args:
        inputs: one batch.

    Returns:
        A message of the class `messages.Tensor`: strings of shape `(N,)` or uint8 of shape
        `(N, H, W, 3)`.

    Example:

    >>> [dim.size for dim in tensor_from_inputs([b"image 1", b"image 2"]).tensor_shape.dim]
    [2]
    """
    shape: Sequence[int]
    if isinstance(inputs, Pixels):
        tensor = messages.Tensor(dtype=messages.DT_UINT8, tensor_content=inputs.data)
        shape = inputs.shape
    else:
        tensor = messages.Tensor(dtype=messages.DT_STRING, string_val=inputs)
        shape = (len(inputs),)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def predictions_from_tensors(outputs: Mapping[str, Any], count: int) -> list[Prediction]:
    """Converts the outputs of a gRPC response to predictions.

    Args:
        outputs: messages of the class `messages.Tensor` by name: `top_classes` (strings) and
            `top_probabilities` (float32), both of shape `(count, K)`.
        count: the number of images in the request.

    Raises:
        WrongServer: if these are not the outputs of an exported model.

    Example:

    >>> classes = messages.Tensor(string_val=[b"cat"])
    >>> probabilities = messages.Tensor(float_val=[0.75])
    >>> for size in (1, 1):
    ...     _ = probabilities.tensor_shape.dim.add(size=size)
    >>> outputs = {"top_classes": classes, "top_probabilities": probabilities}
    >>> predictions_from_tensors(outputs, count=1)
    [Prediction(top=(('cat', 0.75),))]
    """
    try:
        classes, probabilities = outputs["top_classes"], outputs["top_probabilities"]
    except KeyError as error:
        raise WrongServer(
            f"the model has no output {error}: it was not exported by this program"
        ) from error
    shape = [dim.size for dim in probabilities.tensor_shape.dim]
    k = shape[-1] if shape else 0
    # Check first: a message of a few bytes can claim any shape, and must not use that much memory.
    if shape != [count, k] or not 1 <= k <= TOP_K:
        raise WrongServer(
            f"the server answered {count} images with outputs of the shape {shape}, expected "
            f"[{count}, 1 to {TOP_K}]"
        )
    names = [name.decode("utf-8", "replace") for name in classes.string_val]
    values = list(probabilities.float_val) or _floats(probabilities.tensor_content)
    # A `TensorProto` may omit values at the end that repeat the last one.
    for row in (names, values):
        if 0 < len(row) < count * k:
            row.extend(row[-1:] * (count * k - len(row)))
    if len(names) != count * k or len(values) != count * k:
        raise WrongServer(
            f"the server answered {count} images with outputs of the shape {shape}, but "
            f"{len(names)} class names and {len(values)} probabilities"
        )
    rows = [slice(i * k, i * k + k) for i in range(count)]
    return _checked([tuple(zip(names[row], values[row], strict=True)) for row in rows])


def predictions_from_json(rows: Any, count: int) -> list[Prediction]:
    """Converts the `predictions` of a REST response.

    Args:
        rows: the JSON value, expected to be a list with one object per image.
        count: the number of images in the request.

    Raises:
        WrongServer: if these are not the outputs of an exported model.

    Example:

    >>> predictions_from_json([{"top_classes": ["cat"], "top_probabilities": [0.75]}], count=1)
    [Prediction(top=(('cat', 0.75),))]
    """
    try:
        tops = [
            tuple(
                (_printable(name), float(probability))
                for name, probability in zip(
                    row["top_classes"], row["top_probabilities"], strict=True
                )
            )
            for row in rows
        ]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WrongServer(
            f"the outputs are not those of a model exported by this program ({error!r})"
        ) from error
    if len(tops) != count:
        raise WrongServer(f"the server answered {count} images with {len(tops)} predictions")
    return _checked(tops)


def sample_image(height: int, width: int) -> bytes:
    """Returns a PNG file with smooth colors.

    Args:
        height: in pixels.
        width: in pixels.

    Returns:
        The bytes of the file, 8-bit RGB.

    Example:

    >>> sample_image(32, 32)[:4]
    b'\\x89PNG'
    """
    rows = b"".join(
        b"\0" + bytes(c for x in range(width) for c in (x * 255 // width, y * 255 // height, 96))
        for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _checked(tops: list[tuple[tuple[str, float], ...]]) -> list[Prediction]:
    """Converts to predictions; rejects what an exported model never returns."""
    for top in tops:
        if not 1 <= len(top) <= TOP_K:
            raise WrongServer(
                f"the server answered with {len(top)} classes per image, expected 1 to {TOP_K}"
            )
        if not all(math.isfinite(probability) for _, probability in top):
            raise WrongServer(
                "the server answered with probabilities that are not finite: the weights of its "
                "network are damaged. Received: "
                f"{', '.join(f'{probability:g}' for _, probability in top)}"
            )
    return [Prediction(top) for top in tops]


def _printable(name: object) -> str:
    # JSON can represent single surrogates, which cannot be encoded for printing.
    return str(name).encode("utf-8", "replace").decode("utf-8")


def _floats(content: bytes) -> list[float]:
    values = array.array("f", content[: math.floor(len(content) / 4) * 4])
    if sys.byteorder == "big":
        values.byteswap()
    return list(values)
