"""Reads run folders: what a run computes, what it has measured, and how far it is."""

from __future__ import annotations

import dataclasses
import math
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_keras import recipes
from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import make_folder, write_text
from resnet_keras.recipe import Recipe, values_without_effect
from resnet_keras.runs.config import read_config, without_absolute_paths, write_config
from resnet_keras.runs.folder import CONFIG, METRICS
from resnet_keras.runs.metrics import read_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Run:
    """A run, complete or not.

    Attributes:
        name: the name of the run folder.
        path: the run folder.
        recipe: the recipe of the run.
        metrics: the rows of `metrics.csv`, at least one; see `metrics.read_table`.
        config: all values of `config.json`: device, versions, command, …

    Example:

    >>> import pandas as pd
    >>> metrics = pd.DataFrame({"step": [500], "test_error": [41.5], "seconds": [12.5]})
    >>> run = Run("my-run", Path("runs/my-run"), Recipe("resnet20"), metrics)
    >>> run.step, run.complete, run.last_error("test")
    (500, False, 41.5)
    """

    name: str
    path: Path
    recipe: Recipe
    metrics: pd.DataFrame
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """The number of steps that were done at the last evaluation."""
        return int(self.metrics["step"].iloc[-1])

    @property
    def complete(self) -> bool:
        """Whether the test error was measured after the last step.

        The answer comes from the metrics alone, so it is also correct for a copy of a run that
        has no `result.json`.
        """
        last_test_error = float(self.metrics["test_error"].iloc[-1])
        return self.step >= self.recipe.steps and not math.isnan(last_test_error)

    @property
    def seconds(self) -> float:
        """The wall time of the run so far in seconds, without interruptions."""
        return float(self.metrics["seconds"].iloc[-1])

    @property
    def device(self) -> str:
        """A description of the machine that the run was started on."""
        return str(self.config.get("device") or "unknown")

    def last_error(self, split: str) -> float | None:
        """Returns the last error that was measured.

        Args:
            split: `"train"`, `"validation"` or `"test"`.

        Returns:
            The error in percent; `None` if it was never measured.
        """
        values = self.metrics[f"{split}_error"].dropna()
        return float(values.iloc[-1]) if len(values) else None


def read_run(path: str | os.PathLike[str]) -> Run:
    """Reads a run folder.

    Args:
        path: the run folder.

    Returns:
        The run.

    Raises:
        UserError: if the path is not a run folder, or if one of its files is missing, damaged or
            empty.

    Example:

    >>> from resnet_keras.runs.config import write_config
    >>> from resnet_keras.runs.metrics import Row, append_row
    >>> folder = Path("runs/my-run")
    >>> folder.mkdir(parents=True)
    >>> write_config(folder / "config.json", {"recipe": {"arch": "resnet20"}})
    >>> append_row(folder / "metrics.csv", Row(500, 0.1, 1.2, 45.0, None, 41.5, 12.5, 5120.0))
    >>> read_run(folder).last_error("test")
    41.5
    """
    path = Path(path)
    if not (path / CONFIG).is_file():
        reason = f"it has no {CONFIG}" if path.is_dir() else "it does not exist"
        reason = "it is a file" if path.is_file() else reason
        raise UserError(f"{path} is not a run folder: {reason}. Name a folder such as runs/NAME")
    try:
        recipe, config = read_config(path / CONFIG)
    except UsageError as error:
        raise UserError(str(error)) from error
    metrics = read_table(path / METRICS)
    return Run(path.resolve().name, path, recipe, metrics, config)


def read_runs(paths: Iterable[str | os.PathLike[str]]) -> list[Run]:
    """Reads several run folders.

    Args:
        paths: the run folders.

    Returns:
        The runs in the order of `paths`.

    Raises:
        UserError: if one of them cannot be read; see `read_run`.

    Example:

    >>> read_runs([])
    []
    """
    return [read_run(path) for path in paths]


