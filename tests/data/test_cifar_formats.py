"""CIFAR's pickles are read without executing them, and every failure is a UserError."""

import os
import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_keras.data.cifar_formats import unpickle
from resnet_keras.errors import UserError

BATCH = {
    b"data": np.arange(12, dtype=np.uint8).reshape(2, 6),
    b"labels": [3, 300],
    b"batch_label": b"training batch 1 of 5",
    b"filenames": [b"a.png", b"b.png"],
}
# As written by Python 2, like the official files: `numpy.core.multiarray`, strings as bytes.
PYTHON2 = (
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\n"
    b"q\x04K\x00\x85U\x01b\x87Rq\x05(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87R"
    b"q\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x06abcdeftb"
    b"U\x06labelsq\x08]q\x09(K\x07K\x08eu."
)


class Attack:
    """An object whose pickle runs a command that creates a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def is_accepted(data):
    """Returns whether `data` can be read. Fails unless the result is a dict or a UserError."""
    try:
        assert type(unpickle(data, "some_file")) is dict
    except UserError as error:
        assert "some_file" in str(error)
        return False
    return True


def test_python_2_batch():
    batch = unpickle(PYTHON2, "f")
    expected = pickle.loads(PYTHON2, encoding="bytes")
    assert batch.keys() == expected.keys() == {b"data", b"labels"}
    assert batch[b"data"].dtype == np.uint8
    assert batch[b"data"].tolist() == expected[b"data"].tolist() == [[97, 98, 99], [100, 101, 102]]
    assert batch[b"labels"] == [7, 8]


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_python_3_batches(protocol):
    batch = unpickle(pickle.dumps(BATCH, protocol), "f")
    np.testing.assert_array_equal(batch.pop(b"data"), BATCH[b"data"])
    assert batch == {key: value for key, value in BATCH.items() if key != b"data"}


def test_fortran_order_is_respected():
    array = np.asfortranarray(BATCH[b"data"])
    batch = unpickle(pickle.dumps({b"data": array}, 2), "f")
    np.testing.assert_array_equal(batch[b"data"], array)


@pytest.mark.parametrize("protocol", range(6))
def test_commands_are_not_executed(tmp_path, protocol):
    marker = tmp_path / "marker"
    attack = pickle.dumps({b"data": Attack(marker)}, protocol)
    assert not is_accepted(attack)
    assert not marker.exists()
    pickle.loads(attack)
    assert marker.exists(), "the attack itself does not work, so this test proves nothing"


@pytest.mark.parametrize(
    "target",
    ["builtins eval", "os system", "numpy load", "numpy.core.multiarray scalar", "_codecs decode"],
)
def test_other_globals_are_rejected(target):
    module, name = target.split()
    with pytest.raises(UserError, match=rf"f: .*{module}\.{name}"):
        unpickle(b"\x80\x02}U\x01ac" + f"{module}\n{name}\n".encode() + b"s.", "f")


@pytest.mark.parametrize(
    "value",
    [
        np.array([b"x", 1], object),
        np.arange(3.0),
        np.arange(3),
        np.array([("a", 1)], [("name", "U1"), ("number", "u1")]),
    ],
)
def test_arrays_other_than_uint8_are_rejected(value):
    with pytest.raises(UserError):
        unpickle(pickle.dumps({b"data": value}, 2), "f")


def test_the_error_names_the_dtype():
    with pytest.raises(UserError, match="dtype 'O8'"):
        unpickle(pickle.dumps({b"data": np.array([None], object)}, 2), "f")


@pytest.mark.parametrize(
    "value", [1.5, {1: 2}, (1, 2), [[1]], {1, 2}, None, True, b"x".join, np.uint8(3), 1j]
)
def test_other_values_are_rejected(value):
    assert not is_accepted(pickle.dumps({b"data": value}, 2))


@pytest.mark.parametrize("code", [b"(d.", b"}2.", b"}(ios\nsystem\n.", b"}\x82\x01."])
def test_instructions_that_no_batch_needs_are_rejected(code):
    with pytest.raises(UserError, match=r"instruction (DICT|DUP|INST|EXT1)"):
        unpickle(b"\x80\x02" + code, "f")


@pytest.mark.parametrize("value", [[1], b"x", 3])
def test_pickles_of_anything_but_a_dict_are_rejected(value):
    with pytest.raises(UserError, match="not a dict"):
        unpickle(pickle.dumps(value, 2), "f")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02.",
        b"\x80\x02}r\xff\xff\xff\xff.",  # memo number 4294967295: 64 GB
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f}.",  # a frame of 8 exabytes
        b"\x80\x03}B\xff\xff\xff\xff.",  # a string of 4 GB
        b"\x80\x02}U\x01a" + b"(" * 100_000 + b"K\x00" + b"t" * 100_000 + b"s.",
        b"\x80\x02}K\x00" + b"\x85" * 1_000_000 + b"K\x00s.",  # hashing it overflows the stack
        b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
        b"\x80\x02}cnumpy\ndtype\n}U\x01aK\x01sbK\x01s.",  # changes a global
        PYTHON2.replace(b"K\x02K\x03\x86", b"K\x02K\x04\x86"),  # a shape that needs more bytes
        PYTHON2.replace(b"K\x02K\x03\x86", b"J\xfe\xff\xff\xffJ\xfd\xff\xff\xff\x86"),
    ],
    ids=range(11),
)
def test_malicious_pickles_are_rejected(data):
    assert not is_accepted(data)


def test_truncation_is_rejected_at_every_length():
    assert not any(is_accepted(PYTHON2[:length]) for length in range(len(PYTHON2)))


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_only_user_errors(data):
    is_accepted(data)


@settings(max_examples=400)
@given(st.data(), st.sampled_from([PYTHON2, *(pickle.dumps(BATCH, p) for p in (2, 4))]))
def test_mutated_pickles_raise_only_user_errors(data, valid):
    mutated = bytearray(valid)
    for _ in range(data.draw(st.integers(1, 4))):
        mutated[data.draw(st.integers(0, len(valid) - 1))] = data.draw(st.integers(0, 255))
    is_accepted(bytes(mutated))


CODES = [opcode.code.encode("latin1") for opcode in pickletools.opcodes]
GLOBALS = [b"cnumpy\ndtype\n", b"cnumpy\nndarray\n", b"c_codecs\nencode\n"]
PIECES = [*GLOBALS, b"\x85R", b"\x86R", b"K\1"]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(CODES + PIECES * 5), max_size=30))
def test_arbitrary_programs_raise_only_user_errors(codes):
    is_accepted(b"\x80\x02" + b"".join(codes) + b".")
