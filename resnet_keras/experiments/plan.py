"""The runs of an experiment: their names, how far each one is, and how long the rest takes."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet_keras import accounting
from resnet_keras.errors import UserError
from resnet_keras.experiments.catalogue import Experiment, run_name
from resnet_keras.recipe import ARRAY_DATASETS, ARRAY_IMAGE_SIZE, Recipe
from resnet_keras.runs.config import read_recipe
from resnet_keras.runs.folder import CONFIG, RESULT
from resnet_keras.runs.run import Run, read_run

# The state of a run whose folder belongs to another recipe.
OTHER_RECIPE = "other recipe"

# The speed to assume if no run has been measured: that of the processor of a desktop computer. A
# GPU is about a hundred times as fast.
ASSUMED_MULTIPLY_ADDS_PER_SECOND = 20e9
# The cost of an image in evaluation relative to training: the forward pass is about a third.
_EVALUATION_COST = 1 / 3
# In runs of fewer steps, tracing and the first reads dominate the measured speed.
_MIN_MEASURED_STEPS = 100
_TEST_IMAGES = {"cifar10": 10_000, "cifar100": 10_000, "digits": 360, "imagenet2012": 50_000}


@dataclass(frozen=True)
class PlannedRun:
    """A run of an experiment.

    Attributes:
        name: the name of the run folder and of the export.
        recipe: what the run computes.
    """

    name: str
    recipe: Recipe


@dataclass(frozen=True)
class Estimate:
    """An estimate of the time that a run still takes.

    Attributes:
        seconds: the remaining wall time.
        basis: what the estimate is based on, in words.
    """

    seconds: float
    basis: str


def plan(
    experiment: Experiment,
    seeds: int = 1,
    scale: float = 1.0,
    only: tuple[str, ...] = (),
    **given: Any,
) -> list[PlannedRun]:
    """Returns the runs of an experiment, each one once.

    Args:
        experiment: the experiment.
        seeds: runs per network.
        scale: the length of the schedule relative to the recipe's.
        only: the networks to train; see `Experiment.tagged_recipes`.
        **given: values that replace those of the recipe.

    Raises:
        UsageError: if `only` names a network that is not part of the experiment, or if a value is
            not allowed.

    Example:

    >>> from resnet_keras.experiments.catalogue import get_experiment
    >>> [run.name for run in plan(get_experiment("options"))]
    ['resnet20-A-seed0', 'resnet20-B-seed0', 'resnet20-C-seed0']
    """
    runs = [
        PlannedRun(run_name(recipe, scale, given.get("precision"), tag), recipe)
        for tag, recipe in experiment.tagged_recipes(seeds, scale, only, **given)
    ]
    # In an ensemble, the second network of a kind equals the first one with the next seed.
    return list({run.name: run for run in runs}.values())


def is_complete(run: PlannedRun, runs_dir: Path | str) -> bool:
    """Returns whether a run is complete, and its folder does not belong to another recipe.

    Args:
        run: the run.
        runs_dir: the folder that holds run folders.

    Example:

    >>> is_complete(PlannedRun("resnet20-A-seed0", Recipe("resnet20")), "runs")
    False
    """
    return (Path(runs_dir) / run.name / RESULT).is_file() and not has_other_recipe(run, runs_dir)


def has_other_recipe(run: PlannedRun, runs_dir: Path | str) -> bool:
    """Returns whether the run folder belongs to another recipe, as after `train.py --steps 400`.

    Values that a recipe leaves to the data set or the hardware, such as `precision="auto"`, may
    have been filled in.

    Args:
        run: the run.
        runs_dir: the folder that holds run folders.

    Example:

    >>> has_other_recipe(PlannedRun("resnet20-A-seed0", Recipe("resnet20")), "runs")
    False
    """
    path = Path(runs_dir) / run.name / CONFIG
    if not path.is_file():
        return False
    try:
        found = dataclasses.asdict(read_recipe(path))
    except UserError:
        return True
    return any(
        value != found[name] and not _is_unresolved(name, value)
        for name, value in dataclasses.asdict(run.recipe).items()
    )


def steps_done(run: PlannedRun, runs_dir: Path | str) -> int | None:
    """Returns the step of the last row of `metrics.csv`, or `None` if the run has not started.

    Args:
        run: the run.
        runs_dir: the folder that holds run folders.

    Example:

    >>> steps_done(PlannedRun("resnet20-A-seed0", Recipe("resnet20")), "runs") is None
    True
    """
    folder = Path(runs_dir) / run.name
    if has_other_recipe(run, runs_dir):
        return None
    if (folder / RESULT).is_file():
        return run.recipe.steps
    if not (folder / CONFIG).is_file():
        return None
    try:
        return read_run(folder).step
    except UserError:
        return 0


def state(run: PlannedRun, runs_dir: Path | str) -> str:
    """Returns how far a run is: `"done"`, `"at step 2,400"`, `"not started"` or `OTHER_RECIPE`.

    Args:
        run: the run.
        runs_dir: the folder that holds run folders.

    Example:

    >>> state(PlannedRun("resnet20-A-seed0", Recipe("resnet20")), "runs")
    'not started'
    """
    if has_other_recipe(run, runs_dir):
        return OTHER_RECIPE
    if (Path(runs_dir) / run.name / RESULT).is_file():
        return "done"
    steps = steps_done(run, runs_dir)
    return "not started" if steps is None else f"at step {steps:,}"


def estimate(recipe: Recipe, steps_done: int, measured: Sequence[Run]) -> Estimate:
    """Estimates how long the rest of a run takes.

    The estimate scales the images per second of a measured run by multiply-adds. It uses the run
    whose cost per image is closest; among equals the first. Runs with the same precision are
    preferred if the recipe sets one.

    Args:
        recipe: the recipe of the run.
        steps_done: the number of steps that are done.
        measured: other runs, with at least one row each. Very short runs are ignored.

    Example:

    >>> estimate(Recipe("resnet20"), steps_done=64_000, measured=[]).seconds
    0.0
    """
    cost = multiply_adds(recipe)
    usable = [
        run
        for run in measured
        if run.step >= _MIN_MEASURED_STEPS and run.metrics["images_per_second"].max() > 0
    ]
    same_precision = [run for run in usable if run.recipe.precision == recipe.precision]
    if recipe.precision != "auto" and same_precision:
        usable = same_precision
    if usable:
        nearest = min(usable, key=lambda run: abs(math.log(multiply_adds(run.recipe) / cost)))
        speed = float(nearest.metrics["images_per_second"].median())
        images_per_second = speed * multiply_adds(nearest.recipe) / cost
        basis = (
            f"{nearest.name}: {speed:,.0f} images/s in {nearest.recipe.precision} on "
            f"{nearest.device}, scaled by multiply-adds"
        )
    else:
        images_per_second = ASSUMED_MULTIPLY_ADDS_PER_SECOND / cost
        basis = (
            "no run has been measured yet; assuming "
            f"{ASSUMED_MULTIPLY_ADDS_PER_SECOND / 1e9:.0f}G forward multiply-adds per second, the "
            "speed of a desktop processor. A GPU may be a hundred times as fast"
        )
    steps = max(0, recipe.steps - steps_done)
    test_images = _TEST_IMAGES.get(recipe.dataset, 10_000)
    evaluated = test_images * steps / recipe.eval_every
    images = steps * recipe.batch_size + _EVALUATION_COST * evaluated
    return Estimate(images / images_per_second, basis)


def multiply_adds(recipe: Recipe) -> int:
    """Returns the multiply-adds of a forward pass with one image of the recipe's data set.

    Args:
        recipe: the recipe.

    Example:

    >>> multiply_adds(Recipe("resnet20"))
    40551040
    """
    size = recipe.architecture.image_size
    if recipe.dataset in ARRAY_DATASETS:
        size = ARRAY_IMAGE_SIZE
    image_size = recipe.image_size or size
    layers = accounting.layers(recipe.architecture, image_size=image_size)
    return accounting.totals(layers).multiply_adds


def _is_unresolved(name: str, value: Any) -> bool:
    """Returns whether a run fills the value in; see `training.resolve`."""
    return value in (None, "auto") or (name == "devices" and value == 0)
