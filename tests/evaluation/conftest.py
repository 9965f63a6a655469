"""Fixtures that several test files of this folder use."""

from types import SimpleNamespace

import pytest

from resnet_keras.data import sources
from resnet_keras.export.saved_model import export
from resnet_keras.models.keras_file import save_keras_file
from tests.evaluation.networks import make_description, make_network


@pytest.fixture(scope="package")
def any_size(tmp_path_factory):
    """A network that takes images of any size, as a SavedModel and as a `.keras` file."""
    folder = tmp_path_factory.mktemp("any_size")
    model, description = make_network((None, None)), make_description(32)
    keras_file = folder / "any_size.keras"
    save_keras_file(model, keras_file, description)
    return SimpleNamespace(
        model=model,
        preprocessing=description.preprocessing,
        version=export(model, description, folder),
        keras_file=keras_file,
    )


@pytest.fixture
def few_digits(monkeypatch):
    """Reduces the test images of `digits` to 30, so that evaluation is fast. Returns them."""
    digits = sources.load_digits()
    test = digits.test.take(slice(30))
    few = type(digits)(digits.name, digits.class_names, digits.train, test, False)
    monkeypatch.setattr(sources, "load_digits", lambda: few)
    return test
