"""The paper's comparisons as data. Nothing here runs anything."""

import dataclasses
import math
from dataclasses import dataclass, field

from resnet_keras import recipes
from resnet_keras.errors import unknown
from resnet_keras.recipe import Recipe

IMAGENET_RECIPE = "paper-imagenet"


@dataclass(frozen=True)
class Network:
    """A network of an experiment.

    Attributes:
        arch: its name.
        option, projection: of its shortcuts; `None` takes the paper's.
        first_seed: what is added to the seeds, for an ensemble that has one network twice.
        tag: what the run's name has besides, where a network is trained in several ways.
        changes: those ways: values put over the recipe's.
    """

    arch: str
    option: str | None = None
    projection: str = "conv_bn"
    first_seed: int = 0
    tag: str = ""
    changes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A comparison of the paper.

    Attributes:
        name: as the command line spells it.
        summary: one line.
        networks: in the order they are run.
        recipe: the named recipe they are trained by.
        figures, tables: what is made of the runs, as `reporting.figure_gallery` and `table_gallery`
            call them.
        note: what a reader of the result must know.
        views: of each image that the paper's errors are of, as `evaluate --views` takes it.
        ensemble: whether they are of all networks together.
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

    def recipes(self, *args, **kwargs) -> list[Recipe]:
        """Returns the recipes of `members`, in that order; arguments and errors are the same."""
        return [recipe for _, recipe in self.members(*args, **kwargs)]

    def members(
        self, seeds: int = 1, scale: float = 1.0, only: tuple[str, ...] = (), **given
    ) -> list[tuple[str, Recipe]]:
        """Returns tags and recipes to run: every network with the first seed, then with the next.

        Args:
            seeds: runs a network.
            scale: length of the schedule over the paper's.
            only: networks to keep, by name (`resnet20`), label (`resnet20-B`) or tag; empty for
                all.
            given: values put over the recipe's: `dataset`, `precision`, `eval_every`.

        Raises:
            UsageError: for `only` names that are not in the experiment, or values that do not fit.
        """
        made = [(network.tag, self._make(network, **given)) for network in self.networks]
        names = dict.fromkeys(name for tag, r in made for name in _names(tag, r))
        for name in only:
            if name not in names:
                raise unknown(f"network of {self.name}", name, names)
        if only:
            made = [(tag, r) for tag, r in made if set(_names(tag, r)) & set(only)]
        if scale != 1.0:
            made = [(tag, recipe.scaled(scale)) for tag, recipe in made]
        if "eval_every" in given:
            # What was asked for in steps is meant in steps.
            rows = {"eval_every": given["eval_every"]}
            made = [(tag, dataclasses.replace(recipe, **rows)) for tag, recipe in made]
        return [
            (tag, dataclasses.replace(recipe, seed=recipe.seed + seed))
            for seed in range(seeds)
            for tag, recipe in made
        ]

    def _make(self, network, **given):
        values = {"projection": network.projection, "seed": network.first_seed}
        values = {**values, **network.changes, **given}
        if network.option:
            values["option"] = network.option
        return recipes.make(self.recipe, network.arch, **values)


def get(name: str) -> Experiment:
    """Returns an experiment by name.

    Raises:
        UsageError: if there is none of that name.
    """
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]


def run_name(
    recipe: Recipe, scale: float = 1.0, precision: str | None = None, tag: str = ""
) -> str:
    """Returns the name of a run's folder: the recipe's, and what else was asked for."""
    parts = [recipe.run_name, tag] if tag else [recipe.run_name]
    if scale != 1.0:
        parts.append(f"x{scale:g}")
    if precision:
        parts.append(precision)
    return "-".join(parts)


def _names(tag, recipe):
    """What a network of an experiment may be called."""
    return [name for name in (tag, recipe.architecture.label, recipe.arch) if name]


_DEPTHS = (20, 32, 44, 56)
_RESIDUAL = tuple(Network(f"resnet{depth}") for depth in _DEPTHS)
_DEEP_IMAGENET = tuple(Network(f"resnet{depth}") for depth in (50, 101, 152))
_TABLE_2 = tuple(map(Network, ("plain18", "plain34", "resnet18", "resnet34")))
_TABLE_4 = (Network("resnet34", "B"), Network("resnet34", "C"), *_DEEP_IMAGENET)
# Steps of 128 of 50,000 images; the ablation holds 10,000 of them out.
_EPOCH = 50_000 / 128
_HELD_OUT = 10_000
_EPOCH_HELD_OUT = (50_000 - _HELD_OUT) / 128
_SHORT = {"steps": 2_000, "drops": (1_000, 1_500)}
_FAST_EPOCHS = (5, 10, 20, 30)
_ABLATION_EPOCHS = 5


def _fast(steps):
    """A shorter `fast`: one row at its end, since each row costs a pass over the test set."""
    return {"steps": round(steps), "eval_every": round(steps)}


def _of_batch(size, rate):
    """As many epochs in other batches, at a rate in proportion; Muon's with its root."""
    steps = _ABLATION_EPOCHS * _EPOCH_HELD_OUT * 128 / size
    muon = round(recipes.ONE_CYCLE["muon"] / math.sqrt(size / 128), 4)
    return {"batch_size": size, "learning_rate": rate, "muon": muon, **_fast(steps)}


