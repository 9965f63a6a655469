"""Batches, refusals and servers that go away, without a server."""

import pytest

from resnet_keras.serving.client import classify, retrying
from resnet_keras.serving.errors import Refused, TooSlow, Unavailable, WrongModel, plain_message
from resnet_keras.serving.predictions import Answer


@pytest.fixture
def paths(tmp_path):
    made = []
    for index in range(10):
        made.append(tmp_path / str(index))
        made[-1].write_bytes(bytes([index + 1]))
    return made


def answer(images):
    return [Answer(((str(image[0] - 1), 1.0),)) for image in images]


class Server:
    """Answers, and does at the n-th request what it is told."""

    def __init__(self, **script):
        self.sizes, self.script = [], {int(key[1:]): value for key, value in script.items()}

    def __call__(self, images):
        self.sizes.append(len(images))
        if error := self.script.get(len(self.sizes)):
            raise error
        if b"\x04" in images:
            raise Refused("image_bytes[3] is bad" if len(images) > 1 else "image_bytes[0] is bad")
        return answer(images)


def test_one_bad_image_costs_its_own_answer(paths):
    server = Server()
    found = classify(server, paths, 5)
    assert sorted(found.answers) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert all(found.answers[i].top[0][0] == str(i) for i in found.answers)
    assert found.reasons == {3: "the image is bad"}
    assert server.sizes == [5, 1, 1, 1, 1, 1, 5]


def test_files_that_cannot_be_read(paths, tmp_path):
    (tmp_path / "empty").touch()
    paths[1:1] = [tmp_path / "absent", tmp_path, tmp_path / "empty"]
    found = classify(lambda images: answer(images), paths, 4)
    assert sorted(found.reasons) == [1, 2, 3] and len(found.answers) == 10
    assert "No such file" in found.reasons[1]
    assert "folder" in found.reasons[2] and "empty" in found.reasons[3]
    assert classify(None, [tmp_path / "absent"], 4).reasons.keys() == {0}


def test_batches_are_bounded_by_bytes(paths, monkeypatch):
    monkeypatch.setattr("resnet_keras.serving.client.MAX_BATCH", 3)
    server = Server()
    classify(server, [path for path in paths if path.name != "3"], 100)
    assert server.sizes == [3, 3, 3]
    monkeypatch.setattr("resnet_keras.serving.client.MAX_FILE", 0)
    assert "larger" in classify(server, paths[:1], 1).reasons[0]


@pytest.mark.parametrize("error", [Unavailable("it is gone"), WrongModel("it is gone")])
def test_a_server_that_goes_away(paths, error):
    server = Server(_3=error)
    del paths[3]
    found = classify(server, paths, 2)
    assert sorted(found.answers) == [0, 1, 2, 3]
    assert found.reasons == {i: "not answered: it is gone" for i in range(4, 9)}
    assert found.ended_by is error and len(server.sizes) == 3


def test_a_server_that_goes_away_among_single_images(paths):
    found = classify(Server(_4=Unavailable("gone")), paths, 5)
    assert sorted(found.answers) == [0, 1]
    assert sorted(found.reasons) == list(range(2, 10))


def test_a_server_that_was_never_there(paths):
    paths[4:4] = [paths[0].parent / "absent"]
    gone = Unavailable("gone")
    found = classify(Server(_1=gone), paths, 20)
    assert found.ended_by is gone and not found.answers and len(found.reasons) == 11
    # What is wrong with a file is said whatever became of the server.
    assert "No such file" in found.reasons[4]
    assert found.reasons[0] == "not answered: gone"


def test_ctrl_c_keeps_the_answers(paths):
    del paths[3]
    found = classify(Server(_3=KeyboardInterrupt()), paths, 2)
    assert found.interrupted and sorted(found.answers) == [0, 1, 2, 3]
    assert found.reasons == {i: "not answered: interrupted" for i in range(4, 9)}


def test_a_slow_answer_costs_one_batch_three_end_it(paths):
    del paths[3]
    slow = TooSlow("slow")
    found = classify(Server(_2=slow), paths, 2)
    assert sorted(found.reasons) == [2, 3] and found.ended_by is None
    server = Server(_2=slow, _3=slow, _4=slow)
    found = classify(server, paths, 2)
    assert len(server.sizes) == 4 and sorted(found.answers) == [0, 1] and found.ended_by is slow


def test_retries():
    waits = []
    server = Server(_1=Unavailable("a"), _2=Unavailable("b"))
    assert len(retrying(server, 5, waits.append)([b"\x01"])) == 1
    assert len(waits) == 2 and 0.15 <= waits[0] <= 0.25 and 0.3 <= waits[1] <= 0.5
    server = Server(**{f"_{i}": Unavailable(str(i)) for i in range(1, 10)})
    with pytest.raises(Unavailable, match="4"):
        retrying(server, 3, waits.append)([b"\x01"])
    for error in (Refused("x"), TooSlow("x"), WrongModel("x")):
        server = Server(_1=error)
        with pytest.raises(type(error)):
            retrying(server, 3, waits.append)([b"\x01"])
        assert len(server.sizes) == 1


def test_what_the_graph_said():
    told = (
        "x\nassertion failed: [image_bytes[0] is empty; image_bytes[2] is empty]\n\t [[{{node A}}]]"
    )
    assert plain_message(told) == "image_bytes[0] is empty; image_bytes[2] is empty"
    assert plain_message("assertion failed: [a [b] c]") == "a [b] c"
    assert plain_message("plain\n text") == "plain text"