def find_runs(runs_dir: str | os.PathLike[str]) -> tuple[list[Run], list[str]]:
    """Reads all runs in a folder.

    Args:
        runs_dir: a folder that holds run folders. Everything else in it is ignored.

    Returns:
        The runs, sorted by name, and one line for each run folder that cannot be read (yet).

    Raises:
        UserError: if the folder does not exist, or no run in it can be read.

    Example:

    >>> from resnet_keras.runs.config import write_config
    >>> from resnet_keras.runs.metrics import Row, append_row
    >>> for folder in (Path("all/first"), Path("all/second")):
    ...     folder.mkdir(parents=True)
    ...     write_config(folder / "config.json", {"recipe": {"arch": "resnet20"}})
    >>> append_row(Path("all/first/metrics.csv"), Row(500, 0.1, 1.2, 45., None, 41., 12., 512.))
    >>> runs, errors = find_runs("all")
    >>> [run.name for run in runs], len(errors)
    (['first'], 1)
    """
    runs_dir = Path(runs_dir)
    if not runs_dir.is_dir():
        raise UserError(
            f"there is no folder {runs_dir}. Name a folder that holds runs, or train some: "
            "python -m resnet_keras reproduce plain-vs-residual"
        )
    runs, errors = [], []
    for folder in sorted(runs_dir.iterdir()):
        if not (folder / CONFIG).is_file():
            continue
        try:
            runs.append(read_run(folder))
        except UserError as error:
            errors.append(f"left out: {error}")
    if not runs:
        details = f" ({'; '.join(errors)})" if errors else ""
        raise UserError(
            f"{runs_dir} holds no run that has been evaluated{details}. Train some: "
            "python -m resnet_keras reproduce plain-vs-residual"
        )
    return runs, errors


def train_command(recipe: Recipe, name: str, data_dir: str | None = None) -> str:
    """Returns the command line that trains a recipe under a name.

    Values that equal the defaults of `Recipe` are left out. The length of the warm-up is always
    included, because the recipe `paper`, which `train` starts from, has a warm-up for some
    networks. Values without effect are left out as well.

    Args:
        recipe: the recipe to train.
        name: the name of the run.
        data_dir: the folder of the data set; `None` leaves the flag out.

    Returns:
        The command, quoted for a shell.

    Example:

    >>> train_command(Recipe("resnet20", seed=2), "second-run")
    'python -m resnet_keras train --arch resnet20 --warmup-steps 0 --seed 2 --name second-run'
    """
    words = ["python", "-m", "resnet_keras", "train"]
    default = Recipe(arch=recipe.arch)
    # `train` refuses flags without effect, but recipes from files may contain such values.
    without_effect = set(values_without_effect(recipe))
    if recipe.steps <= recipe.warmup_steps == recipes.make("paper", recipe.arch).warmup_steps:
        # A short run with the warm-up of the recipe `paper`. `train` refuses such a flag too.
        without_effect.add("warmup_steps")
    for spec in dataclasses.fields(Recipe):
        value = getattr(recipe, spec.name)
        required = spec.name in ("arch", "warmup_steps") or value != getattr(default, spec.name)
        if value is None or not required or spec.name in without_effect:
            continue
        flag = spec.name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            items = value if isinstance(value, tuple) else (value,)
            words.extend([f"--{flag}", ",".join(map(str, items))])
    data = ["--data-dir", data_dir] if data_dir else []
    return shlex.join([*words, *data, "--name", name])


def copy_run(run_path: Path, results_dir: Path) -> Path:
    """Copies the `config.json` and the `metrics.csv` of a run to `results/runs/<name>/`.

    Absolute paths are shortened, so that the copy can be published.

    Args:
        run_path: the run folder.
        results_dir: the folder of results.

    Returns:
        The folder of the copy. It is a run folder too, for `read_run`.

    Raises:
        UserError: if a file cannot be read or written.

    Example:

    >>> folder = Path("runs-to-copy/my-run")
    >>> folder.mkdir(parents=True)
    >>> _ = (folder / "config.json").write_text('{"recipe": {"arch": "resnet20"}}')
    >>> _ = (folder / "metrics.csv").write_text("step,…")
    >>> copy_run(folder, Path("results")).as_posix()
    'results/runs/my-run'
    """
    source, target = Path(run_path), Path(results_dir) / "runs" / Path(run_path).name
    _, config = read_config(source / CONFIG)
    try:
        measurements = (source / METRICS).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read {source / METRICS}: {error.strerror or error}") from error
    make_folder(target)
    write_config(target / CONFIG, without_absolute_paths(config))
    write_text(target / METRICS, measurements)
    return target
