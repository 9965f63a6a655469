"""The run folder `runs/<name>/`: the names of its files, its lock, and how a run ended."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet_keras.artefact import MODEL_FILE, RUN_CONFIG_FILE
from resnet_keras.errors import UserError
from resnet_keras.files import make_folder, path_component, read_json, remove_unfinished, write_json

CONFIG, METRICS, RESULT = RUN_CONFIG_FILE, "metrics.csv", "result.json"


@dataclass(frozen=True)
class RunOptions:
    """Where a run reads and writes, and how it resumes. These options never change the result.

    Attributes:
        data_dir: the folder of the data set; `None` searches the usual places.
        runs_dir: the folder that holds run folders.
        export_dir: the folder that holds exports.
        name: the name of the run and of its export; `None` derives both from the recipe.
        resume: `"auto"` resumes if there is a checkpoint, `"must"` fails if there is none,
            `"never"` starts over.
        checkpoint_every: steps between checkpoints; `None` saves every two minutes.

    Example:

    >>> RunOptions(name="my-run").runs_dir
    'runs'
    """

    data_dir: str | None = None
    runs_dir: str = "runs"
    export_dir: str = "saved_models"
    name: str | None = None
    resume: str = "auto"
    checkpoint_every: int | None = None


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        stopped_by: the number of the signal that interrupted the run; `None` if it is complete.
        run: the run folder.
        export: the version folder of the SavedModel.
        test_error: in percent, measured on that SavedModel.
        validation_error: in percent, on the held-out images, if the run ended with them.

    Example:

    >>> RunResult(None, Path("runs/my-run"), test_error=8.75).stopped_by is None
    True
    """

    stopped_by: int | None
    run: Path
    export: Path | None = None
    test_error: float | None = None
    validation_error: float | None = None


class RunFolder:
    """The files of one run.

    Args:
        runs_dir: the folder that holds run folders.
        name: the run's name, a single path component. Nothing is created yet.

    Attributes:
        path: the folder.

    Raises:
        UsageError: if `name` is not a single path component.

    Example:

    >>> folder = RunFolder("runs", "resnet20-A-seed0")
    >>> folder.config.as_posix()
    'runs/resnet20-A-seed0/config.json'
    """

    def __init__(self, runs_dir: Path | str, name: str) -> None:
        self.path = Path(runs_dir) / path_component(name, "a run's name")

    @property
    def config(self) -> Path:
        """The recipe, and the machines and versions it ran on."""
        return self.path / CONFIG

    @property
    def metrics(self) -> Path:
        """One row per evaluation."""
        return self.path / METRICS

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The trained network."""
        return self.path / MODEL_FILE

    @property
    def preprocessing(self) -> Path:
        """The preprocessing of the pretrained network that the run started from, if any."""
        return self.path / "preprocessing.json"

    @property
    def curve(self) -> Path:
        """The figure of training and test error."""
        return self.path / "curve.png"

    @property
    def logs(self) -> Path:
        """The TensorBoard logs."""
        return self.path / "tensorboard"

    @property
    def result(self) -> Path:
        """The final measurements. The file exists only if the run is complete."""
        return self.path / RESULT

    def read_result(self) -> dict[str, Any]:
        """Reads the final measurements.

        Returns:
            A JSON object. Which keys it has depends on the run: `step` and `seconds` always,
            `test_error` or `validation_error` in percent.

        Raises:
            UserError: if the file is missing or damaged.
        """
        return read_json(self.result)

    def write_result(self, values: dict[str, Any]) -> None:
        """Writes the final measurements and thereby marks the run as complete.

        Args:
            values: a JSON object.

        Raises:
            UserError: if the file cannot be written.
        """
        write_json(self.result, values)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Creates the folder and keeps every other process from running in it.

        The operating system holds the lock, so it disappears with the process, however that ends.

        Raises:
            UserError: if another process holds the lock, or the folder or the lock cannot be
                created.
        """
        make_folder(self.path)
        path = self.path / ".lock"
        with contextlib.ExitStack() as stack:
            try:
                # Unbuffered, so that closing has nothing left to write and cannot fail.
                file = stack.enter_context(open(path, "ab+", buffering=0))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.truncate(0)
                file.write(str(os.getpid()).encode())
            except BlockingIOError:
                file.seek(0)
                holder = file.read().decode("ascii", "replace").strip() or "unknown"
                raise UserError(
                    f"another run (process {holder}) is writing to {self.path}: wait until it "
                    "ends, or choose another --name"
                ) from None
            except OSError as error:
                raise UserError(f"cannot lock {path}: {error.strerror or error}") from error
            for folder in (self.path, self.checkpoints):
                remove_unfinished(folder)
            yield

    def clear(self) -> None:
        """Deletes everything that an earlier run left, except the lock.

        Raises:
            UserError: if something cannot be deleted.
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
