"""Runs that differ in nothing but their seed, taken together."""

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resnet_keras.recipe import Recipe
from resnet_keras.runs.reading import Run

PAPER_STEPS = {"cifar": 64_000, "imagenet": 600_000, "vgg": 600_000}
# Networks under equal conditions may be drawn into one figure: they differ in the network, in the
# warm-up that goes with it, and in what changes how a run is computed rather than what.
_NETWORK = ("arch", "option", "projection", "bottleneck_stride", "warmup_steps", "warmup_rate",
            "warmup_shape")  # fmt: skip
# Of what sets runs of one network apart, what a label says even where it is the paper's.
_ALWAYS_SAID = ("steps", "precision", "dataset")
# And what it need not say besides.
_COMPANIONS = {"steps": ("drops", "eval_every", "warmup_steps"), "schedule": ("drops",)}
_EXECUTION = ("seed", "eval_every", "precision", "deterministic", "devices")


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one recipe, a seed each.

    Attributes:
        label: what tables and legends call it.
        recipe: of the first run.
        runs: by seed.
    """

    label: str
    recipe: Recipe
    runs: tuple[Run, ...]

    @property
    def complete(self) -> tuple[Run, ...]:
        """The runs that came to their end."""
        return tuple(run for run in self.runs if run.complete)

    @property
    def unfinished(self) -> tuple[Run, ...]:
        """The others."""
        return tuple(run for run in self.runs if not run.complete)

    @property
    def network(self) -> str:
        """The network with its variant, whatever it is trained on: `resnet20-A`."""
        return self.recipe.architecture.label

    @property
    def epochs(self) -> float:
        """How often each image it was trained on was shown, to a tenth; NaN if no run says how many
        these are."""
        said = (run.config.get("train_examples") for run in self.runs)
        examples = next(filter(None, said), math.nan)
        return round(self.recipe.steps * self.recipe.batch_size / examples, 1)

    def last_errors(self, split: str) -> list[float]:
        """Returns the error of the last iterate in percent, a complete run each."""
        errors = [run.last_error(split) for run in self.complete]
        return [error for error in errors if error is not None]

    def envelope(self, split: str):
        """Returns the mean and the range over the seeds of the complete runs.

        Returns:
            A `DataFrame` with the columns `step`, `mean`, `low` and `high` (percent), at the steps
            at which each of them was measured.
        """
        import pandas

        curves = {
            index: run.metrics.set_index("step")[f"{split}_error"].dropna()
            for index, run in enumerate(self.complete)
        }
        if not curves:
            return pandas.DataFrame({"step": [], "mean": [], "low": [], "high": []})
        table = pandas.concat(curves, axis=1, join="inner").sort_index()
        values = {
            "mean": table.mean(axis=1),
            "low": table.min(axis=1),
            "high": table.max(axis=1),
        }
        return pandas.DataFrame(values).rename_axis("step").reset_index()


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Groups runs by recipe, the seed aside: plain before residual, shallow before deep.

    Groups of one network get labels that say what sets them apart. Of several runs of one recipe
    and seed, such as a run and its copy, the one that is furthest counts: they are no two seeds.
    """
    by_recipe: dict[Recipe, dict[int, Run]] = {}
    for run in runs:
        by_seed = by_recipe.setdefault(dataclasses.replace(run.recipe, seed=0), {})
        rival = by_seed.get(run.recipe.seed)
        if rival is None or (run.complete, run.step) > (rival.complete, rival.step):
            by_seed[run.recipe.seed] = run
    keys = sorted(by_recipe, key=_order)
    return [
        Group(label, key, tuple(by_recipe[key][seed] for seed in sorted(by_recipe[key])))
        for label, key in zip(_labels(keys), keys, strict=True)
    ]


def conditions(groups: Sequence[Group]) -> list[list[Group]]:
    """Splits groups into sets that were trained under equal conditions.

    Of the sets, those on the paper's data set come first, then those of more networks, then the
    longer schedules.
    """
    sets: dict[tuple, list[Group]] = {}
    for group in groups:
        sets.setdefault(_condition(group.recipe), []).append(group)

    def rank(members):
        recipe = members[0].recipe
        papers = recipe.dataset == "cifar10" or recipe.architecture.family != "cifar"
        return (not papers, -len({group.network for group in members}), -recipe.steps)

    return sorted(sets.values(), key=rank)


def paper_steps(recipe: Recipe) -> int:
    """Returns the length of the paper's schedule for the recipe's network, in iterations."""
    return PAPER_STEPS[recipe.architecture.family]


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Returns the mean and the sample standard deviation; NaN where there are too few values."""
    mean = statistics.fmean(values) if values else math.nan
    return mean, statistics.stdev(values) if len(values) > 1 else math.nan


def seeds(count: int) -> str:
    """Returns `1 seed`, `3 seeds`."""
    return f"{count} seed" + ("" if count == 1 else "s")


def _condition(recipe):
    names = [spec.name for spec in dataclasses.fields(Recipe)]
    values = [getattr(recipe, name) for name in names if name not in (*_NETWORK, *_EXECUTION)]
    return (recipe.architecture.family, *values)


def _order(recipe):
    arch = recipe.architecture
    return (
        arch.residual,
        arch.depth,
        arch.option or "",
        arch.projection,
        -recipe.steps,
        str(recipe),
    )


def _labels(recipes):
    labels = [_label(recipe, recipes, brief=True) for recipe in recipes]
    return [
        label if labels.count(label) == 1 else _label(recipe, recipes, brief=False)
        for label, recipe in zip(labels, recipes, strict=True)
    ]


def _label(recipe, recipes, brief):
    """The network, and what sets the recipe apart from others of the network. `brief`: not what
    comes with something said, and not a value that is the paper's."""
    label = recipe.architecture.label
    twins = [r for r in recipes if r.architecture.label == label and r != recipe]
    differing = differing_values(recipe, twins)
    if brief:
        papers = Recipe(arch=recipe.arch)
        implied = {one for name in differing for one in _COMPANIONS.get(name, ())}
        differing = [
            name
            for name in differing
            if name not in implied
            and (name in _ALWAYS_SAID or getattr(recipe, name) != getattr(papers, name))
        ]
    words = [word(name, getattr(recipe, name)) for name in differing]
    return f"{label} ({', '.join(words)})" if words else label


def differing_values(recipe: Recipe, others: Iterable[Recipe]) -> list[str]:
    """Returns the names of the values in which a recipe differs from any of the others."""
    others = list(others)
    return [
        spec.name
        for spec in dataclasses.fields(Recipe)
        if any(getattr(recipe, spec.name) != getattr(other, spec.name) for other in others)
    ]


def word(name: str, value) -> str:
    """Returns a recipe's value as labels say it: `7,812 steps`, `nesterov`, `decay 0.0005`."""
    if name == "steps":
        return f"{value:,} steps"
    if name in ("precision", "dataset"):
        return str(value)
    if isinstance(value, bool):
        return name.replace("_", " ") if value else f"no {name.replace('_', ' ')}"
    if name == "schedule":
        return value.replace("_", " ")
    if name == "muon" and not value:
        return "SGD"
    spelled = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"{name.replace('_', ' ')} {spelled}"
