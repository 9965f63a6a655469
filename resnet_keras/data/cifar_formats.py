"""What CIFAR's official files are called, how large they are, and their checksums."""

import io
import pickle
import pickletools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from resnet_keras.errors import UserError


@dataclass(frozen=True)
class Format:
    """One of the official forms of a data set.

    Attributes:
        dataset: the name on the command line.
        archive: the name of the official archive.
        folder: the folder inside it.
        train: the files with the training images, in order.
        test: the files with the test images.
        meta: the file with the names of the classes.
        classes: the number of classes.
        label_key: the labels' key in a pickled batch.
        names_key: the class names' key in the pickled `meta`.
        label_bytes: bytes before each image of the binary version, the label being the last of
            them; 0 for the Python version.
        rows: images in `train` and in `test`; `None` where any number will do.
        md5: hexadecimal md5 of each file, by its name; a file without one is not checked.
        sha256: of the decoded arrays, see `resnet_keras.data.cifar.verify`.
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
    rows: tuple[int, int] | None = None
    md5: Mapping[str, str] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all files."""
        return (*self.train, *self.test, self.meta)


# Whatever the images came from: the Python version, the binary one or TensorFlow Datasets.
CIFAR10_SHA256 = {
    "train images": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
    "test images": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
    "train labels": "1431253c7e60f5a2b7e2531aeca20b26a5e5951dcc4977b9c457ebfc43aedb75",
    "test labels": "46759f9470c7bc483fc69c725b42c97033013de7690e19b600cf30381a76b9e5",
}
SHA256 = {"cifar10": CIFAR10_SHA256}

_CIFAR10_PYTHON = Format(
    dataset="cifar10",
    archive="cifar-10-python.tar.gz",
    folder="cifar-10-batches-py",
    train=tuple(f"data_batch_{i}" for i in range(1, 6)),
    test=("test_batch",),
    meta="batches.meta",
    classes=10,
    label_key=b"labels",
    names_key=b"label_names",
    rows=(50_000, 10_000),
    md5={
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        "test_batch": "40351d587109b95175f43aff81a1287e",
        "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
    },
    sha256=CIFAR10_SHA256,
)

_CIFAR10_BINARY = Format(
    dataset="cifar10",
    archive="cifar-10-binary.tar.gz",
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test=("test_batch.bin",),
    meta="batches.meta.txt",
    classes=10,
    label_bytes=1,
    rows=(50_000, 10_000),
    md5={
        "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
        "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
        "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
        "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
        "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
        "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    },
    sha256=CIFAR10_SHA256,
)

_CIFAR100_PYTHON = Format(
    dataset="cifar100",
    archive="cifar-100-python.tar.gz",
    folder="cifar-100-python",
    train=("train",),
    test=("test",),
    meta="meta",
    classes=100,
    label_key=b"fine_labels",
    names_key=b"fine_label_names",
    rows=(50_000, 10_000),
    md5={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
)

_CIFAR100_BINARY = Format(
    dataset="cifar100",
    archive="cifar-100-binary.tar.gz",
    folder="cifar-100-binary",
    train=("train.bin",),
    test=("test.bin",),
    meta="fine_label_names.txt",
    classes=100,
    label_bytes=2,  # coarse, then fine
    rows=(50_000, 10_000),
)

FORMATS = (_CIFAR10_PYTHON, _CIFAR10_BINARY, _CIFAR100_PYTHON, _CIFAR100_BINARY)


# What pickle protocols 2 to 4 write for dicts, lists, strings, integers and arrays.
_OPCODES = (
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE GLOBAL STACK_GLOBAL REDUCE BUILD "
    "BININT BININT1 BININT2 LONG1 BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES "
    "BINUNICODE SHORT_BINUNICODE EMPTY_DICT SETITEM SETITEMS EMPTY_LIST APPEND APPENDS "
    "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 BINGET LONG_BINGET BINPUT LONG_BINPUT MEMOIZE"
)
# An array takes ten. Without a limit, tuples nested a million deep end in a stack overflow.
_MAX_TUPLES = 64


class _Array:
    """Stands for an array under construction; `state` is what its `__setstate__` received."""

    state = None

    def __setstate__(self, state):
        self.state = state


class _Dtype:
    """Stands for a dtype: its code, such as `u1`. Its state (byte order) is not needed."""

    def __init__(self, code):
        self.code = code

    def __setstate__(self, state):
        pass


class _Stand:
    """Stands for one global: callable where NumPy's is called, and never altered by a pickle."""

    def __init__(self, call=None):
        self.__call = call

    def __call__(self, *arguments):
        return self.__call(*arguments)

    def __setstate__(self, state):
        raise pickle.UnpicklingError("a pickle may not alter a global")


def _encode(text, encoding):
    """Stands for `_codecs.encode`, with which Python 3 writes bytes in protocol 2."""
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"encoding {encoding!r}")
    return text.encode("latin1")


_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): lambda *arguments: _Array(),
    ("numpy._core.multiarray", "_reconstruct"): lambda *arguments: _Array(),
    ("numpy", "ndarray"): None,
    ("numpy", "dtype"): lambda code, *arguments: _Dtype(code),
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in _GLOBALS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR file does")
        return _Stand(_GLOBALS[module, name])


