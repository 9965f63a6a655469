"""What an experiment has still to do: its runs, by name, and how far each is."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from resnet_keras import accounting
from resnet_keras.errors import UserError
from resnet_keras.experiments.catalogue import Experiment, run_name
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import read_recipe
from resnet_keras.runs.folder import CONFIG, RESULT
from resnet_keras.runs.reading import Run, read_run

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


OTHER = "other recipe"


@dataclass(frozen=True)
class Planned:
    """A run to make.

    Attributes:
        name: of its folder and of its export.
        recipe: what it computes.
    """

    name: str
    recipe: Recipe


def plan(
    experiment: Experiment,
    seeds: int = 1,
    scale: float = 1.0,
    only: tuple[str, ...] = (),
    **given,
) -> list[Planned]:
    """Returns the runs of an experiment, each once; arguments and errors as of
    `Experiment.recipes`."""
    planned = [
        Planned(run_name(recipe, scale, given.get("precision"), tag), recipe)
        for tag, recipe in experiment.members(seeds, scale, only, **given)
    ]
    # An ensemble's second network of one kind is what a second seed of the first would be.
    return list({one.name: one for one in planned}.values())


def is_done(planned: Planned, runs_dir: Path) -> bool:
    """Whether the run is complete: this one, not one of another recipe under its name."""
    folder = Path(runs_dir) / planned.name
    return (folder / RESULT).is_file() and not is_other(planned, runs_dir)


def is_other(planned: Planned, runs_dir: Path) -> bool:
    """Whether another recipe has the run's folder, as after `train.py --steps 400` by hand."""
    path = Path(runs_dir) / planned.name / CONFIG
    if not path.is_file():
        return False
    try:
        made = dataclasses.asdict(read_recipe(path))
    except UserError:
        return True
    return any(
        value != made[name] and not _is_open(name, value)
        for name, value in dataclasses.asdict(planned.recipe).items()
    )


def _is_open(name, value):
    """Whether a recipe leaves a value to data set and machine; the run then writes it down."""
    return value in (None, "auto") or (name == "devices" and value == 0)


def steps_done(planned: Planned, runs_dir: Path) -> int | None:
    """Returns the steps of the run that have been measured; `None` if it has not begun."""
    folder = Path(runs_dir) / planned.name
    if is_other(planned, runs_dir):
        return None
    if (folder / RESULT).is_file():
        return planned.recipe.steps
    if not (folder / CONFIG).is_file():
        return None
    try:
        return read_run(folder).step
    except UserError:
        return 0


def state(planned: Planned, runs_dir: Path) -> str:
    """Returns how far the run is, in words: `done`, `at step 2,400`, `not started`; or `OTHER`, if
    another recipe has its folder."""
    if is_other(planned, runs_dir):
        return OTHER
    if (Path(runs_dir) / planned.name / RESULT).is_file():
        return "done"
    steps = steps_done(planned, runs_dir)
    return "not started" if steps is None else f"at step {steps:,}"