_SGD = {"muon": 0.0}
# One part each; what changes besides belongs to it.
_PARTS = {
    "base": {},
    "sgd": _SGD,
    "drops": {"schedule": "drops", "learning_rate": 0.1, "drops": (781, 1_172)},
    "peak-0.1": {"learning_rate": 0.1},
    "peak-0.4": {"learning_rate": 0.4},
    "muon-0.3": {"muon": 0.3},
    "peak-at-0.4": {"peak_at": 0.4},
    "no-nesterov": {"nesterov": False},
    # Of batch norm, biases and the last layer: kernels before batch norm take no notice.
    "decay-1e-4": {"decay": 1e-4},
    "decay-kernels": {"decay_on": "kernels"},
    "smoothing-0.1": {"label_smoothing": 0.1},
    "alternate-flip": {"alternate_flip": True},
    "pad-2": {"pad": 2},
    # Each was good alone.
    "smoothing-0.1-pad-2": {"label_smoothing": 0.1, "pad": 2},
    "batch-64": _of_batch(64, 0.1),
    "batch-256": _of_batch(256, 0.4),
    "ema-0.99": {"ema": 0.99},
}
_VIEWS = "The paper's numbers are of many views; training ends with one, the centre crop."


_ALL = (
    Experiment(
        "plain-vs-residual",
        "plain-20, ResNet-20 with options A, B and B with averaging projections",
        (Network("plain20"), Network("resnet20", "A"), Network("resnet20", "B"),
         Network("resnet20", "B", "average")),
        figures=("plain_vs_residual",),
        tables=("plain_vs_residual",),
    ),
    Experiment(
        "depth",
        "plain and residual (option A) with 20, 32, 44, 56 and 110 layers: degradation; Fig. 6",
        (*(Network(f"{kind}{depth}") for depth in _DEPTHS for kind in ("plain", "resnet")),
         Network("plain110"), Network("resnet110")),
        figures=("side_by_side", "fig1", "fig6"),
        tables=("depth",),
    ),
    Experiment(
        "options",
        "ResNet-20 with shortcut options A, B and C",
        tuple(Network("resnet20", option) for option in "ABC"),
        figures=("options",),
        tables=("options",),
        note="The paper compares the options on ImageNet alone (Tables 3 and 4); on CIFAR-10 it "
        "uses A.",
    ),
    Experiment(
        "table6",
        "ResNet-20, -32, -44, -56, -110 and -1202 on CIFAR-10; Table 6",
        (*_RESIDUAL, Network("resnet110"), Network("resnet1202")),
        figures=("fig6",),
        tables=("table6",),
        note="The paper ran ResNet-110 five times (--seeds 5) and the others once.",
    ),
    Experiment(
        "precision",
        "ResNet-20 in float32 and in bfloat16: 2,000 steps, the rate dropping as the paper's does",
        tuple(
            Network("resnet20", tag=precision,
                    changes={**_SHORT, "precision": precision})
            for precision in ("float32", "mixed_bfloat16")
        ),
        tables=("precision",),
        note="One seed shows nothing here: --seeds 3 shows the noise to compare with.",
    ),
    Experiment(
        "fast",
        "ResNet-20 by the recipe fast in 5, 10, 20 and 30 epochs, and in 20 with SGD for Muon",
        (*(Network("resnet20", tag=f"fast-{epochs}", changes=_fast(epochs * _EPOCH))
           for epochs in _FAST_EPOCHS),
         Network("resnet20", tag="fast-20-sgd", changes={**_fast(20 * _EPOCH), **_SGD})),
        "fast", ("fast",), ("fast",),
    ),
    Experiment(
        "fast-ablation",
        "what each part of a fast recipe is worth in 5 epochs, on held-out training images",
        tuple(
            Network("resnet20", tag=f"ablation-{name}",
                    changes={**recipes.ONE_CYCLE, **_fast(_ABLATION_EPOCHS * _EPOCH_HELD_OUT),
                             "validation_size": _HELD_OUT, **changes})
            for name, changes in _PARTS.items()
        ),
        tables=("fast_ablation",),
        note="Of 10,000 images two equal networks differ by some tenths of a percent: --seeds 2.",
    ),
    Experiment(
        "imagenet-table2", "plain and residual networks of 18 and 34 layers on ImageNet", _TABLE_2,
        IMAGENET_RECIPE, ("fig4",), ("imagenet_table2",), _VIEWS, "10crop",
    ),
    Experiment(
        "imagenet-table3", "options A, B, C at 34 layers, and 50, 101 and 152 layers on ImageNet",
        (Network("plain34"), Network("resnet34", "A"), *_TABLE_4),
        IMAGENET_RECIPE, (), ("imagenet_table3",), _VIEWS, "10crop",
    ),
    Experiment(
        "imagenet-table4", "single models of 34 to 152 layers on ImageNet, several scales",
        _TABLE_4, IMAGENET_RECIPE, (), ("imagenet_table3",), _VIEWS, "multiscale",
    ),
    Experiment(
        "imagenet-table5", "the ensemble of six models on ImageNet",
        (*_TABLE_4, Network("resnet152", first_seed=1)),
        IMAGENET_RECIPE, (), ("imagenet_table3",),
        "The paper says: six models of different depth, two of them of 152 layers; which the "
        "other four are, it does not say. 34-B, 34-C, 50 and 101 are taken here. " + _VIEWS,
        "multiscale", ensemble=True,
    ),
    Experiment(
        "imagenet-fig4", "training curves of 18 and 34 layers, plain and residual; Fig. 4",
        _TABLE_2, IMAGENET_RECIPE, ("fig4",), ("imagenet_table2",),
    ),
)  # fmt: skip
EXPERIMENTS = {experiment.name: experiment for experiment in _ALL}
