"""Compares the losses of the first training steps with PyTorch's, step by step.

Both networks start from the same random weights and see the same images in the same order. The loss
of the first step compares the networks, that of the second step the gradients, and those of later
steps also the optimizers. They also show how fast rounding errors grow. With the learning rate 0.1
a fresh network multiplies them by ten or more in each step, so that after a few steps only averages
can agree. With 0.001 it does not.
"""

import argparse
import sys

import keras
import numpy as np

try:
    import torch
except ModuleNotFoundError:
    sys.exit("this comparison needs PyTorch: pip install -r benchmarks/requirements.txt")
from torch.nn import functional

from benchmarks.contestants import synthetic, torch_networks
from benchmarks.options import positive_number, run_command
from resnet_keras.cli.flags import positive
from resnet_keras.data.dataset import Images
from resnet_keras.data.sources import load_for_recipe
from resnet_keras.recipe import Recipe
from resnet_keras.training import hardware
from resnet_keras.training.fit import compiled_model


def losses(recipe: Recipe, steps: int) -> tuple[list[float], list[float]]:
    """Trains a network with this program and with PyTorch.

    Args:
        recipe: a recipe for a residual CIFAR-10 network with option A, in float32.
        steps: the number of batches of training images, in random order and without augmentation.

    Returns:
        The losses of each step, `(ours, PyTorch's)`.
    """
    keras.utils.set_random_seed(recipe.seed)
    dataset = load_for_recipe(recipe)
    assert isinstance(dataset.train, Images)
    machine = hardware.choose(recipe)
    hardware.apply(recipe, machine)
    preprocessing = synthetic.preprocessing(32, len(dataset.class_names))
    model, _ = compiled_model(recipe, machine, preprocessing)
    torch_model = torch_networks.build(recipe.arch).train()
    copy_weights(model, torch_model)
    optimizer = torch.optim.SGD(
        torch_model.parameters(),
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.decay,
    )
    mean = dataset.train.images.mean(axis=0, dtype=np.float64) / 255
    order = np.random.default_rng(recipe.seed).permutation(len(dataset.train))
    ours: list[float] = []
    theirs: list[float] = []
    for step in range(steps):
        indices = np.arange(step * recipe.batch_size, (step + 1) * recipe.batch_size) % len(order)
        batch = dataset.train.take(order[indices])
        images = (batch.images / 255 - mean).astype(np.float32)
        model.reset_metrics()
        ours.append(float(model.train_on_batch(images, batch.labels)[0]))
        channels_first = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
        labels = torch.from_numpy(batch.labels).long()
        loss = functional.cross_entropy(torch_model(channels_first), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    return ours, theirs


def copy_weights(model: keras.Model, torch_model: torch.nn.Module) -> None:
    """Copies the trainable variables of our network, which have the same order in PyTorch's."""
    parameters = list(torch_model.parameters())
    for parameter, variable in zip(parameters, model.trainable_variables, strict=True):
        value = np.asarray(variable)
        # Keras: (height, width, in, out) and (in, out). PyTorch: (out, in, height, width) and
        # (out, in).
        value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))


def main(argv: list[str] | None = None) -> int:
    """Prints the losses of each step and their means; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against_torch", description=__doc__)
    parser.add_argument(
        "--arch", default="resnet20", metavar="NAME",
        help="a residual CIFAR-10 network (default: resnet20)",
    )  # fmt: skip
    parser.add_argument(
        "--dataset", default="cifar10", metavar="NAME", help="cifar10 (the default) or digits"
    )
    parser.add_argument(
        "--steps", type=positive, default=20, metavar="N",
        help="steps of 128 images (default: 20)",
    )  # fmt: skip
    parser.add_argument(
        "--learning-rate", type=positive_number, default=0.1, metavar="X", help="default: 0.1"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    args = parser.parse_args(argv)
    recipe = Recipe(
        arch=args.arch,
        option="A",
        dataset=args.dataset,
        learning_rate=args.learning_rate,
        warmup_steps=0,
        seed=args.seed,
        precision="float32",
    )
    architecture = recipe.architecture
    if architecture.family != "cifar" or not architecture.residual:
        parser.error(
            f"--arch must be a residual CIFAR-10 network, such as resnet20. Received: {args.arch}"
        )
    ours, theirs = losses(recipe, args.steps)
    print("step      ours   PyTorch  difference")
    for step, (our_loss, their_loss) in enumerate(zip(ours, theirs, strict=True), 1):
        difference = abs(our_loss - their_loss) / their_loss
        print(f"{step:4}  {our_loss:8.5f}  {their_loss:8.5f}  {difference:.1e}")
    print(f"mean  {np.mean(ours):8.5f}  {np.mean(theirs):8.5f}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
