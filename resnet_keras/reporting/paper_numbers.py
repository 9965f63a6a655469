"""What the paper reports, number by number, and where."""

from dataclasses import dataclass

from resnet_keras.recipe import Recipe

# The last values of the curves in Fig. 6 can be read to about this many percent.
CURVE_READING = 0.05


@dataclass(frozen=True)
class Reported:
    """An error in the paper.

    Attributes:
        error: percent; `None` where the paper gives a bound alone.
        text: as it is to be printed.
        source: where it stands.
    """

    error: float | None
    text: str
    source: str


def _table6(error):
    return Reported(error, f"{error:.2f}", "Table 6")


def _curve(error):
    return Reported(error, f"{error:.1f}", "end of the curve in Fig. 6")


def _ten_crop(error, table):
    return Reported(error, f"{error:.2f}", f"{table}, top-1, 10-crop")


CIFAR10 = {
    "plain20": _curve(9.7),
    "plain32": _curve(10.1),
    "plain44": _curve(11.4),
    "plain56": _curve(13.2),
    "plain110": Reported(None, "> 60", "section 4.2"),
    "resnet20-A": _table6(8.75),
    "resnet32-A": _table6(7.51),
    "resnet44-A": _table6(7.17),
    "resnet56-A": _table6(6.97),
    "resnet110-A": Reported(6.61, "6.61 ± 0.16 (5)", "Table 6, mean ± std of five runs"),
    "resnet1202-A": _table6(7.93),
}
IMAGENET = {
    "plain18": _ten_crop(27.94, "Table 2"),
    "plain34": _ten_crop(28.54, "Table 2"),
    "resnet18-A": _ten_crop(27.88, "Table 2"),
    "resnet34-A": _ten_crop(25.03, "Table 2"),
    "resnet34-B": _ten_crop(24.52, "Table 3"),
    "resnet34-C": _ten_crop(24.19, "Table 3"),
    "resnet50-B": _ten_crop(22.85, "Table 3"),
    "resnet101-B": _ten_crop(21.75, "Table 3"),
    "resnet152-B": _ten_crop(21.43, "Table 3"),
}
IMAGENET_DATASETS = ("imagenet", "imagenet2012")


def reported(recipe: Recipe) -> Reported | None:
    """Returns what the paper reports for a recipe's network on its data set, if anything: all of
    it trained on all training images."""
    network = recipe.architecture.label
    if recipe.validation_size:
        return None
    if recipe.dataset == "cifar10":
        return CIFAR10.get(network)
    return IMAGENET.get(network) if recipe.dataset in IMAGENET_DATASETS else None
