"""Checkpoints: complete or absent, and never silently wrong."""

import errno
import hashlib
import io
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_keras.errors import UserError
from resnet_keras.training import checkpoint


def arrays_of(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "model/0/c/kernel": rng.normal(size=(3, 3, 2, 4)).astype(np.float32),
        "optimizer/0/iterations": np.array(2**40 + 1, np.int64),
        "metrics/0/total": np.array([np.nan, np.inf, -0.0, 5e-324]),
        "empty": np.zeros((0, 3), np.uint8),
        "ünicode name": np.array([True, False]),
    }


EXTRA = {"seconds": 1.5, "kept": [1, None, "ä"], "warm": {"step": 3}}


@pytest.fixture
def one(tmp_path):
    return checkpoint.save(tmp_path / "checkpoints", 1234, arrays_of(), EXTRA)


def test_round_trip_is_bitwise(one):
    loaded = checkpoint.load(one)
    assert (loaded.step, loaded.extra, loaded.path) == (1234, EXTRA, one)
    assert loaded.arrays.keys() == arrays_of().keys()
    for name, value in arrays_of().items():
        assert loaded.arrays[name].dtype == value.dtype
        assert loaded.arrays[name].shape == value.shape
        assert loaded.arrays[name].tobytes() == value.tobytes()


def test_layout(one):
    data = one.read_bytes()
    assert data[-32:] == hashlib.sha256(data[:-32]).digest()
    assert set(np.load(io.BytesIO(data[:-32])).files) == {"__header__", *arrays_of()}
    assert [path.name for path in one.parent.iterdir()] == ["step-000001234.ckpt"]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)
@given(st.data())
def test_every_flipped_bit_is_detected(one, tmp_path, data):
    content = bytearray(one.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.ckpt is damaged"):
        checkpoint.load(broken)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80, deadline=None
)
@given(st.data())
def test_truncated_or_longer(one, tmp_path, data):
    content = one.read_bytes()
    length = data.draw(st.integers(0, len(content) - 1))
    more = data.draw(st.binary(max_size=40))
    broken = tmp_path / "broken.ckpt"
    broken.write_bytes(content[:length] + more)
    if content[:length] + more != content:
        with pytest.raises(UserError, match=r"broken\.ckpt"):
            checkpoint.load(broken)


def sealed(payload):
    return payload + hashlib.sha256(payload).digest()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


class Sly:
    """What a pickle may do: here, leave a trace."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def test_no_pickle_is_run(tmp_path):
    objects = np.empty(1, object)
    objects[0] = Sly()
    header = np.frombuffer(b'{"step": 1}', np.uint8)
    for payload in (npz(__header__=header, a=objects), pickle.dumps(Sly())):
        path = tmp_path / "sly.ckpt"
        path.write_bytes(sealed(payload))
        with pytest.raises(UserError, match=r"sly\.ckpt"):
            checkpoint.load(path)


@pytest.mark.parametrize(
    "payload",
    [
        b"x",
        b"no archive at all",
        npz(a=np.zeros(3)),
        npz(__header__=np.frombuffer(b"{}", np.uint8)),
        npz(__header__=np.frombuffer(b"no json", np.uint8)),
        npz(__header__=np.frombuffer(b"[]", np.uint8)),
        npz(__header__=np.frombuffer(b"3", np.uint8)),
        npz(__header__=np.frombuffer(b"\xff\xfe", np.uint8)),
        npz(__header__=np.zeros(3))[:-60],
    ],
)
def test_sealed_but_of_another_form(tmp_path, payload):
    path = tmp_path / "other.ckpt"
    path.write_bytes(sealed(payload))
    with pytest.raises(UserError, match=r"other\.ckpt"):
        checkpoint.load(path)


def test_a_bare_array_is_no_checkpoint(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    path = tmp_path / "other.ckpt"
    path.write_bytes(sealed(buffer.getvalue()))
    with pytest.raises(UserError, match=r"other\.ckpt"):
        checkpoint.load(path)


def test_keeps_two(tmp_path):
    for step in (5, 100, 99_999, 1_000_000_000, 2_000_000_000):
        checkpoint.save(tmp_path, step, arrays_of(), {})
    names = [path.name for path in checkpoint.paths(tmp_path)]
    assert names == ["step-1000000000.ckpt", "step-2000000000.ckpt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_other_files_are_left_alone(tmp_path):
    for name in ("step-.ckpt", "step-x.ckpt", "notes.txt", "step-000000001.ckpt.old"):
        (tmp_path / name).write_text("")
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, arrays_of(), {})
    assert len(checkpoint.paths(tmp_path)) == 2
    assert len(list(tmp_path.iterdir())) == 6


def test_newest_whole_one(tmp_path):
    said = []
    for step in (7, 90):
        checkpoint.save(tmp_path, step, arrays_of(step), {"is": step})
    assert checkpoint.load_newest(tmp_path, said.append).step == 90
    assert said == []
    newest = checkpoint.paths(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    back = checkpoint.load_newest(tmp_path, said.append)
    assert (back.step, back.extra) == (7, {"is": 7})
    assert len(said) == 1 and newest.name in said[0]


def test_all_damaged(tmp_path):
    said = []
    for step in (7, 90):
        checkpoint.save(tmp_path, step, arrays_of(), {}).write_bytes(b"broken")
    # Also when it is tried again, as whatever restarts a run would.
    for _ in range(2):
        with pytest.raises(UserError, match=r"all 2 checkpoints .* damaged.*--resume never"):
            checkpoint.load_newest(tmp_path, said.append)
    assert len(said) == 2


def test_one_that_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    whole = checkpoint.save(tmp_path, 7, arrays_of(), {})
    before = whole.read_bytes()

    def broken(path):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as during:
        during.setattr(type(whole), "read_bytes", broken)
        with pytest.raises(UserError, match=r"cannot read .*Input/output error"):
            checkpoint.load_newest(tmp_path, pytest.fail)
    assert whole.read_bytes() == before


def test_none_at_all(tmp_path):
    assert checkpoint.load_newest(tmp_path, pytest.fail) is None
    assert checkpoint.load_newest(tmp_path / "none", pytest.fail) is None
    with pytest.raises(UserError, match="cannot read"):
        checkpoint.load(tmp_path / "none")
    with pytest.raises(UserError, match="cannot read"):
        checkpoint.load(tmp_path)


def test_a_failed_save_leaves_the_earlier_ones(tmp_path, monkeypatch):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, arrays_of(), {})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("resnet_keras.files.os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        checkpoint.save(tmp_path, 3, arrays_of(), {})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_saving_where_nothing_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        checkpoint.save(tmp_path / "file" / "checkpoints", 1, {}, {})
