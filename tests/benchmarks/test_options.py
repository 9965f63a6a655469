"""The flags of the benchmarks: mistakes take one line, and --quick overwrites no result."""

import argparse
from pathlib import Path

import pytest

from benchmarks import __main__ as suites
from benchmarks import gpu, machine, options, scaling
from benchmarks.options import Options
from resnet_keras.cli.flags import positive
from resnet_keras.errors import UserError


def test_auto_includes_bfloat16_if_the_processor_has_it(monkeypatch):
    monkeypatch.setattr(machine, "has_bfloat16", lambda: False)
    assert Options().precisions == ("float32",)
    assert Options(precision="both").precisions == ("float32", "mixed_bfloat16")
    monkeypatch.setattr(machine, "has_bfloat16", lambda: True)
    assert Options().precisions == ("float32", "mixed_bfloat16")
    assert Options(precision="float32").precisions == ("float32",)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "x", "²"])
def test_positive_integers(text):
    with pytest.raises(argparse.ArgumentTypeError, match="positive integer"):
        positive(text)
    assert positive("12") == 12


@pytest.mark.parametrize("text", ["0", "-0.5", "nan", "inf", "", "x"])
def test_positive_numbers(text):
    with pytest.raises(argparse.ArgumentTypeError, match="positive number"):
        options.positive_number(text)
    assert options.positive_number("0.5") == 0.5


def test_quick_writes_to_a_new_temporary_folder():
    default = Path("results/benchmarks")
    assert options.output_folder(None, default, quick=False) == default
    first, second = (options.output_folder(None, default, quick=True) for _ in range(2))
    for folder in (first, second):
        assert folder.is_dir() and not list(folder.iterdir())
        folder.rmdir()
    assert first != second
    assert options.output_folder(Path("mine"), default, quick=True) == Path("mine")


def test_a_mistake_is_reported_in_one_line(capsys):
    def fail():
        raise UserError("no such file")

    assert options.run_command(fail) == 2
    assert capsys.readouterr().err == "error: no such file\n"
    assert options.run_command(lambda: 0) == 0


@pytest.mark.parametrize(
    "main, argv",
    [
        (suites.main, ["sleeping"]),
        (suites.main, ["--steps", "0"]),
        (suites.main, ["training", "--rounds", "0"]),
        (suites.main, ["--precision", "float8"]),
        (gpu.main, ["--quick", "--rounds", "-1"]),
        (scaling.main, ["--images-per-second", "0"]),
    ],
)
def test_wrong_flags_are_rejected(main, argv, capsys):
    with pytest.raises(SystemExit) as exit:
        main(argv)
    assert exit.value.code == 2
    assert argv[-1] in capsys.readouterr().err
