"""Reads the `metrics.csv` that a run writes, also while it still writes it."""

import io
import math
import os
from pathlib import Path

from resnet_keras.errors import UserError

COLUMNS = (
    "step",
    "learning_rate",
    "loss",
    "train_error",
    "validation_error",
    "test_error",
    "seconds",
    "images_per_second",
)


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
