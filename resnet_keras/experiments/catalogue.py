"""The comparisons of the paper as data: which networks, with which recipe, in which figures."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from resnet_keras import recipes
from resnet_keras.architectures import CIFAR_DEPTHS
from resnet_keras.errors import unknown
from resnet_keras.recipe import Recipe

_IMAGENET_RECIPE = "paper-imagenet"


@dataclass(frozen=True)
class Network:
    """A network of an experiment.

    Attributes:
        arch: its name, such as `"resnet20"`.
        option: the shortcut option; `None` for the paper's choice.
        projection: how the shortcuts project; see `Recipe`.
        seed_offset: is added to the seed, for an ensemble that contains a network twice.
        tag: is appended to the name of the run, to tell apart several trainings of one network.
        changes: values that replace those of the experiment's recipe.
    """

    arch: str
    option: str | None = None
    projection: str = "conv_bn"
    seed_offset: int = 0
    tag: str = ""
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A comparison of the paper.

    Attributes:
        name: its name on the command line.
        summary: one line for the help text.
        networks: in the order in which they are trained.
        recipe: the name of the recipe; see `recipes.RECIPES`.
        figures: the figures that show the runs; keys of `reporting.gallery.FIGURES`.
        tables: the tables that show the runs; keys of `reporting.gallery.TABLES`.
        note: what a reader of the results has to know.
        views: the views of each image that the paper measures, as in `evaluate.py --views`.
        ensemble: whether the paper measures all networks as one ensemble.
    """

    name: str
    summary: str
    networks: tuple[Network, ...]
    recipe: str = "paper"
    figures: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    note: str = ""
    views: str = "center"
    ensemble: bool = False

    def recipes(
        self, seeds: int = 1, scale: float = 1.0, only: tuple[str, ...] = (), **given: Any
    ) -> list[Recipe]:
        """Returns the recipes of `tagged_recipes` without the tags."""
        return [recipe for _, recipe in self.tagged_recipes(seeds, scale, only, **given)]

    def tagged_recipes(
        self, seeds: int = 1, scale: float = 1.0, only: tuple[str, ...] = (), **given: Any
    ) -> list[tuple[str, Recipe]]:
        """Returns the recipes to train, each with the tag of its network.

        Args:
            seeds: runs per network.
            scale: the length of the schedule relative to the recipe's.
            only: the networks to train, by name (`"resnet20"`), label (`"resnet20-B"`) or tag.
                Empty for all of them.
            **given: values that replace those of the recipe, such as `precision="float32"`.

        Returns:
            All networks with the first seed, then all with the second one, and so on.

        Raises:
            UsageError: if `only` names a network that is not part of the experiment, or if a value
                is not allowed.
        """
        tagged = [(network.tag, self._recipe(network, **given)) for network in self.networks]
        known = dict.fromkeys(name for tag, recipe in tagged for name in _names(tag, recipe))
        for name in only:
            if name not in known:
                raise unknown(f"network of {self.name}", name, known)
        if only:
            tagged = [(tag, recipe) for tag, recipe in tagged if {*_names(tag, recipe)} & {*only}]
        if scale != 1.0:
            tagged = [(tag, recipe.scaled(scale)) for tag, recipe in tagged]
        if "eval_every" in given:
            # A number of steps that the user gave is not scaled.
            tagged = [
                (tag, dataclasses.replace(recipe, eval_every=given["eval_every"]))
                for tag, recipe in tagged
            ]
        return [
            (tag, dataclasses.replace(recipe, seed=recipe.seed + seed))
            for seed in range(seeds)
            for tag, recipe in tagged
        ]

    def _recipe(self, network: Network, **given: Any) -> Recipe:
        defaults = {"projection": network.projection, "seed": network.seed_offset}
        if network.option:
            defaults["option"] = network.option
        defaults.update(network.changes)
        return recipes.make(self.recipe, network.arch, defaults=defaults, **given)


def get_experiment(name: str) -> Experiment:
    """Returns an experiment.

    Args:
        name: a key of `EXPERIMENTS`.

    Raises:
        UsageError: if there is no experiment of that name.

    Example:

    >>> [network.arch for network in get_experiment("imagenet-table2").networks]
    ['plain18', 'plain34', 'resnet18', 'resnet34']
    """
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]


