"""The command `responses`: errors before anything is measured."""

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
    """A file without a training recipe, as `import` writes it."""
    from resnet_keras.description import Description
    from resnet_keras.importers.import_weights import layout_preprocessing
    from resnet_keras.models.build import build
    from resnet_keras.models.keras_file import save_keras_file

    description = Description(layout_preprocessing("cifar", tuple("0123456789")), {"dataset": None})
    save_keras_file(build("resnet8"), tmp_path / "imported.keras", description)
    return tmp_path / "imported.keras"


def test_a_network_without_a_recipe_is_rejected(imported, tmp_path):
    with pytest.raises(UserError, match=r"imported\.keras does not name its data set"):
        run(imported, "--out", tmp_path / "results")


def test_two_networks_with_the_same_name_are_rejected(tmp_path):
    with pytest.raises(UsageError, match="two networks have the name a"):
        run(tmp_path / "a.keras", tmp_path / "b" / "a.keras", "--out", tmp_path / "results")


def test_a_results_folder_that_cannot_be_created_is_reported_first(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot create the folder"):
        run(tmp_path / "a.keras", "--out", tmp_path / "file")
