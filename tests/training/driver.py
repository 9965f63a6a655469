"""Runs a tiny recipe in a separate process, for tests that kill it.

Usage: python driver.py FOLDER [flag …]: flags of `train.py`, added to tiny settings. The program
appends the number of every executed step to FOLDER/steps.log. If the environment contains
DEVICES=N, the processor is split into N logical devices, each of which stands for a GPU.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

TINY = [
    *("--arch", "resnet8", "--dataset", "digits", "--batch-size", "16", "--steps", "40"),
    *("--drops", "20,30", "--warmup-steps", "6", "--eval-every", "9", "--checkpoint-every", "4"),
    "--deterministic",
]


def train(folder, *flags):
    """Runs the command in this process and returns its exit status."""
    from resnet_keras.cli.main import command

    options = ["--runs-dir", f"{folder}/runs", "--export-dir", f"{folder}/exports", "--name", "run"]
    return command("train", [*TINY, *options, *flags], prog="train.py")


def main():
    folder, *flags = sys.argv[1:]
    from resnet_keras.cli.backend import import_tensorflow

    if "DEVICES" in os.environ:
        import tensorflow as tf

        parts = [tf.config.LogicalDeviceConfiguration()] * int(os.environ["DEVICES"])
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    import_tensorflow()
    from resnet_keras.training.state import TrainingState

    log = os.open(os.path.join(folder, "steps.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    end_step = TrainingState.end_step

    def logged_end_step(state, step):
        os.write(log, f"{step}\n".encode())
        end_step(state, step)

    TrainingState.end_step = logged_end_step
    return train(folder, *flags)


if __name__ == "__main__":
    sys.exit(main())
