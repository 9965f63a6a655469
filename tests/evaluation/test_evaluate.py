"""The metrics of an ensemble, compared with NumPy, and the command `evaluate`."""

import argparse
import inspect
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_keras.cli import evaluate as cli
from resnet_keras.cli.main import command
from resnet_keras.errors import UsageError, UserError
from resnet_keras.evaluation import evaluate
from resnet_keras.evaluation.evaluate import Evaluation, evaluate_ensemble
from resnet_keras.evaluation.measure import Measurement
from resnet_keras.evaluation.predictors import open_predictor
from resnet_keras.models.keras_file import save_keras_file
from tests.evaluation.networks import (
    CLASS_NAMES,
    expected_probabilities,
    make_description,
    make_network,
    make_preprocessing,
)


def test_networks_of_different_sizes(any_size, tmp_path, few_digits):
    model = make_network((48, 48), seed=1)
    path = tmp_path / "second.keras"
    save_keras_file(model, path, make_description(48, per_pixel=True))
    ensemble = evaluate_ensemble([any_size.version, path], None, None)
    for member, member_path in zip(ensemble.members, (any_size.version, path), strict=True):
        alone = evaluate.evaluate(member_path, None, None).measurement
        assert member.measurement.top1_error == alone.top1_error
        assert member.measurement.loss == pytest.approx(alone.loss, rel=1e-6)
    resized = [
        np.asarray(Image.fromarray(image).resize((48, 48), Image.BILINEAR))
        for image in few_digits.images
    ]
    first = expected_probabilities(any_size.model, any_size.preprocessing, few_digits.images)
    second = expected_probabilities(model, make_preprocessing(48, per_pixel=True), resized)
    expected = (first + second) / 2
    true_probabilities = expected[np.arange(30), few_digits.labels]
    assert ensemble.measurement.loss == pytest.approx(-np.log(true_probabilities).mean(), rel=1e-3)
    correct = expected.argmax(axis=1) == few_digits.labels
    assert ensemble.measurement.top1_error == pytest.approx(100 * (1 - correct.mean()))


def test_different_classes_are_refused(any_size, tmp_path):
    path = tmp_path / "other.keras"
    description = make_description(32, class_names=CLASS_NAMES[::-1])
    save_keras_file(make_network((None, None)), path, description)
    with pytest.raises(UserError, match="predict different classes"):
        evaluate_ensemble([any_size.version, path], None, None)


@pytest.fixture
def run(tmp_path):
    """Runs the command and returns its exit status."""

    def run_command(*words):
        figure = ["--confusion", str(tmp_path / "confusion.png")]
        return command("evaluate", [*figure, *map(str, words)], "evaluate")

    return run_command


def test_members_and_ensemble_are_printed(any_size, few_digits, capsys, run):
    paths = [str(any_size.version), str(any_size.keras_file)]
    assert run("--views", "10crop", "--json", "--ensemble", *paths) == 0
    values = json.loads(capsys.readouterr().out)
    assert [member["path"] for member in values["members"]] == paths
    assert values["views"] == "10crop" and values["examples"] == 30
    # Both files contain the same network.
    assert values["top1_error"] == values["members"][0]["top1_error"]
    assert run(paths[0], "--ensemble", paths[1]) == 0
    printed = capsys.readouterr().out
    assert printed.count("top-1 error") == 4 and "ensemble of 2 on digits" in printed
    assert run("--ensemble", paths[0]) == 2
    assert "at least two" in capsys.readouterr().err


def test_the_error_is_recorded_in_the_model_card(any_size, few_digits, capsys, run):
    assert run(any_size.version, "--record", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    card = open_predictor(any_size.version).description.card
    assert card["test_error"]["top1_percent"] == pytest.approx(values["top1_error"], abs=1e-4)
    assert card["test_error"]["examples"] == 30
    for flags in (["--views", "10crop"], ["--ensemble", any_size.version]):
        assert run(any_size.version, "--record", *flags) == 2
    # The card inside a .keras file cannot be changed.
    assert run(any_size.keras_file, "--record") == 1
    capsys.readouterr()


def test_export_prints_the_command_that_records_the_error(
    any_size, few_digits, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert command("export", [str(any_size.keras_file), "--name", "again"], "export") == 0
    printed = capsys.readouterr()
    version = printed.out.strip()
    assert open_predictor(version).description.card["test_error"] is None
    words = re.search(r"python evaluate\.py (.+ --record)", printed.err).group(1)
    assert command("evaluate", shlex.split(words), "evaluate") == 0
    assert open_predictor(version).description.card["test_error"]["examples"] == 30


def parse(*words):
    parser = argparse.ArgumentParser()
    cli.configure(parser)
    return parser.parse_args(words)


def test_notes_are_printed_to_standard_error(monkeypatch, capsys, tmp_path):
    calls, real = [], evaluate.evaluate

    def fake_evaluate(*args, **kwargs):
        calls.append(inspect.signature(real).bind(*args, **kwargs).arguments)
        measurement = Measurement(np.eye(2, dtype=np.int64), np.ones(2, np.int64), 0.1)
        notes = ("skipped 1",)
        return Evaluation(Path("net"), "net", "folder", ("a", "b"), "center", measurement, notes)

    monkeypatch.setattr(evaluate, "evaluate", fake_evaluate)
    figure = str(tmp_path / "confusion.png")
    flags = ["--all-images", "--skip-corrupt", "--json", "--confusion", figure]
    cli.run(parse("net", "--data-dir", "new", *flags))
    assert calls == [
        {
            "path": "net",
            "dataset": None,
            "data_dir": "new",
            "views": "center",
            "all_images": True,
            "skip_corrupt": True,
        }
    ]
    streams = capsys.readouterr()
    assert streams.err == "note: skipped 1\n" and "skipped 1" not in streams.out


def test_record_does_not_go_with_all_images():
    with pytest.raises(UsageError, match="--all-images"):
        cli.run(parse("net", "--all-images", "--record"))


def test_the_flags_are_defined_without_importing_tensorflow():
    code = (
        "import argparse, sys\n"
        "from resnet_keras.cli import evaluate\n"
        "evaluate.configure(argparse.ArgumentParser())\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
