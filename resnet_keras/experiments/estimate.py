"""How long runs will take, from how fast others were."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from resnet_keras import accounting
from resnet_keras.recipe import Recipe
from resnet_keras.reporting.runs import Run

# Where nothing has been measured: forward multiply-adds a second while training, of a desktop's
# processor. A GPU does a hundred times as many.
ASSUMED = 20e9
# An evaluation is the forward pass alone, about a third of a training step's work.
EVALUATION_COST = 1 / 3
# A few steps are as fast as their tracing and their first reads.
ENOUGH_STEPS = 100
TEST_IMAGES = {"cifar10": 10_000, "cifar100": 10_000, "digits": 360, "imagenet2012": 50_000}


@dataclass(frozen=True)
class Estimate:
    """Seconds of work left, and what that rests on."""

    seconds: float
    basis: str


def estimate(recipe: Recipe, steps_done: int, measured: Sequence[Run]) -> Estimate:
    """Estimates the rest of a run.

    The measured run whose cost an image is nearest lends its images a second, scaled by
    multiply-adds; of several the first. Those of a few steps do not count, and runs with the same
    precision come first, if one is asked for.

    Args:
        recipe: of the run.
        steps_done: steps that are behind it.
        measured: other runs, with at least one row each.
    """
    cost = multiply_adds(recipe)
    known = [
        run
        for run in measured
        if run.step >= ENOUGH_STEPS and run.metrics["images_per_second"].max() > 0
    ]
    same = [run for run in known if run.recipe.precision == recipe.precision]
    if recipe.precision != "auto" and same:
        known = same
    if known:
        near = min(known, key=lambda run: abs(math.log(multiply_adds(run.recipe) / cost)))
        pace = float(near.metrics["images_per_second"].median())
        images_per_second = pace * multiply_adds(near.recipe) / cost
        basis = (
            f"{near.name}: {pace:,.0f} images/s in {near.recipe.precision} on {near.device}, "
            "scaled by multiply-adds"
        )
    else:
        images_per_second = ASSUMED / cost
        basis = (
            f"no run has been measured yet: assumed {ASSUMED / 1e9:.0f}G forward multiply-adds a "
            "second, a desktop's processor; a GPU may be a hundred times faster"
        )
    left = max(0, recipe.steps - steps_done)
    images = left * recipe.batch_size
    images += EVALUATION_COST * TEST_IMAGES.get(recipe.dataset, 10_000) * left / recipe.eval_every
    return Estimate(images / images_per_second, basis)


def multiply_adds(recipe: Recipe) -> int:
    """Returns the forward multiply-adds of one image of the recipe's data set."""
    small = recipe.dataset in ("cifar10", "cifar100", "digits")
    side = recipe.image_size or (32 if small else recipe.architecture.image_size)
    layers = accounting.layers(recipe.architecture, image_size=side)
    return accounting.totals(layers).multiply_adds
