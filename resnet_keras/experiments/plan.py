"""What an experiment has still to do: its runs, by name, and how far each is."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.experiments.catalogue import Experiment, run_name
from resnet_keras.recipe import Recipe
from resnet_keras.reporting.runs import CONFIG, RESULT, read_run
from resnet_keras.training.run_folder import read_recipe

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
