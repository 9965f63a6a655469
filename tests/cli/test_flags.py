"""The flags of the recipe's fields: every command line gives a recipe or an error of one line."""

import argparse
import contextlib
import dataclasses
import io
import json
import subprocess
import sys
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_keras import recipes
from resnet_keras.cli.flags import add_recipe_flags, recipe_from
from resnet_keras.description import KERAS_FILE_MEMBER, Description
from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import write_json
from resnet_keras.preprocessing import Preprocessing
from resnet_keras.recipe import Recipe, value_type

FIELDS = dataclasses.fields(Recipe)


def recipe_parser():
    parser = argparse.ArgumentParser(prog="train", allow_abbrev=False)
    add_recipe_flags(parser)
    return parser


def parse_recipe(*argv):
    return recipe_from(recipe_parser().parse_args(argv))


def test_every_field_has_a_flag():
    text = recipe_parser().format_help()
    for spec in FIELDS:
        assert f"--{spec.name.replace('_', '-')}" in text
    assert "--no-nesterov" in text and "--no-flip" in text
    assert "32000,48000" in text


def test_the_defaults_are_those_of_the_paper():
    assert parse_recipe("--arch", "resnet32") == Recipe("resnet32")
    assert parse_recipe("--arch", "resnet110") == recipes.make("paper", "resnet110")
    assert parse_recipe("--arch", "resnet8", "--recipe", "demo") == recipes.make("demo", "resnet8")


def test_flags_override_the_recipe():
    recipe = parse_recipe(
        *[
            "--arch",
            "resnet20",
            "--option",
            "B",
            "--projection",
            "average",
            "--steps",
            "50",
            "--drops",
            "10,20",
            "--nesterov",
            "--no-flip",
            "--learning-rate",
            "1e-3",
            "--decay-on",
            "kernels",
            "--seed",
            "3",
            "--precision",
            "float32",
        ]
    )
    assert recipe == Recipe(
        "resnet20", "B", "average", steps=50, drops=(10, 20), nesterov=True, flip=False,
        learning_rate=1e-3, decay_on="kernels", seed=3, precision="float32",
    )  # fmt: skip


def test_a_flag_with_the_default_value_overrides_the_recipe():
    assert parse_recipe("--recipe", "demo", "--arch", "resnet8", "--steps", "64000").steps == 64_000


@pytest.mark.parametrize("text", ["", ",", " "])
def test_an_empty_list_of_drops(text):
    assert parse_recipe("--arch", "resnet20", "--drops", text).drops == ()


def test_steps_scale():
    recipe = parse_recipe("--arch", "resnet110", "--steps-scale", "0.1")
    assert recipe == Recipe("resnet110", warmup_steps=400).scaled(0.1)


def test_config(tmp_path):
    path = tmp_path / "config.json"
    original = Recipe("resnet56", option="B", seed=4, steps=100, drops=(10,))
    write_json(path, {"recipe": original.to_json(), "device": "CPU"})
    assert parse_recipe("--config", str(path)) == original
    assert parse_recipe("--config", str(path), "--seed", "5") == dataclasses.replace(
        original, seed=5
    )
    # Another network gets its own default option, not the one in the file.
    assert parse_recipe("--config", str(path), "--arch", "plain20") == dataclasses.replace(
        original, arch="plain20", option=None
    )
    assert parse_recipe("--config", str(path), "--arch", "resnet20", "--option", "C").option == "C"


def test_config_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="none"):
        parse_recipe("--config", str(tmp_path / "none"))


