"""What the paper's comparisons are of: networks, and runs that were trained as it did."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from resnet_keras.reporting.groups import Group

DEPTHS = (20, 32, 44, 56)
PLAIN = tuple(f"plain{depth}" for depth in DEPTHS)
RESIDUAL = tuple(f"resnet{depth}-A" for depth in DEPTHS)
TWENTY = ("plain20", "resnet20-A", "resnet20-B", "resnet20-B-average")
OPTIONS = ("resnet20-A", "resnet20-B", "resnet20-C")
TABLE_6 = (*RESIDUAL, "resnet110-A", "resnet1202-A")
IMAGENET_34 = ("plain18", "plain34", "resnet18-A", "resnet34-A")
IMAGENET_3 = ("plain34", "resnet34-A", "resnet34-B", "resnet34-C", *(
    f"resnet{depth}-B" for depth in (50, 101, 152)
))  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A file that was drawn or written: the picture, or the table's csv.

    Attributes:
        path: the file.
        caption: what it shows.
        networks: labels of the groups on it.
        picture: the table drawn, if it is.
    """

    path: Path
    caption: str
    networks: tuple[str, ...]
    picture: Path | None = None


def trained_as_the_paper(groups: Iterable[Group]) -> list[Group]:
    """Returns those trained as the paper did, if for a shorter time: from random weights, by drops,
    on all images.

    A network alone on somebody's own images is no comparison of the paper's; several are.
    """
    chosen = [
        group
        for group in groups
        if group.recipe.schedule == "drops"
        and group.recipe.validation_size == 0
        and group.recipe.train_from is None
    ]
    on_files = {group.network for group in chosen if group.recipe.dataset == "folder"}
    return [group for group in chosen if group.recipe.dataset != "folder" or len(on_files) > 1]


def trained_in_one_cycle(groups: Iterable[Group]) -> list[Group]:
    """Returns those trained in one cycle of the rate, as the recipe fast does: from random weights,
    on all images."""
    return [
        group
        for group in groups
        if group.recipe.schedule == "one_cycle"
        and group.recipe.validation_size == 0
        and group.recipe.train_from is None
    ]
