"""`metrics.csv`: one row per evaluation. This module alone reads and writes the file."""

import csv
import io
import math
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


def read_metrics(path: str | os.PathLike):
    """Reads a run's measurements.

    Args:
        path: a `metrics.csv`. A last line without its newline is one a run was cut short in, or
            has not finished yet, and is left out.

    Returns:
        A pandas `DataFrame` with at least the columns `COLUMNS`, in rising `step` (int64), one row
        a step: where a resumed run measured a step again, what it measured last. The others are
        float64; errors are in percent; what was not measured is NaN, but for `seconds`.

    Raises:
        UserError: if the file is missing, has no measurement, or is not such a file.
    """
    import pandas

    path = Path(path)
    lines = _whole_lines(path)
    _check(path, lines)
    try:
        table = pandas.read_csv(io.StringIO("\n".join(lines)), dtype=float)
    except ValueError as error:
        raise UserError(
            f"{path} holds something other than numbers: {error}. Mend or delete that line"
        ) from error
    for name in ("step", "seconds"):
        missing = [row for row, value in enumerate(table[name], 1) if not math.isfinite(value)]
        if missing:
            raise UserError(
                f"{path} has no {name} in its measurement {missing[0]}. Mend or delete it"
            )
    table["step"] = table["step"].astype("int64")
    table = table.drop_duplicates("step", keep="last").sort_values("step", kind="stable")
    return table.reset_index(drop=True)


def _whole_lines(path):
    try:
        text = path.read_bytes().decode("utf-8-sig", errors="replace")
    except FileNotFoundError as error:
        raise UserError(
            f"no file {path}. Name the metrics.csv in the folder of a run that has begun to train"
        ) from error
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}. Name the metrics.csv of a run"
        ) from error
    lines = text.replace("\r\n", "\n").split("\n")
    # A machine that went down can leave a tail of NUL bytes.
    whole = [line for line in lines[:-1] if line.strip() and "\0" not in line]
    if not whole:
        raise UserError(
            f"{path} is empty: the run has measured nothing yet. Wait for its first measurement, "
            "or start the run again"
        )
    return whole


def _check(path, lines):
    header = lines[0].split(",")
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise UserError(
            f"{path} is no metrics.csv of a run: it lacks the columns {', '.join(missing)}. "
            f"Received: {lines[0][:200]!r}"
        )
    if len(lines) == 1:
        raise UserError(
            f"{path} has its header but no measurement yet. Wait for the run's first one"
        )
    for number, line in enumerate(lines[1:], 2):
        if line.count(",") != len(header) - 1:
            raise UserError(
                f"line {number} of {path} has {line.count(',') + 1} fields where the header has "
                f"{len(header)}. Received: {line[:200]!r}. Mend or delete it"
            )


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
