"""Checkpoint files: round trips, damaged files, and errors while writing."""

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


EXTRA = {"seconds": 1.5, "list": [1, None, "ä"], "object": {"step": 3}}


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


def with_digest(payload):
    return payload + hashlib.sha256(payload).digest()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


class FailsWhenUnpickled:
    """Runs code when it is unpickled: here, it fails the test."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was executed",))


def test_pickles_are_not_executed(tmp_path):
    objects = np.empty(1, object)
    objects[0] = FailsWhenUnpickled()
    header = np.frombuffer(b'{"step": 1}', np.uint8)
    for payload in (npz(__header__=header, a=objects), pickle.dumps(FailsWhenUnpickled())):
        path = tmp_path / "pickle.ckpt"
        path.write_bytes(with_digest(payload))
        with pytest.raises(UserError, match=r"pickle\.ckpt"):
            checkpoint.load(path)


@pytest.mark.parametrize(
    "payload",
    [
        b"x",
        b"not an archive",
        npz(a=np.zeros(3)),
        npz(__header__=np.frombuffer(b"{}", np.uint8)),
        npz(__header__=np.frombuffer(b"not json", np.uint8)),
        npz(__header__=np.frombuffer(b"[]", np.uint8)),
        npz(__header__=np.frombuffer(b"3", np.uint8)),
        npz(__header__=np.frombuffer(b"\xff\xfe", np.uint8)),
        npz(__header__=np.zeros(3))[:-60],
    ],
)
def test_other_contents_with_a_correct_digest(tmp_path, payload):
    path = tmp_path / "other.ckpt"
    path.write_bytes(with_digest(payload))
    with pytest.raises(UserError, match=r"other\.ckpt"):
        checkpoint.load(path)


def test_an_array_is_not_a_checkpoint(tmp_path):
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    path = tmp_path / "other.ckpt"
    path.write_bytes(with_digest(buffer.getvalue()))
    with pytest.raises(UserError, match=r"other\.ckpt"):
        checkpoint.load(path)


def test_two_checkpoints_are_kept(tmp_path):
    for step in (5, 100, 99_999, 1_000_000_000, 2_000_000_000):
        checkpoint.save(tmp_path, step, arrays_of(), {})
    names = [path.name for path in checkpoint.paths(tmp_path)]
    assert names == ["step-1000000000.ckpt", "step-2000000000.ckpt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_other_files_are_not_deleted(tmp_path):
    for name in ("step-.ckpt", "step-x.ckpt", "notes.txt", "step-000000001.ckpt.old"):
        (tmp_path / name).write_text("")
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, arrays_of(), {})
    assert len(checkpoint.paths(tmp_path)) == 2
    assert len(list(tmp_path.iterdir())) == 6


def test_load_newest_skips_a_damaged_checkpoint(tmp_path):
    reports = []
    for step in (7, 90):
        checkpoint.save(tmp_path, step, arrays_of(step), {"is": step})
    assert checkpoint.load_newest(tmp_path, reports.append).step == 90
    assert reports == []
    newest = checkpoint.paths(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:-1])
    loaded = checkpoint.load_newest(tmp_path, reports.append)
    assert (loaded.step, loaded.extra) == (7, {"is": 7})
    assert len(reports) == 1 and newest.name in reports[0]


def test_load_newest_fails_if_all_checkpoints_are_damaged(tmp_path):
    reports = []
    for step in (7, 90):
        checkpoint.save(tmp_path, step, arrays_of(), {}).write_bytes(b"broken")
    # The second call finds only the renamed files, like a run that is restarted.
    for _ in range(2):
        with pytest.raises(UserError, match=r"all 2 checkpoints .* damaged.*--resume never"):
            checkpoint.load_newest(tmp_path, reports.append)
    assert len(reports) == 2


def test_a_checkpoint_that_cannot_be_read_is_not_renamed(tmp_path, monkeypatch):
    intact = checkpoint.save(tmp_path, 7, arrays_of(), {})
    before = intact.read_bytes()

    def broken(path):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as during:
        during.setattr(type(intact), "read_bytes", broken)
        with pytest.raises(UserError, match=r"cannot read .*Input/output error"):
            checkpoint.load_newest(tmp_path, pytest.fail)
    assert intact.read_bytes() == before


def test_missing_checkpoints(tmp_path):
    assert checkpoint.load_newest(tmp_path, pytest.fail) is None
    assert checkpoint.load_newest(tmp_path / "none", pytest.fail) is None
    with pytest.raises(UserError, match="cannot read"):
        checkpoint.load(tmp_path / "none")
    with pytest.raises(UserError, match="cannot read"):
        checkpoint.load(tmp_path)


def test_a_failed_save_does_not_change_earlier_checkpoints(tmp_path, monkeypatch):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, arrays_of(), {})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("resnet_keras.files.os.fsync", full)
    with pytest.raises(UserError, match="No space left"):
        checkpoint.save(tmp_path, 3, arrays_of(), {})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_saving_to_a_path_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file"):
        checkpoint.save(tmp_path / "file" / "checkpoints", 1, {}, {})
