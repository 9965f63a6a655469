"""The official files of CIFAR-10 and CIFAR-100: their names and checksums, and safe unpickling."""

import io
import pickle
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from resnet_keras.errors import UserError


@dataclass(frozen=True)
class CifarFormat:
    """One of the official distributions of a data set.

    Attributes:
        dataset: the name on the command line.
        archive: the name of the official archive.
        folder: the folder inside the archive.
        train: the files with the training images, in order.
        test: the files with the test images.
        meta: the file with the class names.
        classes: the number of classes.
        label_key: the key of the labels in a pickled batch.
        names_key: the key of the class names in the pickled `meta` file.
        label_bytes: the number of bytes before each image in the binary version, the last of
            which is the label; 0 for the Python version.
        examples: the number of training images and of test images; `None` accepts any number.
        md5: the MD5 of each file by its name, in hexadecimal. Files without one are not checked.
        sha256: the SHA-256 of each decoded array, see `resnet_keras.data.cifar.verify_sha256`.

    Example:

    >>> [cifar_format.archive for cifar_format in FORMATS if cifar_format.dataset == "cifar100"]
    ['cifar-100-python.tar.gz', 'cifar-100-binary.tar.gz']
    """

    dataset: str
    archive: str
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    meta: str
    classes: int
    label_key: bytes = b""
    names_key: bytes = b""
    label_bytes: int = 0
    examples: tuple[int, int] | None = None
    md5: Mapping[str, str] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all files."""
        return (*self.train, *self.test, self.meta)


# The same for the Python version, the binary version and TensorFlow Datasets.
_CIFAR10_SHA256 = {
    "train images": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
    "test images": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
    "train labels": "1431253c7e60f5a2b7e2531aeca20b26a5e5951dcc4977b9c457ebfc43aedb75",
    "test labels": "46759f9470c7bc483fc69c725b42c97033013de7690e19b600cf30381a76b9e5",
}

_CIFAR10_PYTHON = CifarFormat(
    dataset="cifar10",
    archive="cifar-10-python.tar.gz",
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{i}" for i in range(1, 6)),
    test=("test_batch",),
    meta="batches.meta",
    classes=10,
    label_key=b"labels",
    names_key=b"label_names",
    examples=(50_000, 10_000),
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    sha256=_CIFAR10_SHA256,
)

_CIFAR10_BINARY = CifarFormat(
    dataset="cifar10",
    archive="cifar-10-binary.tar.gz",
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test=("test_batch.bin",),
    meta="batches.meta.txt",
    classes=10,
    label_bytes=1,
    examples=(50_000, 10_000),
    md5={
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    },
    sha256=_CIFAR10_SHA256,
)

_CIFAR100_PYTHON = CifarFormat(
    dataset="cifar100",
    archive="cifar-100-python.tar.gz",
    folder="cifar-100-python",
    train=("train",),
    test=("test",),
    meta="meta",
    classes=100,
    label_key=b"fine_labels",
    names_key=b"fine_label_names",
    examples=(50_000, 10_000),
    md5={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
)

_CIFAR100_BINARY = CifarFormat(
    dataset="cifar100",
    archive="cifar-100-binary.tar.gz",
    folder="cifar-100-binary",
    train=("train.bin",),
    test=("test.bin",),
    meta="fine_label_names.txt",
    classes=100,
    label_bytes=2,  # the coarse label, then the fine one
    examples=(50_000, 10_000),
)

# The formats of a data set are in order of preference.
FORMATS = (_CIFAR10_PYTHON, _CIFAR10_BINARY, _CIFAR100_PYTHON, _CIFAR100_BINARY)
SHA256 = {"cifar10": _CIFAR10_SHA256}

# The opcodes with which pickle protocols 2 to 4 write dicts, lists, strings, integers and arrays.
_OPCODES = (
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE GLOBAL STACK_GLOBAL REDUCE BUILD "
    "BININT BININT1 BININT2 LONG1 BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES "
    "BINUNICODE SHORT_BINUNICODE EMPTY_DICT SETITEM SETITEMS EMPTY_LIST APPEND APPENDS "
    "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 BINGET LONG_BINGET BINPUT LONG_BINPUT MEMOIZE"
)
# An array takes ten tuples. Without a limit, a million nested tuples overflow the stack.
_MAX_TUPLES = 64


def unpickle(data: bytes, source: str) -> dict:
    """Reads one of CIFAR's pickled files without executing anything in it.

    The result is that of `pickle.loads(data, encoding="bytes")`, except that the arrays are
    read-only.

    Args:
        data: the content of the file.
        source: identifies the file in error messages.

    Returns:
        A dict. Its keys are bytes, or str if Python 3 pickled a str. Its values are ints, bytes,
        str, lists of these, and uint8 arrays.

    Raises:
        UserError: if the pickle is damaged or contains anything else.

    Example:

    >>> unpickle(pickle.dumps({b"labels": [6, 9]}, protocol=2), "data_batch_1")
    {b'labels': [6, 9]}
    """
    try:
        _check_opcodes(data)
        batch = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        if type(batch) is not dict:
            raise pickle.UnpicklingError(f"it contains a {type(batch).__name__}, not a dict")
        return {_checked_scalar(key): _checked_value(value) for key, value in batch.items()}
    # A malicious pickle can make the interpreter raise almost anything, even MemoryError.
    except Exception as error:
        raise UserError(
            f"{source}: not a CIFAR file that can be read safely "
            f"({type(error).__name__}: {str(error)[:200]}); download it again from "
            "https://www.cs.toronto.edu/~kriz/cifar.html"
        ) from error


class _ArrayPlaceholder:
    """Takes the place of an array; `state` is the argument of its `__setstate__`."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _DtypePlaceholder:
    """Takes the place of a dtype, of which only the code, such as `u1`, is needed.

    Its state, the byte order, does not matter to uint8.
    """

    def __init__(self, code: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        pass


class _GlobalPlaceholder:
    """Takes the place of a global. A pickle can call it where NumPy calls it, but not change it."""

    def __init__(self, function: Callable | None) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        if self._function is None:
            raise pickle.UnpicklingError("a pickle must not call this global")
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a pickle must not change a global")


def _encode(text: str, encoding: str | bytes) -> bytes:
    """Replaces `_codecs.encode`, with which Python 3 writes bytes in protocol 2."""
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


_GLOBALS: dict[tuple[str, str], Callable | None] = {
    ("numpy.core.multiarray", "_reconstruct"): lambda *arguments: _ArrayPlaceholder(),
    ("numpy._core.multiarray", "_reconstruct"): lambda *arguments: _ArrayPlaceholder(),
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): lambda code, *arguments: _DtypePlaceholder(code),
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _GlobalPlaceholder:
        if (module, name) not in _GLOBALS:
            raise pickle.UnpicklingError(
                f"it refers to {module}.{name}, which no CIFAR file refers to"
            )
        return _GlobalPlaceholder(_GLOBALS[module, name])


def _check_opcodes(data: bytes) -> None:
    allowed, tuples = set(_OPCODES.split()), 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name not in allowed:
            raise pickle.UnpicklingError(f"instruction {opcode.name}")
        # Picklers number their memo consecutively. Python allocates and clears the memo up to
        # the highest number, so a single instruction could otherwise allocate gigabytes.
        if opcode.name in ("BINPUT", "LONG_BINPUT"):
            assert argument is not None
            if argument > count:
                raise pickle.UnpicklingError(f"memo number {argument} in instruction {count}")
        tuples += opcode.name.startswith("TUPLE")
        if tuples > _MAX_TUPLES:
            raise pickle.UnpicklingError(f"more than {_MAX_TUPLES} tuples")


def _checked_value(value: Any) -> int | bytes | str | list | np.ndarray:
    if type(value) is _ArrayPlaceholder:
        return _to_array(value)
    if type(value) is list:
        return [_checked_scalar(item) for item in value]
    return _checked_scalar(value)


def _checked_scalar(value: Any) -> int | bytes | str:
    if type(value) not in (int, bytes, str):
        raise pickle.UnpicklingError(
            f"a value of type {type(value).__name__.lstrip('_')} where an int or a string is "
            "expected"
        )
    return value


def _to_array(placeholder: _ArrayPlaceholder) -> np.ndarray:
    _, shape, dtype, is_fortran, content = placeholder.state
    if type(dtype) is not _DtypePlaceholder or dtype.code not in ("u1", b"u1"):
        code = getattr(dtype, "code", dtype)
        raise pickle.UnpicklingError(f"an array of dtype {code!r}; CIFAR's are uint8 (u1)")
    if type(content) is not bytes or any(type(side) is not int or side < 0 for side in shape):
        raise pickle.UnpicklingError("an array whose content is not bytes")
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if is_fortran else "C")
