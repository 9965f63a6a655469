"""`metrics.csv`: a row an evaluation, cut back to the checkpoint a run goes on from."""

import csv
import io
import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.files import written_whole


@dataclass(frozen=True)
class Row:
    """One line of `metrics.csv`.

    Attributes:
        step: steps done.
        learning_rate: of the last of them.
        loss: cross-entropy alone (with smoothed labels if asked for), the mean over the augmented
            batches since the row before.
        train_error: percent, over the same batches, as they were trained on.
        validation_error: percent of the held-out training images, if there are any.
        test_error: percent of the test set. With held-out images it is measured at the end alone.
            With averaged weights (`ema`) the last row is of the averages, as the export is, and
            those before it of the weights as they were.
        seconds: wall time since the run began, interruptions left out.
        images_per_second: of training alone, since the row before.
    """

    step: int
    learning_rate: float
    loss: float
    train_error: float
    validation_error: float | None
    test_error: float | None
    seconds: float
    images_per_second: float


COLUMNS = tuple(spec.name for spec in fields(Row))
_DECIMALS = {"seconds": 1, "images_per_second": 1}


def append(path: Path, row: Row) -> None:
    """Adds a row, with the header if the file is new, and syncs it to the disk.

    Raises:
        UserError: if it cannot be written.
    """
    try:
        with open(path, "a", newline="", encoding="utf-8") as file:
            if file.tell() == 0:
                file.write(",".join(COLUMNS) + "\n")
            file.write(_line(row))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def cut_back(path: Path, step: int) -> int | None:
    """Removes the rows behind `step`, and a last line that was cut off.

    Returns:
        The step of the last row that is left, `None` if there is none.

    Raises:
        UserError: if the file was altered so that it is no table of steps any more.
    """
    if not path.exists():
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines[1:] if line.endswith("\n")]
        kept = [line for line in whole if int(line.split(",")[0]) <= step]
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    with written_whole(path) as beside:
        beside.write_text(",".join(COLUMNS) + "\n" + "".join(kept), encoding="utf-8")
    return int(kept[-1].split(",")[0]) if kept else None


def read(path: Path) -> list[Row]:
    """Reads the rows, none where there is no file yet.

    Raises:
        UserError: if the file cannot be read or a cell is no number.
    """
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [
                Row(int(cells["step"]), *(_number(cells[name]) for name in COLUMNS[1:]))
                for cells in csv.DictReader(file)
            ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path, error):
    return UserError(
        f"cannot read {path}: {error}. Mend it, or move it away to go on without its rows"
    )


def _number(cell):
    return float(cell) if cell else None


def _line(row):
    cells = io.StringIO()
    csv.writer(cells, lineterminator="\n").writerow(
        _cell(name, value) for name, value in zip(COLUMNS, astuple(row), strict=True)
    )
    return cells.getvalue()


def _cell(name, value):
    if value is None:
        return ""
    if name in _DECIMALS:
        return f"{value:.{_DECIMALS[name]}f}"
    return f"{value:.9g}" if isinstance(value, float) else str(value)
