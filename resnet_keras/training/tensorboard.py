"""TensorBoard logs: the rows of `metrics.csv` as scalars."""

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator

import tensorflow as tf

from resnet_keras.errors import UserError
from resnet_keras.runs import metrics
from resnet_keras.runs.folder import RunFolder
from resnet_keras.runs.metrics import Row


@contextlib.contextmanager
def tensorboard_logs(folder: RunFolder, last_step: int) -> Iterator[None]:
    """Opens the TensorBoard logs of a run; within the block, `write_scalars` writes to them.

    The logs are written anew from the existing rows. Logs of an earlier process may contain rows
    after the checkpoint that the run resumes from, and TensorBoard would draw those steps twice.

    Args:
        folder: the run folder.
        last_step: the step of the last existing row to write; later rows will be written again.

    Raises:
        UserError: if the logs cannot be written, or the existing rows cannot be read.

    Example:

    >>> folder = RunFolder("runs", "resnet20-A-seed0")
    >>> with tensorboard_logs(folder, last_step=64_000):
    ...     write_scalars(Row(500, 0.1, 1.25, 45.0, None, 41.5, 12.5, 5120.0))
    >>> len(list(folder.logs.glob("events*")))
    1
    """
    shutil.rmtree(folder.logs, ignore_errors=True)
    rows = metrics.read_rows(folder.metrics)
    try:
        writer = tf.summary.create_file_writer(str(folder.logs))
    except tf.errors.OpError as error:
        raise UserError(f"cannot write {folder.logs}: {error.message}") from error
    with writer.as_default():
        for row in rows:
            if row.step <= last_step:
                write_scalars(row)
        yield


def write_scalars(row: Row) -> None:
    """Writes a row to the TensorBoard logs that are open; does nothing if none are.

    Args:
        row: the row. Values that are `None` are omitted.

    Example:

    >>> write_scalars(Row(500, 0.1, 1.25, 45.0, None, 41.5, 12.5, 5120.0))
    """
    for name, value in dataclasses.asdict(row).items():
        if value is not None and name != "step":
            tf.summary.scalar(name, value, step=row.step)