@pytest.mark.parametrize(
    "argv, words",
    [
        ("--arch rsnet20", ["'rsnet20'", "known: resnet20"]),
        ("--arch resnet20 --option D", ["option", "'D'", "known:"]),
        ("--arch resnet20 --recipe papre", ["recipe", "known: paper"]),
        ("--arch resnet20 --precision bfloat16", ["known: mixed_bfloat16"]),
        ("--arch resnet20 --decay-on kernel", ["known: kernels"]),
        ("--arch resnet20 --option B --projection avg", ["known: average"]),
        ("--arch plain20 --option A", ["no shortcuts"]),
        ("--arch resnet20 --projection average", ["option A"]),
        ("--arch resnet20 --steps 0", ["--steps", "at least 1", "0"]),
        ("--arch resnet20 --learning-rate nan", ["--learning-rate", "nan"]),
        ("--arch resnet20 --steps-scale 0", ["scale"]),
        ("--arch resnet20 --steps-scale nan", ["scale"]),
        ("--arch resnet20 --drops 5,4", ["drops", "5,4"]),
        ("--arch resnet20 --peak-at 0.5", ["--peak-at has no effect", "schedule one_cycle"]),
        (
            "--arch resnet20 --recipe fast --drops 5",
            ["--drops has no effect", "Received: --drops 5"],
        ),
        ("--arch resnet20 --warmup-rate 0.1", ["--warmup-rate has no effect", "--warmup-steps"]),
        ("--arch resnet20 --skip-corrupt", ["--skip-corrupt has", "--dataset folder"]),
        ("--arch resnet20 --image-size 64", ["--image-size has no effect", "32x32"]),
        ("--arch resnet20 --augmentation scale", ["on images in memory", "--augmentation pad"]),
        ("--arch resnet20 --steps 9 --drop-factor 0.5", ["--drop-factor has no", "--drops"]),
        ("--arch resnet20 --steps 9 --warmup-steps 9", ["9 steps", "--warmup-steps 9"]),
        ("--arch resnet20 --devices 1 --sync-bn", ["--sync-bn has no effect", "--devices"]),
        ("--steps 5", ["--arch is missing"]),
        ("", ["--arch is missing"]),
    ],
)
def test_wrong_values(argv, words):
    with pytest.raises(UsageError) as caught:
        parse_recipe(*argv.split())
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    "argv", ["--steps many", "--drops a,b", "--learning-rate", "--colour red", "--step 5",
             "--steps 1.5", "--drops 1.5", "positional"],
)  # fmt: skip
def test_errors_of_argparse(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        parse_recipe("--arch", "resnet20", *argv.split())
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


VALUES = st.one_of(
    st.sampled_from(
        ["0", "1", "-1", "1e400", "1e-400", "nan", "-inf", "", " ", "A", "B", "average", "all",
         "resnet20", "resnet110", "plain20", "resnet50", "vgg19", "digits", "demo", "paper",
         "32000", "10,20", "20,10", ",", "1,,2", "9" * 30, "9" * 5000, "0.5", "0x10", "1_000",
         "١٢", "²", "auto", "float32", "kernels", "1x1", "3x3", "--", "-"]
    ),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=8),
)  # fmt: skip


@st.composite
def command_lines(draw):
    argv = []
    if draw(st.booleans()):
        argv += ["--arch", draw(st.sampled_from(["resnet20", "resnet110", "plain20", "resnet50"]))]
    for _ in range(draw(st.integers(0, 4))):
        spec = draw(st.sampled_from(FIELDS))
        flag = f"--{spec.name.replace('_', '-')}"
        if value_type(spec)[0] is bool:
            argv.append(flag if draw(st.booleans()) else flag.replace("--", "--no-", 1))
        else:
            argv += [f"{flag}={draw(VALUES)}"] if draw(st.booleans()) else [flag, draw(VALUES)]
    for flag in ("--recipe", "--steps-scale"):
        if draw(st.integers(0, 4)) == 0:
            argv.append(f"{flag}={draw(VALUES)}")
    return argv


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(command_lines())
def test_any_command_line_is_a_recipe_or_a_usage_error(argv):
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        try:
            recipe = parse_recipe(*argv)
        except UserError as error:
            assert str(error).strip()
            # `--train-from` is the only flag that can name a missing file.
            assert isinstance(error, UsageError) or "--train-from" in str(error)
            return
        except SystemExit as stop:
            assert stop.code == 2
            return
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert "/" not in recipe.run_name


def test_scale_lr_adapts_the_schedule_to_the_batch_size():
    recipe = parse_recipe("--arch", "resnet20", "--batch-size", "512", "--scale-lr")
    assert recipe == recipes.for_batch(Recipe("resnet20"), 512)
    shortened = parse_recipe(
        *("--arch", "resnet20", "--batch-size", "512", "--scale-lr", "--steps-scale", "0.1")
    )
    assert shortened.steps == 1_600 and shortened.learning_rate == pytest.approx(0.4)
    with pytest.raises(UsageError, match="also give --batch-size"):
        parse_recipe("--arch", "resnet20", "--scale-lr")


