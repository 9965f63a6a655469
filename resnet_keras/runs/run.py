"""Reads the folders that runs wrote: what was run, what was measured, how far it is."""

import dataclasses
import json
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import write_text
from resnet_keras.recipe import Recipe
from resnet_keras.runs.config import read_config
from resnet_keras.runs.folder import CONFIG, METRICS
from resnet_keras.runs.metrics import read_metrics


@dataclass(frozen=True, eq=False)
class Run:
    """One run, as far as it got.

    Attributes:
        name: of the folder.
        path: the folder.
        recipe: what it computes.
        metrics: a pandas `DataFrame`, see `metrics_file.read_metrics`.
        config: all of `config.json`: device, versions, command, …
    """

    name: str
    path: Path
    recipe: Recipe
    metrics: object
    config: dict = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Steps at the last measurement."""
        return int(self.metrics["step"].iloc[-1])

    @property
    def complete(self) -> bool:
        """Whether the last iterate was measured on the test set.

        Read off the measurements, so that it also holds for copies without `result.json`.
        """
        last = self.metrics.iloc[-1]
        return self.step >= self.recipe.steps and last["test_error"] == last["test_error"]

    @property
    def seconds(self) -> float:
        """Wall time of the run so far, interruptions left out."""
        return float(self.metrics["seconds"].iloc[-1])

    @property
    def device(self) -> str:
        """The machine, in words."""
        return str(self.config.get("device") or "unknown")

    def last_error(self, split: str) -> float | None:
        """Returns the last error in percent that was measured on `"train"`, `"validation"` or
        `"test"`; `None` if there is none."""
        values = self.metrics[f"{split}_error"].dropna()
        return float(values.iloc[-1]) if len(values) else None


def read_run(path: str | os.PathLike) -> Run:
    """Reads a run's folder.

    Raises:
        UserError: if it is no folder of a run, or a file in it is missing, damaged or empty.
    """
    path = Path(path)
    if not (path / CONFIG).is_file():
        what = f"holds no {CONFIG}" if path.is_dir() else "does not exist"
        what = "is a file" if path.is_file() else what
        raise UserError(f"{path} is no folder of a run: it {what}. Name one such as runs/NAME")
    try:
        recipe, config = read_config(path / CONFIG)
    except UsageError as error:
        raise UserError(str(error)) from error
    metrics = read_metrics(path / METRICS)
    return Run(path.resolve().name, path, recipe, metrics, config)


def read_runs(paths: Iterable[str | os.PathLike]) -> list[Run]:
    """Reads the folders of several runs, in that order; errors as of `read_run`."""
    return [read_run(path) for path in paths]


def find_runs(runs_dir: str | os.PathLike) -> tuple[list[Run], list[str]]:
    """Reads every run in a folder of run folders.

    Returns:
        The runs, by name, and a line for each folder that holds a run that cannot be read (yet).

    Raises:
        UserError: if there is no such folder, or no run in it that can be read.
    """
    runs_dir = Path(runs_dir)
    if not runs_dir.is_dir():
        raise UserError(
            f"there is no folder {runs_dir}. Name one that holds runs, or make some: "
            "python -m resnet_keras reproduce plain-vs-residual"
        )
    runs, problems = [], []
    for folder in sorted(runs_dir.iterdir()):
        if not (folder / CONFIG).is_file():
            continue
        try:
            runs.append(read_run(folder))
        except UserError as error:
            problems.append(f"left out: {error}")
    if not runs:
        found = f": {'; '.join(problems)}" if problems else ""
        raise UserError(
            f"{runs_dir} holds no run with measurements{found}. Make some: "
            "python -m resnet_keras reproduce plain-vs-residual"
        )
    return runs, problems


def train_command(recipe: Recipe, name: str, data_dir: str | None = None) -> str:
    """Returns the command line that makes a run of an equal recipe under that name.

    What equals `Recipe`'s defaults is left out; the warm-up is always named, since the recipe
    `paper` that `train` starts from has one for some networks.
    """
    words = ["python", "-m", "resnet_keras", "train"]
    default = Recipe(arch=recipe.arch)
    for spec in dataclasses.fields(Recipe):
        value = getattr(recipe, spec.name)
        needed = spec.name in ("arch", "warmup_steps") or value != getattr(default, spec.name)
        if value is None or not needed:
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
    """Copies a run's `config.json` and `metrics.csv` to `results/runs/<name>/`, whole.

    Raises:
        UserError: if they cannot be read or written.
    """
    target = Path(results_dir) / "runs" / Path(run_path).name
    for name in (CONFIG, METRICS):
        try:
            text = (Path(run_path) / name).read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot copy {run_path}/{name}: {error.strerror or error}") from error
        if name == CONFIG:
            json.loads(text)
        write_text(target / name, text)
    return target
