"""Where a run reads and writes, and how it ended."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Where a run reads and writes, and how: nothing of it changes what is computed.

    Attributes:
        data_dir: where the data set is; `None` looks in the usual places.
        runs_dir: the folder of run folders.
        export_dir: the folder of exports.
        name: the run's and the export's name; `None` makes both of the recipe.
        resume: `"auto"` goes on where a checkpoint is, `"must"` fails without one, `"never"`
            starts over.
        checkpoint_every: steps between checkpoints; `None` saves every two minutes.
    """

    data_dir: str | None = None
    runs_dir: str = "runs"
    export_dir: str = "saved_models"
    name: str | None = None
    resume: str = "auto"
    checkpoint_every: int | None = None


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        stopped_by: the number of the signal that interrupted it; `None` if it is complete.
        run: the run's folder.
        export: the SavedModel's version folder.
        test_error: percent, measured on that SavedModel.
        validation_error: percent, on the images held out, where the run ended with them.
    """

    stopped_by: int | None
    run: Path
    export: Path | None = None
    test_error: float | None = None
    validation_error: float | None = None
