"""Whether there is a network is known within seconds."""

import time

from resnet_keras.data import tfds


def test_network_that_never_answers(monkeypatch):
    monkeypatch.setattr(tfds, "_answers", lambda url, seconds: time.sleep(2))
    start = time.monotonic()
    assert not tfds.reachable(("a", "b"), seconds=0.1)
    assert time.monotonic() - start < 1


def test_network_by_any_answer(monkeypatch):
    monkeypatch.setattr(tfds, "_answers", lambda url, seconds: url == "b")
    assert tfds.reachable(("a", "b"))
    assert not tfds.reachable(("a", "c"))


def test_address_that_refuses():
    assert not tfds.reachable(("http://127.0.0.1:9/",), seconds=2)
