"""`runs/<name>/`: what a run writes, and who may write it."""

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
from pathlib import Path

from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import make_folder, one_component, remove_unfinished, written_whole
from resnet_keras.recipe import Recipe


class RunFolder:
    """The files of one run.

    Attributes:
        path: the folder.
    """

    def __init__(self, runs_dir: Path | str, name: str):
        """Names the folder; makes nothing yet.

        Raises:
            UsageError: if `name` is not one path component.
        """
        self.path = Path(runs_dir) / one_component(name, "a run's name")

    @property
    def config(self) -> Path:
        """The recipe and where it ran."""
        return self.path / "config.json"

    @property
    def metrics(self) -> Path:
        """A row an evaluation."""
        return self.path / "metrics.csv"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The network at the end."""
        return self.path / "model.keras"

    @property
    def preprocessing(self) -> Path:
        """That of the network in `train_from`, where the run began with one."""
        return self.path / "preprocessing.json"

    @property
    def curve(self) -> Path:
        """The figure of the two errors."""
        return self.path / "curve.png"

    @property
    def logs(self) -> Path:
        """TensorBoard's folder."""
        return self.path / "tensorboard"

    @property
    def result(self) -> Path:
        """What the run ended with; there only once it is complete."""
        return self.path / "result.json"

    @contextlib.contextmanager
    def locked(self):
        """Makes the folder and keeps every other process from running in it.

        The lock is the operating system's, so it goes with the process however that ends.

        Raises:
            UserError: if another process has it, or the folder or the lock cannot be made.
        """
        make_folder(self.path)
        path = self.path / ".lock"
        with contextlib.ExitStack() as stack:
            try:
                # Unbuffered: closing has nothing left to write, and nothing to fail at.
                file = stack.enter_context(open(path, "ab+", buffering=0))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.truncate(0)
                file.write(str(os.getpid()).encode())
            except BlockingIOError:
                file.seek(0)
                holder = file.read().decode("ascii", "replace").strip() or "unknown"
                raise UserError(
                    f"another run (process {holder}) is writing to {self.path}: wait for it, or "
                    "choose another --name"
                ) from None
            except OSError as error:
                raise UserError(f"cannot lock {path}: {error.strerror or error}") from error
            for folder in (self.path, self.checkpoints):
                remove_unfinished(folder)
            yield

    def clear(self) -> None:
        """Removes what an earlier run left, all but the lock.

        Raises:
            UserError: if something cannot be removed.
        """
        try:
            for path in (self.checkpoints, self.logs):
                if path.exists():
                    shutil.rmtree(path)
            files = (self.config, self.metrics, self.model, self.curve, self.result)
            for path in (*files, self.preprocessing):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"cannot clear {self.path}: {error}") from error

    def check_same(self, recipe: Recipe, backend: str = "tensorflow") -> None:
        """Compares a recipe with the one the folder was started with.

        The number of devices is no difference where batch norm's statistics are of the whole
        batch, now and then.

        Args:
            recipe: what would be computed now.
            backend: Keras', now.

        Raises:
            UserError: if they differ, naming each difference, or if `config.json` is damaged.
        """
        before = read_recipe(self.config)
        then = read_json(self.config).get("versions", {}).get("backend", "tensorflow")
        if _norms_are_whole(recipe, backend) and _norms_are_whole(before, then):
            before = dataclasses.replace(before, devices=recipe.devices, sync_bn=recipe.sync_bn)
        differences = recipe.differences(before)
        if differences:
            raise UserError(
                f"{self.path} was started with other values ({'; '.join(differences)}). "
                "Give those, choose another --name, or start over with --resume never"
            )


def _norms_are_whole(recipe, backend):
    return recipe.devices == 1 or recipe.sync_bn or backend == "jax"


def write_json(path: Path, values: dict) -> None:
    """Writes a JSON file, whole or not at all.

    Raises:
        UserError: if it cannot be written.
    """
    with written_whole(path) as beside:
        beside.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_json(path: Path) -> dict:
    """Reads a JSON object.

    Raises:
        UserError: if the file is missing or holds none.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"cannot read {path}: it holds no JSON object")
    return values


def read_recipe(path: Path | str) -> Recipe:
    """Reads the recipe in a run's `config.json`, or a file that is a recipe alone.

    Raises:
        UserError: if the file cannot be read or its values do not fit.
    """
    values = read_json(Path(path))
    try:
        return Recipe.from_json(values.get("recipe", values))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