def run_name(
    recipe: Recipe, scale: float = 1.0, precision: str | None = None, tag: str = ""
) -> str:
    """Returns the name of a run of an experiment.

    Args:
        recipe: the recipe of the run.
        scale: the length of the schedule relative to the recipe's, if the user gave one.
        precision: the precision, if the user gave one.
        tag: the tag of the network.

    Example:

    >>> run_name(Recipe("resnet20", seed=1), scale=0.1)
    'resnet20-A-seed1-x0.1'
    """
    parts = [recipe.run_name]
    if tag:
        parts.append(tag)
    if scale != 1.0:
        parts.append(f"x{scale:g}")
    if precision:
        parts.append(precision)
    return "-".join(parts)


def _names(tag: str, recipe: Recipe) -> list[str]:
    """Returns the names under which `only` selects a network."""
    return [name for name in (tag, recipe.architecture.label, recipe.arch) if name]


_BATCH_SIZE = Recipe.batch_size
# Steps per epoch: over all 50,000 training images of CIFAR-10, and over those that are left when
# the ablation holds 10,000 of them out.
_EPOCH = 50_000 / _BATCH_SIZE
_HELD_OUT = 10_000
_EPOCH_HELD_OUT = (50_000 - _HELD_OUT) / _BATCH_SIZE
_FAST_EPOCHS = (5, 10, 20, 30)
_ABLATION_EPOCHS = 5
_SGD = {"muon": 0.0}
_SHORT = {"steps": 2_000, "drops": (1_000, 1_500)}


def _cycle_of(steps: float) -> dict[str, Any]:
    """Returns the values for one cycle of some length.

    `metrics.csv` gets a single row, at the end, because each row costs a pass over the test set.
    """
    return {"steps": round(steps), "eval_every": round(steps)}


def _ablation_with_batch_size(batch_size: int) -> dict[str, Any]:
    """Returns the changes of the ablation for another batch size and the same number of epochs."""
    k = batch_size / _BATCH_SIZE
    learning_rate, muon = recipes.step_sizes_for_batch(
        recipes.ONE_CYCLE["learning_rate"], recipes.ONE_CYCLE["muon"], k
    )
    return {
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        # Rounded, as in the published runs.
        "muon": round(muon, 4),
        **_cycle_of(_ABLATION_EPOCHS * _EPOCH_HELD_OUT / k),
    }


# The runs of the ablation: each changes one part of the recipe, and the values that depend on it.
_ABLATION: dict[str, dict[str, Any]] = {
    "base": {},
    "sgd": _SGD,
    "drops": {"schedule": "drops", "learning_rate": 0.1, "drops": (781, 1_172)},
    "peak-0.1": {"learning_rate": 0.1},
    "peak-0.4": {"learning_rate": 0.4},
    "muon-0.3": {"muon": 0.3},
    "peak-at-0.4": {"peak_at": 0.4},
    "no-nesterov": {"nesterov": False},
    # Affects batch norm, biases and the last layer. For kernels that batch norm follows, the decay
    # changes only the norm, which has no effect on the output.
    "decay-1e-4": {"decay": 1e-4},
    "decay-kernels": {"decay_on": "kernels"},
    "smoothing-0.1": {"label_smoothing": 0.1},
    "alternate-flip": {"alternate_flip": True},
    "pad-2": {"pad": 2},
    # Both changes lowered the error on their own.
    "smoothing-0.1-pad-2": {"label_smoothing": 0.1, "pad": 2},
    "batch-64": _ablation_with_batch_size(64),
    "batch-256": _ablation_with_batch_size(256),
    "ema-0.99": {"ema": 0.99},
}

_RESNETS = tuple(Network(f"resnet{depth}") for depth in CIFAR_DEPTHS)
_PLAIN_AND_RESNETS = tuple(
    Network(f"{family}{depth}") for depth in CIFAR_DEPTHS for family in ("plain", "resnet")
)
_DEEP_IMAGENET = tuple(Network(f"resnet{depth}") for depth in (50, 101, 152))
_TABLE_2 = tuple(Network(arch) for arch in ("plain18", "plain34", "resnet18", "resnet34"))
_TABLE_4 = (Network("resnet34", "B"), Network("resnet34", "C"), *_DEEP_IMAGENET)
_VIEWS_NOTE = (
    "The errors in the paper are measured on many views of each image; a training ends with the "
    "error on a single one, the center crop."
)

