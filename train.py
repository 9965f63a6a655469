"""Trains a network: `python train.py --arch resnet32 --option A`. `--help` lists all flags."""

import sys

from resnet_keras.cli.main import command

if __name__ == "__main__":
    sys.exit(command("train"))
