"""Batches, rejected images and servers that go away, without a server."""

import pytest

from resnet_keras.serving.client import classify_files, with_retries
from resnet_keras.serving.errors import Refused, TooSlow, Unavailable, WrongModel
from resnet_keras.serving.predictions import Prediction


@pytest.fixture
def paths(tmp_path):
    files = []
    for index in range(10):
        files.append(tmp_path / str(index))
        files[-1].write_bytes(bytes([index + 1]))
    return files


def predict(images):
    return [Prediction(((str(image[0] - 1), 1.0),)) for image in images]


class Server:
    """Classifies images; raises an exception at the n-th request if a keyword `_n` says so."""

    def __init__(self, **script):
        self.sizes, self.script = [], {int(key[1:]): value for key, value in script.items()}

    def __call__(self, images):
        self.sizes.append(len(images))
        if error := self.script.get(len(self.sizes)):
            raise error
        if b"\x04" in images:
            raise Refused("image_bytes[3] is bad" if len(images) > 1 else "image_bytes[0] is bad")
        return predict(images)


def test_a_bad_image_does_not_affect_the_others(paths):
    server = Server()
    result = classify_files(server, paths, 5)
    assert sorted(result.predictions) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert all(result.predictions[i].top[0][0] == str(i) for i in result.predictions)
    assert result.errors == {3: "the image is bad"}
    assert server.sizes == [5, 1, 1, 1, 1, 1, 5]


def test_files_that_cannot_be_read(paths, tmp_path):
    (tmp_path / "empty").touch()
    paths[1:1] = [tmp_path / "absent", tmp_path, tmp_path / "empty"]
    result = classify_files(predict, paths, 4)
    assert sorted(result.errors) == [1, 2, 3] and len(result.predictions) == 10
    assert "No such file" in result.errors[1]
    assert "folder" in result.errors[2] and "empty" in result.errors[3]
    assert classify_files(None, [tmp_path / "absent"], 4).errors.keys() == {0}


def test_the_size_of_batches_and_files_is_limited(paths, monkeypatch):
    monkeypatch.setattr("resnet_keras.serving.client.MAX_BATCH", 3)
    server = Server()
    classify_files(server, [path for path in paths if path.name != "3"], 100)
    assert server.sizes == [3, 3, 3]
    monkeypatch.setattr("resnet_keras.serving.client.MAX_FILE", 0)
    assert "larger" in classify_files(server, paths[:1], 1).errors[0]


@pytest.mark.parametrize("error", [Unavailable("it is gone"), WrongModel("it is gone")])
def test_a_server_that_goes_away(paths, error):
    server = Server(_3=error)
    del paths[3]
    result = classify_files(server, paths, 2)
    assert sorted(result.predictions) == [0, 1, 2, 3]
    assert result.errors == {i: "not classified: it is gone" for i in range(4, 9)}
    assert result.aborted_by is error and len(server.sizes) == 3


def test_a_server_that_goes_away_among_single_images(paths):
    result = classify_files(Server(_4=Unavailable("gone")), paths, 5)
    assert sorted(result.predictions) == [0, 1]
    assert sorted(result.errors) == list(range(2, 10))


def test_a_server_that_never_answered(paths):
    paths[4:4] = [paths[0].parent / "absent"]
    gone = Unavailable("gone")
    result = classify_files(Server(_1=gone), paths, 20)
    assert result.aborted_by is gone and not result.predictions and len(result.errors) == 11
    # The error of a file does not depend on the server.
    assert "No such file" in result.errors[4]
    assert result.errors[0] == "not classified: gone"


def test_ctrl_c_keeps_the_predictions(paths):
    del paths[3]
    result = classify_files(Server(_3=KeyboardInterrupt()), paths, 2)
    assert result.interrupted and sorted(result.predictions) == [0, 1, 2, 3]
    assert result.errors == {i: "not classified: interrupted" for i in range(4, 9)}


def test_three_timeouts_in_a_row_abort(paths):
    del paths[3]
    slow = TooSlow("slow")
    result = classify_files(Server(_2=slow), paths, 2)
    assert sorted(result.errors) == [2, 3] and result.aborted_by is None
    server = Server(_2=slow, _3=slow, _4=slow)
    result = classify_files(server, paths, 2)
    assert (
        len(server.sizes) == 4
        and sorted(result.predictions) == [0, 1]
        and result.aborted_by is slow
    )


def test_retries():
    waits = []
    server = Server(_1=Unavailable("a"), _2=Unavailable("b"))
    assert len(with_retries(server, 5, waits.append)([b"\x01"])) == 1
    assert len(waits) == 2 and 0.15 <= waits[0] <= 0.25 and 0.3 <= waits[1] <= 0.5
    server = Server(**{f"_{i}": Unavailable(str(i)) for i in range(1, 10)})
    with pytest.raises(Unavailable, match="4"):
        with_retries(server, 3, waits.append)([b"\x01"])
    for error in (Refused("x"), TooSlow("x"), WrongModel("x")):
        server = Server(_1=error)
        with pytest.raises(type(error)):
            with_retries(server, 3, waits.append)([b"\x01"])
        assert len(server.sizes) == 1