def load_batch(data: bytes, source: str) -> dict:
    """Reads one of CIFAR's pickles.

    Args:
        data: the bytes of the file.
        source: the name of the file, for messages.

    Returns:
        A dict from bytes (str where a str was pickled) to ints, strings, lists of those and
        read-only uint8 arrays: what `pickle.load(file, encoding="bytes")` gives.

    Raises:
        UserError: if the pickle is damaged or holds anything else. Nothing in it is executed.
    """
    try:
        _check_opcodes(data)
        batch = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        if type(batch) is not dict:
            raise pickle.UnpicklingError(f"it holds a {type(batch).__name__}, not a dict")
        return {_scalar(key): _value(value) for key, value in batch.items()}
    # A hostile pickle can make the interpreter raise nearly anything, MemoryError included.
    except Exception as error:
        raise UserError(
            f"{source}: this is no CIFAR batch that can be read safely "
            f"({type(error).__name__}: {str(error)[:200]}); get the file again from "
            "https://www.cs.toronto.edu/~kriz/cifar.html"
        ) from error


def _check_opcodes(data):
    allowed, tuples = set(_OPCODES.split()), 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name not in allowed:
            raise pickle.UnpicklingError(f"instruction {opcode.name}")
        # Picklers number their memo in order. Python allocates and clears the memo up to the
        # highest number, so that one instruction could otherwise claim gigabytes.
        if opcode.name in ("BINPUT", "LONG_BINPUT") and argument > count:
            raise pickle.UnpicklingError(f"memo number {argument} in instruction {count}")
        tuples += opcode.name.startswith("TUPLE")
        if tuples > _MAX_TUPLES:
            raise pickle.UnpicklingError(f"more than {_MAX_TUPLES} tuples")


def _value(value):
    if type(value) is _Array:
        return _array(value)
    if type(value) is list:
        return [_scalar(item) for item in value]
    return _scalar(value)


def _scalar(value):
    if type(value) not in (int, bytes, str):
        raise pickle.UnpicklingError(f"a {type(value).__name__.lstrip('_')} where it may not be")
    return value


def _array(array):
    _, shape, dtype, fortran, raw = array.state
    if type(dtype) is not _Dtype or dtype.code not in ("u1", b"u1"):
        code = getattr(dtype, "code", dtype)
        raise pickle.UnpicklingError(f"an array of dtype {code!r}; CIFAR's are uint8 (u1)")
    if type(raw) is not bytes or any(type(side) is not int or side < 0 for side in shape):
        raise pickle.UnpicklingError("an array whose content is not bytes")
    return np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")
