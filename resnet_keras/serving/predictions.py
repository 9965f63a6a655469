"""Requests and their inputs and outputs, as plain Python."""

import array
import math
import struct
import sys
import zlib
from dataclasses import dataclass

from resnet_keras.serving import messages
from resnet_keras.serving.errors import WrongServer

# Classes in an answer, at most.
TOP = 5


@dataclass(frozen=True)
class Pixels:
    """Raw images.

    Attributes:
        data: uint8, `(N, H, W, 3)` in that order.
        shape: those four.
    """

    data: bytes
    shape: tuple[int, int, int, int]


@dataclass(frozen=True)
class Answer:
    """What a network says of one image.

    Attributes:
        top: class name and probability of the best, best first; one to `TOP`.
    """

    top: tuple[tuple[str, float], ...]


def signature_of(inputs: list[bytes] | Pixels) -> tuple[str, str]:
    """Returns the signature that takes these inputs, and its input's name."""
    if isinstance(inputs, Pixels):
        return "serving_default", "images"
    return "classify_bytes", "image_bytes"


def count_of(inputs: list[bytes] | Pixels) -> int:
    """Returns the number of images."""
    return inputs.shape[0] if isinstance(inputs, Pixels) else len(inputs)


def to_message(inputs: list[bytes] | Pixels) -> object:
    """Returns inputs as a `TensorProto`."""
    if isinstance(inputs, Pixels):
        tensor = messages.Tensor(dtype=messages.DT_UINT8, tensor_content=inputs.data)
        shape = inputs.shape
    else:
        tensor = messages.Tensor(dtype=messages.DT_STRING, string_val=inputs)
        shape = (len(inputs),)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def from_messages(outputs: dict, count: int) -> list[Answer]:
    """Returns the answers in the outputs of `Predict`, by name.

    Raises:
        WrongServer: if they are not those of our signatures.
    """
    try:
        classes, found = outputs["top_classes"], outputs["top_probabilities"]
    except KeyError as error:
        raise WrongServer(f"this model has no output {error}: no export of this program") from error
    sizes = [dim.size for dim in found.tensor_shape.dim]
    k = sizes[-1] if sizes else 0
    # Before anything is made of that size: a few bytes can claim any.
    if sizes != [count, k] or not 1 <= k <= TOP:
        raise WrongServer(
            f"the server answered {count} images with outputs of the shape {sizes}, not "
            f"[{count}, 1 to {TOP}]"
        )
    names = [name.decode("utf-8", "replace") for name in classes.string_val]
    numbers = list(found.float_val) or _floats(found.tensor_content)
    # A message may leave out what repeats to the end.
    for values in (names, numbers):
        if 0 < len(values) < count * k:
            values.extend(values[-1:] * (count * k - len(values)))
    if len(names) != count * k or len(numbers) != count * k:
        raise WrongServer(
            f"the server answered {count} images with outputs of the shape {sizes}, "
            f"{len(names)} class names and {len(numbers)} probabilities"
        )
    rows = [slice(i * k, i * k + k) for i in range(count)]
    return _checked([tuple(zip(names[row], numbers[row], strict=True)) for row in rows])


def from_json(predictions: object, count: int) -> list[Answer]:
    """Returns the answers in REST's `predictions`.

    Raises:
        WrongServer: if they are not those of our signatures.
    """
    try:
        tops = [
            tuple(
                (_text(name), float(number))
                for name, number in zip(row["top_classes"], row["top_probabilities"], strict=True)
            )
            for row in predictions
        ]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WrongServer(
            f"this model's outputs are not those of an export of this program ({error!r})"
        ) from error
    if len(tops) != count:
        raise WrongServer(f"the server answered {count} images with {len(tops)} predictions")
    return _checked(tops)


def _checked(tops):
    """Returns an `Answer` of each, or refuses what our signatures never answer."""
    for top in tops:
        if not 1 <= len(top) <= TOP:
            raise WrongServer(
                f"the server answered with {len(top)} classes an image; they are 1 to {TOP}"
            )
        if not all(math.isfinite(probability) for _, probability in top):
            raise WrongServer(
                "the server answered with probabilities that are no numbers: its network is "
                f"ruined. Received: {', '.join(f'{probability:g}' for _, probability in top)}"
            )
    return [Answer(top) for top in tops]


def _text(name):
    # JSON can spell halves of characters, which nothing could print.
    return str(name).encode("utf-8", "replace").decode("utf-8")


def _floats(content):
    values = array.array("f", content[: math.floor(len(content) / 4) * 4])
    if sys.byteorder == "big":
        values.byteswap()
    return list(values)


def sample_image(height: int, width: int) -> bytes:
    """Returns a PNG, 8-bit RGB, of smooth colours."""
    rows = b"".join(
        b"\0" + bytes(c for x in range(width) for c in (x * 255 // width, y * 255 // height, 96))
        for y in range(height)
    )
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
