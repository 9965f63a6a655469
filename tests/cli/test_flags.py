"""Flags made from the recipe's fields: whatever is typed, a recipe or one clear line."""

import argparse
import contextlib
import dataclasses
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_keras import recipes
from resnet_keras.cli.flags import add_recipe_flags, recipe_from
from resnet_keras.errors import UsageError, UserError
from resnet_keras.files import write_json
from resnet_keras.recipe import Recipe, value_type

FIELDS = dataclasses.fields(Recipe)


def parser_of():
    parser = argparse.ArgumentParser(prog="train", allow_abbrev=False)
    add_recipe_flags(parser)
    return parser


def recipe_of(*argv):
    return recipe_from(parser_of().parse_args(argv))


def test_every_field_has_a_flag():
    text = parser_of().format_help()
    for spec in FIELDS:
        assert f"--{spec.name.replace('_', '-')}" in text
    assert "--no-nesterov" in text and "--no-flip" in text
    assert "32000,48000" in text


def test_nothing_but_the_network_is_the_paper():
    assert recipe_of("--arch", "resnet32") == Recipe("resnet32")
    assert recipe_of("--arch", "resnet110") == recipes.make("paper", "resnet110")
    assert recipe_of("--arch", "resnet8", "--recipe", "demo") == recipes.make("demo", "resnet8")


def test_given_values_go_over_the_recipe():
    recipe = recipe_of(
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


def test_a_flag_that_repeats_the_default_counts_as_given():
    assert recipe_of(*["--recipe", "demo", "--arch", "resnet8", "--steps", "64000"]).steps == 64_000


@pytest.mark.parametrize("text", ["", ",", " "])
def test_no_drops(text):
    assert recipe_of("--arch", "resnet20", "--drops", text).drops == ()


def test_steps_scale():
    recipe = recipe_of("--arch", "resnet110", "--steps-scale", "0.1")
    assert recipe == Recipe("resnet110", warmup_steps=400).scaled(0.1)


def test_config(tmp_path):
    path = tmp_path / "config.json"
    made = Recipe("resnet56", option="B", seed=4, steps=100, drops=(10,))
    write_json(path, {"recipe": made.to_json(), "device": "CPU"})
    assert recipe_of("--config", str(path)) == made
    assert recipe_of("--config", str(path), "--seed", "5") == dataclasses.replace(made, seed=5)
    # Another network takes its own default, not the option of the file.
    assert recipe_of("--config", str(path), "--arch", "plain20") == dataclasses.replace(
        made, arch="plain20", option=None
    )
    assert recipe_of("--config", str(path), "--arch", "resnet20", "--option", "C").option == "C"


def test_config_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="none"):
        recipe_of("--config", str(tmp_path / "none"))


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
        ("--arch resnet20 --steps 0", ["steps", "from 1", "0"]),
        ("--arch resnet20 --learning-rate nan", ["learning_rate", "nan"]),
        ("--arch resnet20 --steps-scale 0", ["scale"]),
        ("--arch resnet20 --steps-scale nan", ["scale"]),
        ("--arch resnet20 --drops 5,4", ["drops", "5,4"]),
        ("--steps 5", ["--arch is missing"]),
        ("", ["--arch is missing"]),
    ],
)
def test_refused(argv, words):
    with pytest.raises(UsageError) as caught:
        recipe_of(*argv.split())
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    "argv", ["--steps many", "--drops a,b", "--learning-rate", "--colour red", "--step 5",
             "--steps 1.5", "--drops 1.5", "positional"],
)  # fmt: skip
def test_refused_by_argparse(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        recipe_of("--arch", "resnet20", *argv.split())
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
            recipe = recipe_of(*argv)
        except UserError as error:
            assert str(error).strip()
            # Only the one file that a flag can name may be missing.
            assert isinstance(error, UsageError) or "--train-from" in str(error)
            return
        except SystemExit as stop:
            assert stop.code == 2
            return
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert "/" not in recipe.run_name


def test_scale_lr_fits_the_schedule_to_the_batch():
    recipe = recipe_of("--arch", "resnet20", "--batch-size", "512", "--scale-lr")
    assert recipe == recipes.for_batch(Recipe("resnet20"), 512)
    shortened = recipe_of(
        *("--arch", "resnet20", "--batch-size", "512", "--scale-lr", "--steps-scale", "0.1")
    )
    assert shortened.steps == 1_600 and shortened.learning_rate == pytest.approx(0.4)
    with pytest.raises(UsageError, match="give --batch-size too"):
        recipe_of("--arch", "resnet20", "--scale-lr")


def test_config_and_recipe_are_two_words_for_one_thing(tmp_path):
    write_json(tmp_path / "config.json", {"recipe": Recipe("resnet8").to_json()})
    file = str(tmp_path / "config.json")
    assert recipe_of("--config", file) == Recipe("resnet8")
    with pytest.raises(UsageError, match="--config and --recipe"):
        recipe_of("--config", file, "--recipe", "paper")
