"""The paper's own curves of Fig. 6, to lie behind ours."""

import functools
import importlib.resources
import re
from dataclasses import dataclass

from resnet_keras.recipe import Recipe
from resnet_keras.reporting.groups import Group

FILE = "paper_fig6_curves.csv"


def paper_curve(network: str, split: str):
    """Returns a curve of the paper.

    Args:
        network: as `Architecture.label` spells it: `plain20`, `resnet110-A`.
        split: `"train"` or `"test"`.

    Returns:
        A `DataFrame` with the columns `iteration` (of 64,000) and `error_pct`; `None` where the
        paper has no such curve. It holds nothing above 20 %, where the paper's axis ends.
    """
    match = re.fullmatch(r"(plain|resnet)(\d+)(-A)?", network)
    if not match or (match[1] == "resnet") != bool(match[3]):
        return None
    table = _table()
    rows = table[(table["network"] == f"{match[1]}-{match[2]}") & (table["split"] == split)]
    if rows.empty:
        return None
    return rows[["iteration", "error_pct"]].sort_values("iteration").reset_index(drop=True)


def has_paper_curve(group: Group) -> bool:
    """Whether Fig. 6 has a curve of the group's network, on the group's data set, by a schedule of
    which the same part can be told."""
    comparable = group.recipe.dataset == "cifar10" and group.recipe.schedule == "drops"
    return comparable and paper_curve(group.network, "test") is not None


@functools.cache
def _table():
    import pandas

    file = importlib.resources.files("resnet_keras.reporting") / "data" / FILE
    with file.open(encoding="utf-8") as stream:
        return pandas.read_csv(stream, comment="#")


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
