"""The command `describe`."""

import argparse
import json
import subprocess
import sys

import pytest

from resnet_keras.cli import describe
from resnet_keras.errors import UsageError


def run(*flags):
    parser = argparse.ArgumentParser()
    describe.configure(parser)
    return describe.run(parser.parse_args(flags))


def run_json(capsys, *flags):
    assert run(*flags, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_the_table_is_printed(capsys):
    assert run("--arch", "resnet20", "--option", "B") == 0
    out = capsys.readouterr().out
    assert out.startswith("resnet20-B\n") and "272,474" in out


def test_json_contains_every_layer_and_the_totals(capsys):
    (network,) = run_json(capsys, "--arch", "resnet20", "--option", "C")
    assert network["label"] == "resnet20-C"
    assert (network["parameters"], network["depth"]) == (283_962, 20)
    assert network["parameters"] == sum(layer["parameters"] for layer in network["layers"])
    assert network["layers"][0]["name"] == "conv1"


def test_several_names(capsys):
    networks = run_json(capsys, "--arch", "vgg19, plain34", "--arch", "resnet34")
    assert [network["label"] for network in networks] == ["vgg19", "plain34", "resnet34-A"]


def test_variants_apply_to_the_networks_that_have_them(capsys):
    networks = run_json(capsys, "--arch", "plain20,resnet20", "--option", "B")
    assert [network["option"] for network in networks] == [None, "B"]
    networks = run_json(capsys, "--arch", "resnet34,resnet50", "--projection", "average")
    assert [network["projection"] for network in networks] == ["conv_bn", "average"]
    networks = run_json(capsys, "--arch", "resnet34,resnet50", "--bottleneck-stride", "3x3")
    assert [network["bottleneck_stride"] for network in networks] == ["1x1", "3x3"]


def test_classes_and_image_size(capsys):
    (network,) = run_json(capsys, "--arch", "resnet20", "--classes", "100", "--image-size", "64")
    assert (network["classes"], network["image_size"]) == (100, 64)
    assert network["layers"][-1]["out_channels"] == 100
    assert network["layers"][0]["height"] == 64


def test_the_diagram_is_drawn_in_addition_to_the_table(tmp_path, capsys):
    assert run("--arch", "resnet20", "--diagram", str(tmp_path / "net.SVG")) == 0
    assert b"<svg" in (tmp_path / "net.SVG").read_bytes()
    assert "resnet20-A" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags, message",
    [
        ((), "--arch is missing"),
        (("--arch", ","), "--arch is missing"),
        (("--arch", "resnet21"), "unknown architecture 'resnet21'"),
        (("--arch", "plain20", "--option", "A"), "no shortcuts"),
        (("--arch", "plain20,vgg19", "--option", "A"), "none of plain20, vgg19 has shortcuts"),
        (("--arch", "plain20,resnet20", "--projection", "average"), "add --option B"),
        (("--arch", "plain20,resnet20", "--bottleneck-stride", "3x3"), "has bottlenecks"),
        (("--arch", "resnet20", "--classes", "0"), "classes"),
        (("--arch", "resnet20", "--image-size", "0"), "image_size must be"),
        (("--arch", "resnet20", "--diagram", "net.pdf"), r"a \.png or \.svg file.*'net\.pdf'"),
        (("--arch", "resnet20", "--diagram", ".png"), r"a \.png or \.svg file"),
    ],
)
def test_wrong_flags_are_rejected_before_anything_is_printed(flags, message, capsys):
    with pytest.raises(UsageError, match=message):
        run(*flags)
    assert capsys.readouterr().out == ""


def test_the_table_needs_no_large_package():
    script = (
        "import sys, argparse; from resnet_keras.cli import describe;"
        "parser = argparse.ArgumentParser(); describe.configure(parser);"
        "describe.run(parser.parse_args(['--arch', 'resnet20']));"
        "large = {'tensorflow', 'keras', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules);"
        "sys.exit(f'imported: {large}' if large else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_drawing_does_not_import_tensorflow(tmp_path):
    script = (
        "import sys; from resnet_keras.reporting import confusion, curve, diagram, tables;"
        "from resnet_keras import accounting, architectures;"
        "arch = architectures.parse('resnet20');"
        f"diagram.draw_diagram([(arch, accounting.layers(arch))], {str(tmp_path / 'a.png')!r});"
        "large = {'tensorflow', 'keras', 'matplotlib.pyplot'} & set(sys.modules);"
        "sys.exit(f'imported: {large}' if large else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
