"""`python -m benchmarks.against_torch`: the first steps, loss by loss, beside PyTorch's.

Both sides start from the same random weights and see the same images in the same order. The loss
of the first step compares the networks, the second the gradients, the later ones the
optimizer too. They also show how fast rounding grows: at the rate 0.1 a fresh network multiplies it
some tens of times a step, so that after a few steps only averages can agree. At 0.001 it does not.
"""

import argparse
import sys

import keras
import numpy as np

try:
    import torch
except ModuleNotFoundError:
    sys.exit("PyTorch is needed: pip install -r benchmarks/requirements.txt")
from torch.nn import functional

from benchmarks.contestants import torch_networks
from benchmarks.contestants.keras_training import preprocessing_for
from benchmarks.flags import above_zero, run
from resnet_keras.cli.flags import positive
from resnet_keras.data.sources import load_for
from resnet_keras.recipe import Recipe
from resnet_keras.training import hardware
from resnet_keras.training.fit import compiled_model


def losses(recipe: Recipe, steps: int) -> tuple[list[float], list[float]]:
    """Trains a network on both sides.

    Args:
        recipe: a residual CIFAR-10 network with option A, to be trained in float32.
        steps: batches, of the training images in a random order, without augmentation.

    Returns:
        The losses of each step, `(ours, PyTorch's)`.
    """
    keras.utils.set_random_seed(recipe.seed)
    dataset = load_for(recipe)
    machine = hardware.choose(recipe)
    recipe = hardware.resolved(recipe, machine)
    hardware.apply(recipe, machine)
    ours, _ = compiled_model(recipe, machine, preprocessing_for(32, len(dataset.class_names)))
    theirs = torch_networks.build(recipe.arch).train()
    take_weights(theirs, ours)
    optimizer = torch.optim.SGD(
        theirs.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.decay,
    )
    mean = dataset.train.images.mean(axis=0, dtype=np.float64) / 255
    order = np.random.default_rng(recipe.seed).permutation(len(dataset.train))
    found = [], []
    for step in range(steps):
        at = np.arange(step * recipe.batch_size, (step + 1) * recipe.batch_size) % len(order)
        batch = dataset.train.take(order[at])
        images = (batch.images / 255 - mean).astype(np.float32)
        ours.reset_metrics()
        found[0].append(float(ours.train_on_batch(images, batch.labels)[0]))
        channels_first = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        labels = torch.from_numpy(batch.labels).long()
        loss = functional.cross_entropy(theirs(channels_first), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found[1].append(loss.item())
    return found


def take_weights(module: torch.nn.Module, model: keras.Model) -> None:
    """Gives a PyTorch network the trained variables of ours, which come in the same order."""
    parameters = list(module.parameters())
    variables = model.trainable_variables
    for parameter, variable in zip(parameters, variables, strict=True):
        value = np.asarray(variable)
        # (height, width, in, out) and (in, out) here; (out, in, height, width), (out, in) there.
        value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def main(arguments: list[str] | None = None) -> int:
    """Prints both losses of each step, and the means; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against_torch", description=__doc__)
    parser.add_argument("--arch", default="resnet20", help="resnet20, resnet56, …")
    parser.add_argument("--dataset", default="cifar10", help="cifar10 or digits")
    parser.add_argument("--steps", type=positive, default=20, help="steps of 128 images")
    parser.add_argument("--learning-rate", type=above_zero, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    recipe = Recipe(
        arch=given.arch,
        option="A",
        dataset=given.dataset,
        learning_rate=given.learning_rate,
        warmup_steps=0,
        seed=given.seed,
        precision="float32",
    )
    architecture = recipe.architecture
    if architecture.family != "cifar" or not architecture.residual:
        parser.error(f"--arch is a residual CIFAR-10 network, such as resnet20, not {given.arch}")
    ours, theirs = losses(recipe, given.steps)
    print("step      ours   PyTorch  difference")
    for step, (here, there) in enumerate(zip(ours, theirs, strict=True), 1):
        print(f"{step:4}  {here:8.5f}  {there:8.5f}  {abs(here - there) / there:.1e}")
    print(f"mean  {np.mean(ours):8.5f}  {np.mean(theirs):8.5f}")
    return 0


if __name__ == "__main__":
    sys.exit(run(main))
