"""Where the images lie in TFRecord files of `tf.train.Example`, found without reading them.

A TFRecord is its length, 8 bytes, a checksum of that, 4, its content, and a checksum, 4. The
content is a protocol buffer, in which every part says how long it is: what is not looked for is
passed over. So of a file of images a few pages each are read.
"""

import mmap
from collections.abc import Iterator

from resnet_keras.errors import UserError

_HEAD, _TAIL = 12, 4
# Numbers of fields, in the messages Example, Features, its entries, and Feature.
_FEATURES, _ENTRY, _KEY, _VALUE, _BYTES, _INTEGERS = 1, 1, 1, 2, 1, 3


def images_of(path: str) -> Iterator[tuple[int, int, int]]:
    """Yields, of each record of a file, where its image begins, how many bytes it has, and its
    label: of the features `image`, encoded bytes, and `label`.

    Raises:
        UserError: if the file cannot be read, is damaged, or a record has no such features.
    """
    try:
        with (
            open(path, "rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            if hasattr(mmap, "MADV_RANDOM"):
                # Otherwise whole images would be read ahead.
                view.madvise(mmap.MADV_RANDOM)
            for begin, end in _records(view):
                yield _image_and_label(view, begin, end)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    # An empty file cannot be mapped, an index lies behind the end, or `_Damaged`.
    except (ValueError, IndexError) as error:
        raise UserError(f"{path} is damaged or cut short: {error}") from error


class _Damaged(ValueError):
    """What is read makes no sense."""


def _records(view):
    at = 0
    while at < len(view):
        begin = at + _HEAD
        end = begin + int.from_bytes(view[at : at + 8], "little")
        at = end + _TAIL
        if at > len(view):
            raise _Damaged(f"the record at byte {begin - _HEAD} ends behind the end")
        yield begin, end


def _image_and_label(view, begin, end):
    image = label = None
    for entry in _inner(view, [(begin, end)], _FEATURES, _ENTRY):
        key = [view[slice(*part)] for part in _inner(view, [entry], _KEY)]
        if key == [b"image"]:
            image = list(_inner(view, [entry], _VALUE, _BYTES, 1))
        elif key == [b"label"]:
            label = list(_inner(view, [entry], _VALUE, _INTEGERS, 1))
    if not image or not label or len(image) != 1 or len(label) != 1:
        raise _Damaged(f"the record at byte {begin - _HEAD} has not one image and one label")
    (first, stop), value = image[0], _varint(view, label[0][0])[0]
    # Negative numbers are those of 64 bits.
    return first, stop - first, value - 2**64 if value >= 2**63 else value


def _inner(view, parts, *numbers):
    """Returns where the fields lie that are reached by `numbers`, one inside of the other."""
    for number in numbers:
        parts = [
            inner for part in parts for found, inner in _fields(view, *part) if found == number
        ]
    return parts


def _fields(view, at, end):
    """Yields the number of each field of a message and where its content lies."""
    while at < end:
        tag, at = _varint(view, at)
        kind, begin = tag & 7, at
        if kind == 0:
            at = _varint(view, at)[1]
        elif kind == 2:
            length, begin = _varint(view, at)
            at = begin + length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise _Damaged(f"a field of the unknown kind {kind} at byte {at}")
        if at > end:
            raise _Damaged(f"a field at byte {begin} ends behind its message")
        yield tag >> 3, (begin, at)


def _varint(view, at):
    """Returns the number at `at`, seven bits a byte, and the place behind it."""
    value = shift = 0
    while True:
        octet = view[at]
        value |= (octet & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if octet < 0x80:
            return value, at
        if shift > 63:
            raise _Damaged(f"a number without an end at byte {at}")