def test_scale_lr_chooses_the_warm_up_of_a_larger_batch():
    larger = ("--arch", "resnet20", "--batch-size", "512", "--scale-lr")
    for flags in (("--warmup-steps", "100"), ("--warmup-steps", "0"), ("--warmup-shape", "linear")):
        with pytest.raises(UsageError, match=f"--scale-lr chooses {flags[0]} .*{' '.join(flags)}$"):
            parse_recipe(*larger, *flags)
    recipe = parse_recipe(*larger, "--warmup-rate", "0.02")
    assert recipe == recipes.for_batch(Recipe("resnet20"), 512, warmup_rate=0.02)
    assert recipe.warmup_rate == 0.02
    assert (
        parse_recipe(*larger, "--warmup-rate", "0.02", "--steps-scale", "0.1").warmup_rate == 0.02
    )


def test_scale_lr_keeps_a_given_warm_up_of_a_smaller_batch():
    smaller = ("--arch", "resnet20", "--batch-size", "64", "--scale-lr")
    recipe = parse_recipe(*smaller, "--warmup-steps", "100", "--warmup-shape", "linear")
    assert (recipe.warmup_steps, recipe.warmup_shape) == (200, "linear")
    with pytest.raises(UsageError, match="--warmup-rate has no effect without a warm-up"):
        parse_recipe(*smaller, "--warmup-rate", "0.02")


def test_scale_lr_refuses_a_warm_up_under_one_cycle():
    argv = ("--arch", "resnet20", "--recipe", "fast", "--batch-size", "512", "--scale-lr")
    for flags in (("--warmup-steps", "100"), ("--warmup-rate", "0.02")):
        with pytest.raises(UsageError, match=f"{flags[0]} has no effect under .* one_cycle"):
            parse_recipe(*argv, *flags)


def test_config_and_recipe_exclude_each_other(tmp_path):
    write_json(tmp_path / "config.json", {"recipe": Recipe("resnet8").to_json()})
    file = str(tmp_path / "config.json")
    assert parse_recipe("--config", file) == Recipe("resnet8")
    with pytest.raises(UsageError, match="--config and --recipe"):
        parse_recipe("--config", file, "--recipe", "paper")


def test_flags_must_have_an_effect_but_values_from_a_file_need_not(tmp_path):
    file = str(tmp_path / "config.json")
    original = recipes.make("fast", "resnet20", peak_at=0.4)
    write_json(tmp_path / "config.json", {"recipe": original.to_json()})
    switched = parse_recipe("--config", file, "--schedule", "drops", "--drops", "5")
    assert (switched.drops, switched.peak_at) == ((5,), 0.4)
    with pytest.raises(UsageError, match="--peak-at has no effect"):
        parse_recipe("--config", file, "--schedule", "drops", "--peak-at", "0.4")
    with pytest.raises(UsageError, match="--warmup-steps has no effect"):
        parse_recipe("--config", file, "--warmup-steps", "5")
    original = Recipe("resnet110", warmup_steps=400, warmup_shape="linear", drop_factor=0.2)
    write_json(tmp_path / "config.json", {"recipe": original.to_json()})
    assert parse_recipe("--config", file, "--schedule", "one_cycle").drops == ()


def test_train_from_reads_the_architecture_without_keras(tmp_path):
    preprocessing = Preprocessing((8, 8), "stretch", 1.0, (0,) * 3, (1,) * 3, ("a", "b"))
    description = Description(preprocessing, {"arch": "resnet14", "option": "B"})
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr(KERAS_FILE_MEMBER, json.dumps(description.to_json()))
    code = (
        "import argparse, sys\n"
        "from resnet_keras.cli.flags import add_recipe_flags, recipe_from\n"
        "parser = argparse.ArgumentParser()\n"
        "add_recipe_flags(parser)\n"
        "recipe = recipe_from(parser.parse_args(sys.argv[1:]))\n"
        "print(recipe.arch, recipe.option)\n"
        "assert not {'keras', 'tensorflow', 'jax'} & set(sys.modules)\n"
    )
    argv = ["--recipe", "finetune", "--train-from", str(tmp_path / "a.keras")]
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("resnet14 B\n", "")


def test_values_from_a_pretrained_network_need_not_have_an_effect(tmp_path, monkeypatch):
    from resnet_keras.cli import flags

    network = {"arch": "resnet20", "option": "A", "projection": "conv_bn"}
    monkeypatch.setattr(flags, "_network_of", lambda path, arch: network)
    argv = ("--recipe", "demo", "--train-from", "a.keras")
    assert parse_recipe(*argv).arch == "resnet20"
    with pytest.raises(UsageError, match="--projection has no effect"):
        parse_recipe(*argv, "--projection", "conv_bn")
