"""The GPU benchmark, without a GPU."""

import csv

import pytest

from benchmarks import gpu, machine
from benchmarks.contest import Contestant, ContestResult
from resnet_keras.runs.metrics import Row

ROWS = [
    Row(step, 0.1, 1.0, 10.0, None, test_error, seconds, 1000.0)
    for step, test_error, seconds in (
        (100, None, 1.0),
        (200, 9.1, 2.0),
        (300, 8.75, 3.0),
        (400, 8.9, 4.0),
    )
]


def test_contestants():
    entered = gpu.contestants("resnet110", "mixed_bfloat16", on_gpu=True)
    assert [contestant.name for contestant in entered] == [
        "this program on JAX, bfloat16",
        "this program on TensorFlow, bfloat16",
        "PyTorch, bfloat16",
        "PyTorch, compiled, bfloat16",
    ]
    backends = [contestant.environment["KERAS_BACKEND"] for contestant in entered[:2]]
    assert backends == ["jax", "tensorflow"]
    # Otherwise the first one would reserve all memory of the GPU.
    assert entered[0].environment["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert entered[1].environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert {contestant.images for contestant in entered} == {128}
    assert [contestant.arguments["on_gpu"] for contestant in entered[:2]] == [True, True]
    assert [contestant.arguments["device"] for contestant in entered[2:]] == ["cuda", "cuda"]


def test_first_reached():
    assert gpu.first_reached(ROWS, 8.75) == {"step": 300, "seconds": 3.0}
    assert gpu.first_reached(ROWS, 8.7) is None


def test_the_table_shows_what_was_measured_and_what_was_not():
    entered = [Contestant(name, "", {}, 128) for name in (gpu.JAX, gpu.TORCH, gpu.TORCH_COMPILED)]
    result = ContestResult("a contest", entered, failures={gpu.TORCH_COMPILED: "it failed"})
    result.speeds = {gpu.JAX: {0: 64000.0}, gpu.TORCH: {0: 32000.0}}
    key = ("resnet20", "float32")
    time = {"error": 8.75, "step": 30_000, "seconds": 90.0, "steps": 64_000}
    rows = gpu.table({key: result}, {key: time}).splitlines()[2:]
    assert rows[0].endswith("| 2.00 | 8.75 % after 30,000 steps, 1.5 minutes |")
    assert rows[1].endswith("| 4.00 | (as many steps: 2.0 minutes) |")  # 30,000 x 4 ms
    assert "not measured: it failed" in rows[2]
    rows = gpu.table({key: result}, {key: {**time, "step": None}}).splitlines()[2:]
    assert rows[0].endswith("| not reached in 64,000 steps |") and rows[1].endswith("|  |")
    assert gpu.table({key: result}, {}).count("| not measured |") == 2


def test_without_a_gpu_nothing_is_measured(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(machine, "gpu", lambda: "")
    assert gpu.main(["--out", str(tmp_path)]) == 1
    assert "nothing was measured. --quick" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_quick_completes(tmp_path, capfd):
    assert gpu.main(["--quick", "--out", str(tmp_path / "out"), "--runs-dir", str(tmp_path)]) == 0
    with open(tmp_path / "out/gpu_to_error.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["network"], row["steps"]) == ("resnet8", "20")
    table = capfd.readouterr().out
    assert "| resnet8 | this program on JAX, float32 | not measured" not in table
    assert "| resnet8 | this program on TensorFlow, float32 | not measured" not in table
    assert (tmp_path / "out/gpu.md").read_text().count("| resnet8 |") == 4