_ALL = (
    Experiment(
        name="plain-vs-residual",
        summary="plain-20, ResNet-20 with options A, B and B with averaging projections",
        networks=(
            Network("plain20"),
            Network("resnet20", "A"),
            Network("resnet20", "B"),
            Network("resnet20", "B", "average"),
        ),
        figures=("plain_vs_residual",),
        tables=("plain_vs_residual",),
    ),
    Experiment(
        name="depth",
        summary="plain and residual networks (option A) with 20, 32, 44, 56 and 110 layers: "
        "degradation; Fig. 6",
        networks=(*_PLAIN_AND_RESNETS, Network("plain110"), Network("resnet110")),
        figures=("side_by_side", "fig1", "fig6"),
        tables=("depth",),
    ),
    Experiment(
        name="options",
        summary="ResNet-20 with shortcut options A, B and C",
        networks=tuple(Network("resnet20", option) for option in "ABC"),
        figures=("options",),
        tables=("options",),
        note="The paper compares the options only on ImageNet (Tables 3 and 4); on CIFAR-10 it "
        "uses option A.",
    ),
    Experiment(
        name="table6",
        summary="ResNet-20, -32, -44, -56, -110 and -1202 on CIFAR-10; Table 6",
        networks=(*_RESNETS, Network("resnet110"), Network("resnet1202")),
        figures=("fig6",),
        tables=("table6",),
        note="The paper ran ResNet-110 five times (--seeds 5) and the other networks once.",
    ),
    Experiment(
        name="precision",
        summary="ResNet-20 in float32 and in bfloat16: 2,000 steps with the paper's schedule in "
        "proportion",
        networks=tuple(
            Network("resnet20", tag=precision, changes={**_SHORT, "precision": precision})
            for precision in ("float32", "mixed_bfloat16")
        ),
        tables=("precision",),
        note="A single seed cannot show a difference; --seeds 3 shows how much seeds differ.",
    ),
    Experiment(
        name="fast",
        summary="ResNet-20 with the recipe fast for 5, 10, 20 and 30 epochs, and for 20 epochs "
        "with SGD instead of Muon",
        networks=(
            *(
                Network("resnet20", tag=f"fast-{epochs}", changes=_cycle_of(epochs * _EPOCH))
                for epochs in _FAST_EPOCHS
            ),
            Network("resnet20", tag="fast-20-sgd", changes={**_cycle_of(20 * _EPOCH), **_SGD}),
        ),
        recipe="fast",
        figures=("fast",),
        tables=("fast",),
    ),
    Experiment(
        name="fast-ablation",
        summary="the effect of each part of the recipe fast in 5 epochs, measured on held-out "
        "training images",
        networks=tuple(
            Network(
                "resnet20",
                tag=f"ablation-{name}",
                changes={
                    **recipes.ONE_CYCLE,
                    **_cycle_of(_ABLATION_EPOCHS * _EPOCH_HELD_OUT),
                    "validation_size": _HELD_OUT,
                    **changes,
                },
            )
            for name, changes in _ABLATION.items()
        ),
        tables=("fast_ablation",),
        note="On 10,000 images, two runs of the same recipe differ by some tenths of a percent; "
        "use --seeds 2.",
    ),
    Experiment(
        name="imagenet-table2",
        summary="plain and residual networks of 18 and 34 layers on ImageNet",
        networks=_TABLE_2,
        recipe=_IMAGENET_RECIPE,
        figures=("fig4",),
        tables=("imagenet_table2",),
        note=_VIEWS_NOTE,
        views="10crop",
    ),
    Experiment(
        name="imagenet-table3",
        summary="options A, B and C with 34 layers, and 50, 101 and 152 layers on ImageNet",
        networks=(Network("plain34"), Network("resnet34", "A"), *_TABLE_4),
        recipe=_IMAGENET_RECIPE,
        tables=("imagenet_table3",),
        note=_VIEWS_NOTE,
        views="10crop",
    ),
    Experiment(
        name="imagenet-table4",
        summary="single models of 34 to 152 layers on ImageNet, at several scales",
        networks=_TABLE_4,
        recipe=_IMAGENET_RECIPE,
        tables=("imagenet_table3",),
        note=_VIEWS_NOTE,
        views="multiscale",
    ),
    Experiment(
        name="imagenet-table5",
        summary="the ensemble of six models on ImageNet",
        networks=(*_TABLE_4, Network("resnet152", seed_offset=1)),
        recipe=_IMAGENET_RECIPE,
        tables=("imagenet_table3",),
        note="The paper combines six models of different depth, two of them with 152 layers, and "
        "does not name the other four. 34-B, 34-C, 50 and 101 are used here. " + _VIEWS_NOTE,
        views="multiscale",
        ensemble=True,
    ),
    Experiment(
        name="imagenet-fig4",
        summary="training curves of plain and residual networks of 18 and 34 layers; Fig. 4",
        networks=_TABLE_2,
        recipe=_IMAGENET_RECIPE,
        figures=("fig4",),
        tables=("imagenet_table2",),
    ),
)
EXPERIMENTS = {experiment.name: experiment for experiment in _ALL}
