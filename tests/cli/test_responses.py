"""The `responses` command, where it has nothing to measure."""

import argparse

import pytest

from resnet_keras.cli import responses
from resnet_keras.errors import UsageError, UserError


def run(*words):
    parser = argparse.ArgumentParser()
    responses.configure(parser)
    return responses.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def imported(tmp_path):
    """A file that says nothing of a training, as `import` writes them."""
    from resnet_keras.artefact import Description
    from resnet_keras.importers.import_weights import preprocessing_of
    from resnet_keras.models.build import build
    from resnet_keras.models.keras_file import save_keras_file

    description = Description(preprocessing_of("cifar", tuple("0123456789")), {"dataset": None})
    save_keras_file(build("resnet8"), tmp_path / "imported.keras", description)
    return tmp_path / "imported.keras"


def test_a_network_without_a_training_is_refused(imported, tmp_path):
    with pytest.raises(UserError, match=r"imported\.keras does not say what it was trained for"):
        run(imported, "--out", tmp_path / "results")


def test_two_of_one_name_are_refused_before_any_is_measured(tmp_path):
    with pytest.raises(UsageError, match="two networks are called a"):
        run(tmp_path / "a.keras", tmp_path / "b" / "a.keras", "--out", tmp_path / "results")


def test_a_folder_that_cannot_be_is_said_first(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot make the folder"):
        run(tmp_path / "a.keras", "--out", tmp_path / "file")
