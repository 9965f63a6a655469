"""Whole numbers on command lines."""

import argparse


def positive(text: str) -> int:
    """Reads a whole number from 1 on, for argparse.

    Raises:
        argparse.ArgumentTypeError: if it is none.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is needed, not {text!r}")
    return int(text)
