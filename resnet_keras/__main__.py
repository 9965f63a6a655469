"""Runs the command line: `python -m resnet_keras COMMAND …`."""

import sys

from resnet_keras.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
