"""`metrics.csv`: one row per evaluation. This module alone reads and writes the file.

Training appends rows and, when it resumes, truncates the file to the step of the checkpoint. The
TensorBoard logs are rebuilt from the rows; the reports read the file as a pandas `DataFrame`.
"""

from __future__ import annotations

import csv
import io
import math
import os
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_keras.errors import UserError
from resnet_keras.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Row:
    """One row of `metrics.csv`. The fields are the columns of the file, in this order.

    Attributes:
        step: the number of steps that are done.
        learning_rate: the learning rate of the last of these steps.
        loss: the mean cross-entropy over the augmented batches since the previous row, without
            weight decay. The labels are smoothed if the recipe asks for it.
        train_error: the error in percent over the same batches, measured during training.
        validation_error: the error in percent on the held-out training images; `None` if no images
            are held out.
        test_error: the error in percent on the test set; `None` if it was not measured. If images
            are held out, it is measured only at the end. If weights are averaged (`ema`), the last
            row belongs to the averaged weights, which are the exported ones, and all rows before
            it to the current weights.
        seconds: the wall time of the run, without interruptions.
        images_per_second: the speed of training alone since the previous row.

    Example:

    >>> row = Row(step=500, learning_rate=0.1, loss=1.25, train_error=45.0, validation_error=None,
    ...           test_error=41.5, seconds=12.5, images_per_second=5120.0)
    >>> row.test_error
    41.5
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


def append_row(path: Path, row: Row) -> None:
    """Appends a row, and writes the header first if the file is new.

    The row is synchronized to the disk before the function returns.

    Args:
        path: the `metrics.csv`.
        row: the measurements.

    Raises:
        UserError: if the file cannot be written.

    Example:

    >>> row = Row(500, 0.1, 1.25, 45.0, None, 41.5, 12.5, 5120.0)
    >>> append_row(Path("metrics.csv"), row)
    >>> print(Path("metrics.csv").read_text().splitlines()[1])
    500,0.1,1.25,45,,41.5,12.5,5120.0
    """
    try:
        with open(path, "a", newline="", encoding="utf-8") as file:
            if file.tell() == 0:
                file.write(",".join(COLUMNS) + "\n")
            file.write(_to_line(row))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def truncate(path: Path, step: int) -> int | None:
    """Removes the rows after a step, and a last line that was not completely written.

    Args:
        path: the `metrics.csv`. Nothing happens if it does not exist.
        step: the last step to keep.

    Returns:
        The step of the last remaining row; `None` if no row remains.

    Raises:
        UserError: if the first cell of a row is not a step, or the file cannot be read or written.

    Example:

    >>> for step in (500, 1000):
    ...     append_row(Path("run.csv"), Row(step, 0.1, 1.2, 45.0, None, 41.5, 12.5, 5120.0))
    >>> truncate(Path("run.csv"), 700)
    500
    """
    if not path.exists():
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        complete = [line for line in lines[1:] if line.endswith("\n")]
        remaining = [line for line in complete if int(line.split(",")[0]) <= step]
    except (OSError, ValueError) as error:
        raise _cannot_read(path, error) from error
    with atomic_write(path) as temporary:
        temporary.write_text(",".join(COLUMNS) + "\n" + "".join(remaining), encoding="utf-8")
    return int(remaining[-1].split(",")[0]) if remaining else None


def read_rows(path: Path) -> list[Row]:
    """Reads all rows of a file whose last line is complete, such as one that `truncate` wrote.

    Args:
        path: the `metrics.csv`.

    Returns:
        The rows in the order of the file; an empty list if the file does not exist.

    Raises:
        UserError: if the file cannot be read, or a cell is not a number.

    Example:

    >>> append_row(Path("rows.csv"), Row(500, 0.1, 1.25, 45.0, None, 41.5, 12.5, 5120.0))
    >>> [(row.step, row.test_error) for row in read_rows(Path("rows.csv"))]
    [(500, 41.5)]
    """
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [_to_row(cells) for cells in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise _cannot_read(path, error) from error


def read_table(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Reads a file as a table. The run that writes it may still be going on.

    Args:
        path: a `metrics.csv`. A last line without a newline is ignored, because it is not
            completely written.

    Returns:
        A `DataFrame` with at least the columns `COLUMNS`, sorted by `step` (int64), with one row
        per step: if a resumed run measured a step again, the last measurement counts. All other
        columns are float64, errors are in percent, and NaN stands for what was not measured.
        `seconds` is never NaN.

    Raises:
        UserError: if the file is missing, holds no row, or is not a `metrics.csv`.

    Example:

    >>> append_row(Path("table.csv"), Row(500, 0.1, 1.25, 45.0, None, 41.5, 12.5, 5120.0))
    >>> table = read_table("table.csv")
    >>> table.shape, float(table["test_error"].iloc[-1])
    ((1, 8), 41.5)
    """
    import pandas as pd

    path = Path(path)
    lines = _complete_lines(path)
    _check_columns(path, lines)
    try:
        table = pd.read_csv(io.StringIO("\n".join(lines)), dtype=float)
    except ValueError as error:
        raise UserError(
            f"{path} holds a value that is not a number: {error}. Correct or delete that line"
        ) from error
    for name in ("step", "seconds"):
        missing = [row for row, value in enumerate(table[name], 1) if not math.isfinite(value)]
        if missing:
            raise UserError(f"row {missing[0]} of {path} has no {name}. Correct or delete that row")
    table["step"] = table["step"].astype("int64")
    table = table.drop_duplicates("step", keep="last").sort_values("step", kind="stable")
    return table.reset_index(drop=True)


