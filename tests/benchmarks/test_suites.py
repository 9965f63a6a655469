"""The suites and their contestants: names, goals, and that each contestant takes a step."""

import importlib.util

import pytest

from benchmarks.suites import depth, inference, training

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="PyTorch is not installed: pip install -r benchmarks/requirements.txt",
)


def test_comparisons_refer_to_contestants(tmp_path):
    both = training.contestants("resnet20", 32, 128, ("float32", "mixed_bfloat16"))
    names = [contestant.name for contestant in both]
    assert len(names) == len(set(names)) == 6
    for comparison in training.WITH_GOAL + training.WITHOUT_GOAL:
        assert {*comparison.candidates, comparison.baseline} <= set(names)
    for batch in inference.BATCHES:
        names = [contestant.name for contestant in inference.contestants(tmp_path, batch, True)]
        for comparison in inference.comparisons(batch, True):
            assert {*comparison.candidates, comparison.baseline} <= set(names)
    assert len(depth.contestants("float32", False)) == 7


@pytest.mark.parametrize("implementation", ["ours", "stock"])
def test_keras_contestants_take_steps(implementation):
    from benchmarks.contestants import keras_training

    run_steps, facts = keras_training.make(implementation, "resnet8", 32, 2, "float32")
    assert run_steps(1) > 0
    assert facts["precision"] == "float32"
    assert not facts["jit_compile"]


@needs_torch
@pytest.mark.parametrize(("network", "size"), [("resnet20", 32), ("resnet50", 64)])
def test_pytorch_networks_have_as_many_parameters(network, size):
    from benchmarks.contestants import keras_networks, torch_networks

    theirs = torch_networks.count_parameters(torch_networks.build(network))
    assert theirs == keras_networks.count_parameters(keras_networks.ours(network, size))


@needs_torch
@pytest.mark.parametrize("training_step", [True, False])
def test_pytorch_contestants_take_steps(training_step):
    from benchmarks.contestants import torch_steps

    run_steps, facts = torch_steps.make("resnet8", 32, 2, training_step, bfloat16=True)
    assert run_steps(1) > 0
    assert facts["precision"] == "bfloat16"


@needs_torch
def test_the_first_losses_equal_those_of_pytorch():
    from benchmarks import against_torch
    from resnet_keras.recipe import Recipe

    # With a low learning rate, because at 0.1 a fresh network would multiply rounding errors a
    # hundredfold in each step. With a large decay, because that of 1e-4 would not be visible in
    # five steps.
    recipe = Recipe(
        arch="resnet8", dataset="digits", learning_rate=0.001, decay=1.0, precision="float32"
    )
    ours, theirs = against_torch.losses(recipe, steps=5)
    assert len(set(ours)) == 5
    assert ours == pytest.approx(theirs, rel=2e-5)
