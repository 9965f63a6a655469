"""The entry points: exit statuses, errors in one line, and no imports that are not needed."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from resnet_keras.cli import main
from resnet_keras.errors import UsageError, UserError

ROOT = Path(__file__).resolve().parents[2]


def call(*argv, cwd=ROOT, **environment):
    return subprocess.run(
        [sys.executable, *argv],
        cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


@pytest.fixture
def fake(monkeypatch):
    """Adds a command `fake` that calls a given function."""

    def install(action):
        module = SimpleNamespace(
            HELP="Fake.", configure=lambda parser: parser.add_argument("--x"), run=action
        )
        monkeypatch.setitem(main.COMMANDS, "fake", "fake")
        monkeypatch.setitem(sys.modules, "resnet_keras.cli.fake", module)
        monkeypatch.setattr("resnet_keras.cli.fake", module, raising=False)

    return install


def raising(error):
    def run(args):
        raise error

    return run


@pytest.mark.parametrize(
    "error, status",
    [(UserError("the disk\n  is full"), 1), (UsageError("no such\nthing"), 2),
     (KeyboardInterrupt(), 130)],
)  # fmt: skip
def test_exit_status_and_one_line(fake, capsys, error, status):
    fake(raising(error))
    assert main.command("fake", []) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    if isinstance(error, UserError):
        assert printed.err.count("\n") == 1
        assert printed.err.strip().endswith(" ".join(str(error).split()))


def test_a_closed_pipe_causes_no_traceback():
    # The output is larger than the buffer of a pipe, and the reader has closed it.
    script = (
        "import sys\nfrom types import SimpleNamespace\nfrom resnet_keras.cli import main\n"
        "main.COMMANDS['fake'] = 'fake'\n"
        "sys.modules['resnet_keras.cli.fake'] = SimpleNamespace(HELP='', configure=lambda p: None,"
        " run=lambda args: print('x' * 1_000_000))\n"
        "sys.exit(main.command('fake', []))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 1
    assert errors == b""


def test_a_defect_of_this_program_keeps_its_traceback(fake):
    fake(raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main.command("fake", [])


@pytest.mark.parametrize("name", ["keras", "google.protobuf"])
def test_a_missing_package_is_reported(fake, capsys, name):
    fake(raising(ModuleNotFoundError(f"No module named {name!r}", name=name)))
    assert main.command("fake", []) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert f"{name.split('.')[0]} is not installed for {sys.executable}" in message
    assert "pip install -r requirements.txt" in message


@pytest.mark.parametrize(
    "argv", [["predict", "saved_models/resnet20-A", "x.png"], [], ["train", "--arch", "resnet20"]]
)
def test_without_the_requirements_the_error_is_one_line(argv):
    # -S disables the installed packages.
    done = call("-S", "-m", "resnet_keras", *argv)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "is not installed for" in done.stderr


@pytest.mark.parametrize("name", [None, "resnet_keras.not_there"])
def test_a_missing_module_of_this_program_keeps_its_traceback(fake, name):
    fake(raising(ModuleNotFoundError("No module", name=name)))
    with pytest.raises(ModuleNotFoundError):
        main.command("fake", [])


@pytest.mark.parametrize("returned, status", [(None, 0), (0, 0), (143, 143)])
def test_the_status_that_the_command_returns(fake, returned, status):
    fake(lambda args: returned)
    assert main.command("fake", ["--x", "1"]) == status
    assert main.main(["fake"]) == status


@pytest.mark.parametrize("argv", [["--y"], ["--x"], ["z"]])
def test_errors_of_argparse(fake, argv):
    fake(lambda args: 0)
    with pytest.raises(SystemExit) as caught:
        main.command("fake", argv)
    assert caught.value.code == 2


def test_flags_are_not_abbreviated(capsys):
    with pytest.raises(SystemExit) as caught:
        main.command("train", ["--arc", "resnet20"])
    assert caught.value.code == 2
    assert "unrecognized" in capsys.readouterr().err


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_help(name, capsys):
    with pytest.raises(SystemExit) as caught:
        main.command(name, ["--help"])
    assert caught.value.code == 0
    assert len(capsys.readouterr().out) > 100


def test_the_overview_lists_all_commands(capsys):
    with pytest.raises(SystemExit) as caught:
        main.main([])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in main.COMMANDS)


def test_unknown_command_lists_the_nearest_first(capsys):
    assert main.main(["trian"]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert "'trian'; known: train" in printed.err


@pytest.mark.parametrize(
    "argv, words",
    [
        ("--arch rsnet20", ["'rsnet20'", "known: resnet20"]),
        ("--arch plain20 --option B", ["no shortcuts"]),
        ("", ["--arch is missing"]),
        ("--arch resnet20 --steps -3", ["steps", "-3"]),
        ("--arch resnet20 --recipe peper", ["known: paper"]),
    ],
)
def test_wrong_flags_of_train(argv, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main.command("train", argv.split(), prog="train.py") == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("train.py: ")
    assert all(word in printed.err for word in words)
    assert not list(tmp_path.iterdir())


def test_a_missing_config_is_status_1(capsys, tmp_path):
    assert main.command("train", ["--config", str(tmp_path / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "1.5", "x", "", "²"])
def test_checkpoint_every_must_be_a_positive_integer(number, capsys):
    with pytest.raises(SystemExit) as caught:
        main.command("train", ["--arch", "resnet20", f"--checkpoint-every={number}"])
    assert caught.value.code == 2
    assert "a positive integer" in capsys.readouterr().err


SLOW_TO_IMPORT = ("tensorflow", "keras", "jax", "pandas", "matplotlib", "sklearn")


@pytest.mark.parametrize(
    "argv", [["train", "--help"], ["train", "--arch", "resnet21"], ["train", "--config", "/none"]]
)
def test_nothing_slow_is_imported_before_it_is_needed(argv):
    script = (
        "import sys\nfrom resnet_keras.cli.main import command\n"
        f"try:\n    command(sys.argv[1], sys.argv[2:])\nexcept SystemExit:\n    pass\n"
        f"imported = [name for name in {SLOW_TO_IMPORT} if name in sys.modules]\n"
        "sys.exit(f'imported {imported}' if imported else 0)"
    )
    done = call("-c", script, *argv)
    assert done.returncode == 0, done.stderr


def test_train_help_is_quick():
    def once():
        start = time.perf_counter()
        done = call("train.py", "--help")
        assert done.returncode == 0 and "--arch" in done.stdout
        return time.perf_counter() - start

    # The fastest of several, because other programs may be running.
    assert min(once() for _ in range(5)) < 0.5


def test_the_entry_points_as_a_user_runs_them(tmp_path):
    done = call("train.py", "--arch", "resnet2O")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "known: resnet20" in done.stderr
    done = call("-m", "resnet_keras", "--version")
    assert done.returncode == 0 and done.stdout.strip()
    done = call("-m", "resnet_keras", "train", "--config", str(tmp_path / "none"))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.startswith("resnet-keras train: cannot read")


@pytest.mark.slow
def test_evaluating_an_empty_folder_is_an_error_of_one_line(tmp_path):
    done = call("evaluate.py", str(tmp_path), cwd=ROOT)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and "neither a SavedModel nor a finished run" in done.stderr
