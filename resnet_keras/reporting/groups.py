"""Groups of runs that differ only in their seed, and sets of groups that can be compared."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet_keras.architectures import Architecture
from resnet_keras.recipe import Recipe
from resnet_keras.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

_PAPER_STEPS = {"cifar": 64_000, "imagenet": 600_000, "vgg": 600_000}
# Networks with equal conditions may be drawn into one figure. They may differ in the network, in
# the warm-up that belongs to it, and in how a run is executed.
_NETWORK = (
    "arch", "option", "projection", "bottleneck_stride", "warmup_steps", "warmup_rate",
    "warmup_shape",
)  # fmt: skip
_EXECUTION = ("seed", "eval_every", "precision", "deterministic", "devices")
# The values that a label includes even if they are those of the paper.
_ALWAYS_INCLUDED = ("steps", "precision", "dataset")
# The values that follow from another one, so that a label need not include them as well.
_IMPLIED = {"steps": ("drops", "eval_every", "warmup_steps"), "schedule": ("drops",)}


@dataclass(frozen=True, eq=False)
class Group:
    """The runs of one recipe, one run per seed.

    Attributes:
        recipe: the recipe of the runs, with seed 0 and with `eval_every` 1.
        runs: the runs, sorted by seed.
        distinctions: the values in which the recipe differs from other recipes for the same
            network, in words: `("6,400 steps", "float32")`.

    Example:

    >>> group = Group(Recipe("resnet20"), (), ("6,400 steps",))
    >>> group.label, group.title
    ('resnet20-A (6,400 steps)', 'ResNet-20 (A), 6,400 steps')
    """

    recipe: Recipe
    runs: tuple[Run, ...]
    distinctions: tuple[str, ...] = ()

    @property
    def network(self) -> str:
        """The network and its variant as commands spell it, such as `resnet20-A`."""
        return self.recipe.architecture.label

    @property
    def label(self) -> str:
        """The name of the group in tables, such as `resnet20-A (6,400 steps)`."""
        distinctions = f" ({', '.join(self.distinctions)})" if self.distinctions else ""
        return f"{self.network}{distinctions}"

    @property
    def title(self) -> str:
        """The name of the group in legends, such as `ResNet-20 (A), 6,400 steps`."""
        return ", ".join([network_title(self.recipe.architecture), *self.distinctions])

    @property
    def complete(self) -> tuple[Run, ...]:
        """The complete runs."""
        return tuple(run for run in self.runs if run.complete)

    @property
    def unfinished(self) -> tuple[Run, ...]:
        """The runs that are not complete."""
        return tuple(run for run in self.runs if not run.complete)

    @property
    def epochs(self) -> float:
        """The number of epochs, rounded to a tenth; NaN if no run recorded its number of images."""
        recorded = (run.config.get("train_examples") for run in self.runs)
        examples = next(filter(None, recorded), math.nan)
        return round(self.recipe.steps * self.recipe.batch_size / examples, 1)

    def last_errors(self, split: str) -> list[float]:
        """Returns the errors after the last step.

        Args:
            split: `"train"`, `"validation"` or `"test"`.

        Returns:
            The error of each complete run in percent, without those that were not measured.
        """
        errors = [run.last_error(split) for run in self.complete]
        return [error for error in errors if error is not None]

    def envelope(self, split: str) -> pd.DataFrame:
        """Returns the mean and the range of an error over the complete runs.

        Args:
            split: `"train"`, `"validation"` or `"test"`.

        Returns:
            A `DataFrame` with the columns `step`, `mean`, `low` and `high` (percent), and one row
            per step at which all complete runs were evaluated.
        """
        import pandas as pd

        curves = {
            index: run.metrics.set_index("step")[f"{split}_error"].dropna()
            for index, run in enumerate(self.complete)
        }
        if not curves:
            return pd.DataFrame({"step": [], "mean": [], "low": [], "high": []})
        table = pd.concat(curves, axis=1, join="inner").sort_index()
        values = {
            "mean": table.mean(axis=1),
            "low": table.min(axis=1),
            "high": table.max(axis=1),
        }
        return pd.DataFrame(values).rename_axis("step").reset_index()


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Groups runs that differ only in their seed and in how often they were evaluated.

    If there are several runs of one recipe and seed, such as a run and its copy, only the one with
    the most steps counts, because they are not independent.

    Args:
        runs: the runs.

    Returns:
        The groups: plain networks before residual ones, shallow ones before deep ones. Groups of
        the same network have distinctions that tell them apart.

    Example:

    >>> import pandas as pd
    >>> from pathlib import Path
    >>> metrics = pd.DataFrame({"step": [500], "test_error": [41.5]})
    >>> recipes = [Recipe("resnet20", seed=0), Recipe("resnet20", seed=1), Recipe("plain20")]
    >>> runs = [Run("a-run", Path("runs"), recipe, metrics) for recipe in recipes]
    >>> [(group.label, len(group.runs)) for group in group_runs(runs)]
    [('plain20', 1), ('resnet20-A', 2)]
    """
    by_recipe: dict[Recipe, dict[int, Run]] = {}
    for run in runs:
        # How often a run is evaluated changes nothing in what it computes.
        recipe = dataclasses.replace(run.recipe, seed=0, eval_every=1)
        by_seed = by_recipe.setdefault(recipe, {})
        other = by_seed.get(run.recipe.seed)
        if other is None or (run.complete, run.step) > (other.complete, other.step):
            by_seed[run.recipe.seed] = run
    recipes = sorted(by_recipe, key=_sort_key)
    return [
        Group(recipe, tuple(run for _, run in sorted(by_recipe[recipe].items())), distinctions)
        for recipe, distinctions in zip(recipes, _all_distinctions(recipes), strict=True)
    ]


