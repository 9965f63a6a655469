"""A wrong flag is one line; what --quick finds out replaces no result."""

import argparse
from pathlib import Path

import pytest

from benchmarks import __main__ as suites
from benchmarks import flags, gpu, scaling
from resnet_keras.cli.flags import positive
from resnet_keras.errors import UserError


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x", "²"])
def test_whole_numbers_begin_at_one(text):
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 on"):
        positive(text)
    assert positive("12") == 12


@pytest.mark.parametrize("text", ["0", "-0.5", "nan", "inf", "", "x"])
def test_numbers_are_above_zero(text):
    with pytest.raises(argparse.ArgumentTypeError, match="above 0"):
        flags.above_zero(text)
    assert flags.above_zero("0.5") == 0.5


def test_what_quick_finds_out_goes_to_a_folder_of_its_own():
    usual = Path("results/benchmarks")
    assert flags.out_folder(None, usual, quick=False) == usual
    first, second = (flags.out_folder(None, usual, quick=True) for _ in range(2))
    for folder in (first, second):
        assert folder.is_dir() and not list(folder.iterdir())
        folder.rmdir()
    assert first != second
    assert flags.out_folder(Path("mine"), usual, quick=True) == Path("mine")


def test_a_mistake_is_one_line(capsys):
    def mistaken():
        raise UserError("no such thing")

    assert flags.run(mistaken) == 2
    assert capsys.readouterr().err == "error: no such thing\n"
    assert flags.run(lambda: 0) == 0


@pytest.mark.parametrize(
    "main, words",
    [
        (suites.main, ["--steps", "0"]),
        (gpu.main, ["--quick", "--rounds", "-1"]),
        (scaling.main, ["--images-per-second", "0"]),
    ],
)
def test_the_commands_take_no_others(main, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert words[-1] in capsys.readouterr().err
