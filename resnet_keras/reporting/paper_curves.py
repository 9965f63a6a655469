"""The paper's own curves of Fig. 6, to lie behind ours."""

import functools
import importlib.resources
import re

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