def split_by_conditions(groups: Iterable[Group]) -> list[list[Group]]:
    """Splits groups into sets that were trained under equal conditions.

    Args:
        groups: the groups.

    Returns:
        The sets. Those on the paper's data set come first, then those with more networks, then
        those with longer schedules.

    Example:

    >>> groups = [Group(Recipe(arch), ()) for arch in ("plain20", "resnet20")]
    >>> groups.append(Group(Recipe("resnet20", steps=6_400), ()))
    >>> [len(members) for members in split_by_conditions(groups)]
    [2, 1]
    """
    sets: dict[tuple[Any, ...], list[Group]] = {}
    for group in groups:
        sets.setdefault(_conditions(group.recipe), []).append(group)

    def rank(members: list[Group]) -> tuple[bool, int, int]:
        recipe = members[0].recipe
        of_paper = recipe.dataset == "cifar10" or recipe.architecture.family != "cifar"
        return (not of_paper, -len({group.network for group in members}), -recipe.steps)

    return sorted(sets.values(), key=rank)


def network_title(arch: Architecture) -> str:
    """Returns the name of a network as the paper spells it, with its variant in parentheses.

    Args:
        arch: the network.

    Example:

    >>> from resnet_keras import architectures
    >>> network_title(architectures.parse("resnet20", "B", projection="average"))
    'ResNet-20 (B, average)'
    """
    name = {True: "ResNet", False: "Plain"}[arch.residual] if arch.family != "vgg" else "VGG"
    variant = arch.label.removeprefix(arch.name).strip("-").replace("-", ", ")
    return f"{name}-{arch.depth}" + (f" ({variant})" if variant else "")