def _to_line(row: Row) -> str:
    cells = io.StringIO()
    csv.writer(cells, lineterminator="\n").writerow(
        _to_cell(name, value) for name, value in zip(COLUMNS, astuple(row), strict=True)
    )
    return cells.getvalue()


def _to_cell(name: str, value: float | None) -> str:
    if value is None:
        return ""
    if name in _DECIMALS:
        return f"{value:.{_DECIMALS[name]}f}"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _to_row(cells: dict[str, str]) -> Row:
    numbers = {name: float(cells[name]) if cells[name] else None for name in COLUMNS[1:]}
    return Row(int(cells["step"]), **numbers)  # type: ignore[arg-type]  # required cells are set


def _complete_lines(path: Path) -> list[str]:
    """Returns the header and all lines that were completely written."""
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except FileNotFoundError as error:
        raise UserError(
            f"{path} does not exist. Name the metrics.csv in the folder of a run that has started"
        ) from error
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}. Name the metrics.csv of a run"
        ) from error
    lines = text.replace("\r\n", "\n").split("\n")
    # After a power failure, the end of the file can consist of NUL bytes.
    complete = [line for line in lines[:-1] if line.strip() and "\0" not in line]
    if not complete:
        raise UserError(
            f"{path} is empty, because the run has not been evaluated yet. Wait for its first "
            "evaluation, or start the run again"
        )
    return complete


def _check_columns(path: Path, lines: list[str]) -> None:
    header = lines[0].split(",")
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise UserError(
            f"{path} is not the metrics.csv of a run: it lacks the columns {', '.join(missing)}. "
            f"Received: {lines[0][:200]!r}"
        )
    if len(lines) == 1:
        raise UserError(f"{path} has a header but no row yet. Wait for the run's first evaluation")
    for number, line in enumerate(lines[1:], 2):
        if line.count(",") != len(header) - 1:
            raise UserError(
                f"line {number} of {path} has {line.count(',') + 1} cells, but the header has "
                f"{len(header)}. Correct or delete that line. Received: {line[:200]!r}"
            )


def _cannot_read(path: Path, error: Exception) -> UserError:
    return UserError(
        f"cannot read {path}: {error}. Correct the file, or move it away to continue without its "
        "rows"
    )
