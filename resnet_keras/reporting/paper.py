"""The paper's results: the errors in its tables and the curves of Fig. 6."""

from __future__ import annotations

import functools
import importlib.resources
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resnet_keras.recipe import Recipe
from resnet_keras.reporting.groups import Group

if TYPE_CHECKING:
    import pandas as pd

# The precision in percent with which the end of a curve in Fig. 6 can be read.
CURVE_PRECISION = 0.05
IMAGENET_DATASETS = ("imagenet", "imagenet2012")
_CURVES_FILE = "paper_fig6_curves.csv"


@dataclass(frozen=True)
class PaperResult:
    """An error that the paper reports.

    Attributes:
        error: the error in percent; `None` if the paper gives only a bound.
        text: the error as text, such as `6.61 ± 0.16 (5)`.
        source: the place in the paper.

    Example:

    >>> PaperResult(8.75, "8.75", "Table 6").error
    8.75
    """

    error: float | None
    text: str
    source: str


def _table_6(error: float) -> PaperResult:
    return PaperResult(error, f"{error:.2f}", "Table 6")


def _fig_6(error: float) -> PaperResult:
    return PaperResult(error, f"{error:.1f}", "end of the curve in Fig. 6")


def _ten_crop(error: float, table: str) -> PaperResult:
    return PaperResult(error, f"{error:.2f}", f"{table}, top-1, 10-crop")


CIFAR10_RESULTS = {
    "plain20": _fig_6(9.7),
    "plain32": _fig_6(10.1),
    "plain44": _fig_6(11.4),
    "plain56": _fig_6(13.2),
    "plain110": PaperResult(None, "> 60", "section 4.2"),
    "resnet20-A": _table_6(8.75),
    "resnet32-A": _table_6(7.51),
    "resnet44-A": _table_6(7.17),
    "resnet56-A": _table_6(6.97),
    "resnet110-A": PaperResult(6.61, "6.61 ± 0.16 (5)", "Table 6, mean ± std of five runs"),
    "resnet1202-A": _table_6(7.93),
}
IMAGENET_RESULTS = {
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


def paper_result(recipe: Recipe) -> PaperResult | None:
    """Returns the error that the paper reports for the network and the data set of a recipe.

    Args:
        recipe: the recipe.

    Returns:
        The error; `None` if the paper reports none, or if the recipe holds out training images,
        because all networks of the paper are trained on all of them.

    Example:

    >>> paper_result(Recipe("resnet20")).text
    '8.75'
    >>> paper_result(Recipe("resnet20", validation_size=5_000)) is None
    True
    """
    network = recipe.architecture.label
    if recipe.validation_size:
        return None
    if recipe.dataset == "cifar10":
        return CIFAR10_RESULTS.get(network)
    return IMAGENET_RESULTS.get(network) if recipe.dataset in IMAGENET_DATASETS else None


def paper_curve(network: str, split: str) -> pd.DataFrame | None:
    """Returns a curve of Fig. 6.

    Args:
        network: the network as `Architecture.label` spells it, such as `plain20` or `resnet110-A`.
        split: `"train"` or `"test"`.

    Returns:
        A `DataFrame` with the columns `iteration` (of 64,000) and `error_pct`; `None` if the paper
        has no such curve. Errors above 20 % are missing, because the axis of the paper's figure
        ends there.

    Example:

    >>> list(paper_curve("resnet20-A", "test").columns)
    ['iteration', 'error_pct']
    """
    match = re.fullmatch(r"(plain|resnet)(\d+)(-A)?", network)
    if not match or (match[1] == "resnet") != bool(match[3]):
        return None
    table = _curves()
    rows = table[(table["network"] == f"{match[1]}-{match[2]}") & (table["split"] == split)]
    if rows.empty:
        return None
    return rows[["iteration", "error_pct"]].sort_values("iteration").reset_index(drop=True)


def has_paper_curve(group: Group) -> bool:
    """Returns whether Fig. 6 has a curve that can be drawn behind the curve of a group.

    The data set must be CIFAR-10. The learning rate must drop in steps as in the paper, so that
    both schedules have the same phases.

    Args:
        group: the group.

    Example:

    >>> has_paper_curve(Group(Recipe("resnet20"), ()))
    True
    >>> has_paper_curve(Group(Recipe("resnet20", option="B"), ()))
    False
    """
    comparable = group.recipe.dataset == "cifar10" and group.recipe.schedule == "drops"
    return comparable and paper_curve(group.network, "test") is not None


@functools.cache
def _curves() -> pd.DataFrame:
    import pandas as pd

    file = importlib.resources.files("resnet_keras.reporting") / "data" / _CURVES_FILE
    with file.open(encoding="utf-8") as stream:
        return pd.read_csv(stream, comment="#")
