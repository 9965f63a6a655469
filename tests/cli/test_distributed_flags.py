"""The flags for several processes: what is refused before anything slow."""

import argparse

import pytest

from resnet_keras.cli import distributed_flags
from resnet_keras.errors import UsageError

ALL = ("--coordinator", "10.0.0.1:5700", "--processes", "2", "--process", "1")


def parsed(*words):
    parser = argparse.ArgumentParser()
    distributed_flags.add_flags(parser)
    return parser.parse_args(words)


def test_none_and_all_of_the_flags_are_right(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    distributed_flags.check(parsed())
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    distributed_flags.check(parsed(*ALL))


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UsageError, match="need --processes, --process too"):
        distributed_flags.check(parsed(*ALL[:2]))
    with pytest.raises(UsageError, match="need --coordinator too"):
        distributed_flags.check(parsed(*ALL[2:]))


@pytest.mark.parametrize("backend", [None, "tensorflow"])
def test_the_backend_is_asked_for(monkeypatch, backend):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if backend:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(UsageError, match=r"JAX backend: KERAS_BACKEND=jax python train\.py"):
        distributed_flags.check(parsed(*ALL))
