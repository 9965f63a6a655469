"""Files that version 0.1.0 wrote still load and resume.

The fixtures were written by 0.1.0 (commit 941852f): two runs of ResNet-8 (B) on the digits, as they
were at step 40 of 60, and the `.keras` file of one of them.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_keras.cli.main import main
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import read_config, stored_recipe
from resnet_keras.runs.run import find_runs

ROOT = Path(__file__).parents[1]
FIXTURES = Path(__file__).parent / "fixtures" / "version_0_1"
FLAGS = {
    "paper": ["--recipe", "paper", "--drops", "30,45", "--warmup-steps", "5"],
    "fast": ["--recipe", "fast"],
}
COMMON = [
    "--arch",
    "resnet8",
    "--option",
    "B",
    "--dataset",
    "digits",
    "--steps",
    "60",
    "--batch-size",
    "32",
    "--eval-every",
    "20",
    "--checkpoint-every",
    "20",
    "--precision",
    "float32",
    "--deterministic",
]
# The test error in percent of the run that was not interrupted.
FINAL_ERROR = {"paper": 58.89, "fast": 11.11}
KERAS_FILES = [FIXTURES / "fast.keras", ROOT / "saved_models" / "resnet20-A.keras"]


@pytest.mark.parametrize("name", FLAGS)
def test_a_checkpoint_resumes(name, tmp_path, capsys):
    shutil.copytree(FIXTURES / "runs" / name, tmp_path / "runs" / name)
    places = ["--runs-dir", f"{tmp_path}/runs", "--export-dir", f"{tmp_path}/exports"]
    assert main(["train", *FLAGS[name], *COMMON, *places, "--name", name, "--resume", "must"]) == 0
    result = json.loads((tmp_path / "runs" / name / "result.json").read_text())
    assert result["step"] == 60
    # Rounding differs between processors, and 360 test images are few.
    assert result["test_error"] == pytest.approx(FINAL_ERROR[name], abs=3.0)
    rows = (tmp_path / "runs" / name / "metrics.csv").read_text().splitlines()
    before = (FIXTURES / "runs" / name / "metrics.csv").read_text().splitlines()
    assert rows[:3] == before[:3]
    assert [row.split(",")[0] for row in rows[1:]] == ["20", "40", "60"]


@pytest.mark.parametrize("path", KERAS_FILES, ids=lambda path: path.name)
def test_a_keras_file_loads_after_importing_the_package_alone(path):
    program = (
        "import sys, resnet_keras, keras\n"
        "import numpy as np\n"
        "model = keras.saving.load_model(sys.argv[1])\n"
        "size = [side or 32 for side in model.input_shape[1:3]]\n"
        "logits = model.predict(np.zeros((2, *size, 3), 'float32'), verbose=0)\n"
        "print(logits.shape, np.isfinite(logits).all())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stdout.split("\n")[-2:-1] == ["(2, 10) True"], done.stderr


def test_every_published_run_is_read_and_its_recipe_survives_a_round_trip():
    folder = ROOT / "results" / "runs"
    runs, errors = find_runs(folder)
    assert errors == []
    assert len(runs) == len(list(folder.iterdir())) > 40
    for run in runs:
        assert run.complete, run.name
        assert run.recipe.augmentation == "pad"
        assert Recipe.from_json(run.recipe.to_json()) == run.recipe
        stored = json.loads((run.path / "config.json").read_text())["recipe"]
        for key, value in stored.items():
            assert value is None or run.recipe.to_json()[key] == value, (run.name, key)


def test_values_that_an_old_run_did_not_write_are_the_same_in_its_config_and_its_model_card():
    published = ROOT / "results" / "runs" / "resnet20-A-seed0-x0.1" / "config.json"
    recipe, config = read_config(published)
    assert "augmentation" not in config["recipe"]
    assert stored_recipe(config["recipe"]) == recipe
