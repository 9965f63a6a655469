"""Measures a trained network: `python evaluate.py saved_models/resnet32-A`.

`--help` lists all flags.
"""

import sys

from resnet_keras.cli.main import command

if __name__ == "__main__":
    sys.exit(command("evaluate"))
