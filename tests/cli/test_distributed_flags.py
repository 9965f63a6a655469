"""The flags for several processes: wrong combinations are rejected."""

import argparse

import pytest

from resnet_keras.cli import distributed_flags
from resnet_keras.errors import UsageError

ALL = ("--coordinator", "10.0.0.1:5700", "--processes", "2", "--process", "1")


def parse(*arguments):
    parser = argparse.ArgumentParser()
    distributed_flags.add_flags(parser)
    return parser.parse_args(arguments)


def test_none_or_all_of_the_flags_are_accepted(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    distributed_flags.check(parse())
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    distributed_flags.check(parse(*ALL))


def test_missing_flags_are_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UsageError, match=r"requires --processes, --process$"):
        distributed_flags.check(parse(*ALL[:2]))
    with pytest.raises(UsageError, match=r"requires --coordinator$"):
        distributed_flags.check(parse(*ALL[2:]))


@pytest.mark.parametrize("backend", [None, "tensorflow"])
def test_the_jax_backend_is_required(monkeypatch, backend):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    if backend:
        monkeypatch.setenv("KERAS_BACKEND", backend)
    with pytest.raises(UsageError, match=r"JAX backend: KERAS_BACKEND=jax python train\.py"):
        distributed_flags.check(parse(*ALL))
