"""TensorBoard's logs: the rows of `metrics.csv` once more."""

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
def tensorboard_logs(folder: RunFolder, last: int) -> Iterator[None]:
    """While it is open, `write_scalars` writes to the logs of this run.

    They are written anew from the rows there are: an older process's may hold rows behind the
    checkpoint that the run goes on from, and TensorBoard would draw those steps twice.

    Args:
        folder: the run's.
        last: the step of the last row to take over; later ones are written again.

    Raises:
        UserError: if they cannot be written, or a row cannot be read.
    """
    shutil.rmtree(folder.logs, ignore_errors=True)
    rows = metrics.read(folder.metrics)
    try:
        writer = tf.summary.create_file_writer(str(folder.logs))
    except tf.errors.OpError as error:
        raise UserError(f"cannot write {folder.logs}: {error.message}") from error
    with writer.as_default():
        for row in rows:
            if row.step <= last:
                write_scalars(row)
        yield


def write_scalars(row: Row) -> None:
    """Writes one row."""
    for name, value in dataclasses.asdict(row).items():
        if value is not None and name != "step":
            tf.summary.scalar(name, value, step=row.step)