def paper_steps(recipe: Recipe) -> int:
    """Returns the length of the paper's schedule for the network of a recipe.

    Args:
        recipe: the recipe.

    Returns:
        The number of steps, with the batch size of the paper.

    Example:

    >>> paper_steps(Recipe("resnet20"))
    64000
    """
    return _PAPER_STEPS[recipe.architecture.family]


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Returns the mean and the sample standard deviation.

    Args:
        values: the values.

    Returns:
        Both numbers; NaN if there are too few values.

    Example:

    >>> mean_and_std([8.0, 8.5, 9.0])
    (8.5, 0.5)
    >>> mean_and_std([8.0])
    (8.0, nan)
    """
    mean = statistics.fmean(values) if values else math.nan
    return mean, statistics.stdev(values) if len(values) > 1 else math.nan


def format_seeds(count: int) -> str:
    """Formats a number of seeds.

    Args:
        count: the number of seeds.

    Example:

    >>> format_seeds(1), format_seeds(3)
    ('1 seed', '3 seeds')
    """
    return f"{count} seed" + ("" if count == 1 else "s")


def differing_fields(recipe: Recipe, others: Iterable[Recipe]) -> list[str]:
    """Returns the names of the values in which a recipe differs from any of the others.

    Args:
        recipe: the recipe.
        others: the recipes to compare it with.

    Example:

    >>> differing_fields(Recipe("resnet20"), [Recipe("resnet20", seed=1), Recipe("resnet56")])
    ['arch', 'seed']
    """
    others = list(others)
    return [
        spec.name
        for spec in dataclasses.fields(Recipe)
        if any(getattr(recipe, spec.name) != getattr(other, spec.name) for other in others)
    ]


def format_field(name: str, value: Any) -> str:
    """Formats a value of a recipe for a label.

    Args:
        name: the name of the field in `Recipe`.
        value: its value.

    Example:

    >>> format_field("steps", 7_812), format_field("nesterov", True), format_field("decay", 0.0005)
    ('7,812 steps', 'nesterov', 'decay 0.0005')
    """
    words = name.replace("_", " ")
    if name == "steps":
        return f"{value:,} steps"
    if name in ("precision", "dataset"):
        return str(value)
    if isinstance(value, bool):
        return words if value else f"no {words}"
    if name == "schedule":
        return str(value).replace("_", " ")
    if name == "muon" and not value:
        return "SGD"
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"{words} {text}"


def _conditions(recipe: Recipe) -> tuple[Any, ...]:
    names = [spec.name for spec in dataclasses.fields(Recipe)]
    values = [getattr(recipe, name) for name in names if name not in (*_NETWORK, *_EXECUTION)]
    return (recipe.architecture.family, *values)


def _sort_key(recipe: Recipe) -> tuple[bool, int, str, str, int, str]:
    arch = recipe.architecture
    return (
        arch.residual,
        arch.depth,
        arch.option or "",
        arch.projection,
        -recipe.steps,
        str(recipe),
    )


def _all_distinctions(recipes: Sequence[Recipe]) -> list[tuple[str, ...]]:
    """Returns the distinctions of each recipe: brief ones, unless these are ambiguous."""
    brief = [_distinctions(recipe, recipes, brief=True) for recipe in recipes]
    labels = [
        (recipe.architecture.label, words) for recipe, words in zip(recipes, brief, strict=True)
    ]
    return [
        label[1] if labels.count(label) == 1 else _distinctions(recipe, recipes, brief=False)
        for label, recipe in zip(labels, recipes, strict=True)
    ]


def _distinctions(recipe: Recipe, recipes: Sequence[Recipe], brief: bool) -> tuple[str, ...]:
    """Returns what distinguishes a recipe from the others for the same network.

    If `brief`, values that follow from others and values that are those of the paper are left out.
    """
    label = recipe.architecture.label
    same_network = [
        other for other in recipes if other.architecture.label == label and other != recipe
    ]
    names = differing_fields(recipe, same_network)
    if brief:
        default = Recipe(arch=recipe.arch)
        implied = {other for name in names for other in _IMPLIED.get(name, ())}
        names = [
            name
            for name in names
            if name not in implied
            and (name in _ALWAYS_INCLUDED or getattr(recipe, name) != getattr(default, name))
        ]
    return tuple(format_field(name, getattr(recipe, name)) for name in names)
