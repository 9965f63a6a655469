"""`resnet-keras describe`: the layers of a network as a table, as JSON, or as a diagram."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from resnet_keras import accounting, architectures
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError

HELP = "Print a network's layers, parameters and multiply-adds; draw it as in Fig. 3."
DIAGRAM_SUFFIXES = (".png", ".svg")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "--arch",
        action="append",
        metavar="NAME",
        help="the network, such as resnet20 or vgg19 (required); for several networks, "
        "repeat the flag or separate the names by commas",
    )
    parser.add_argument(
        "--option",
        choices=architectures.OPTIONS,
        help="the shortcuts of the residual networks, section 3.3 (default: the paper's choice for "
        "each network)",
    )
    parser.add_argument(
        "--projection",
        choices=architectures.PROJECTIONS,
        default="conv_bn",
        help="the projections of options B and C (default: %(default)s)",
    )
    parser.add_argument(
        "--bottleneck-stride",
        choices=architectures.BOTTLENECK_STRIDES,
        default="1x1",
        help="the convolution of a bottleneck that has the stride (default: %(default)s, as in the "
        "paper)",
    )
    parser.add_argument(
        "--classes",
        type=int,
        metavar="N",
        help="the number of classes (default: 10 for CIFAR networks, 1000 for the others)",
    )
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="PIXELS",
        help="height and width of the images (default: 32 for CIFAR networks, 224 for the others)",
    )
    parser.add_argument("--json", action="store_true", help="print all layers as JSON instead")
    parser.add_argument(
        "--diagram", metavar="FILE", help="also draw the networks into a .png or .svg file"
    )


def run(args: argparse.Namespace) -> int:
    """Prints the description, and draws it if `--diagram` is given.

    Raises:
        UsageError: if a name or value does not exist, or if values do not fit together.
        UserError: if the diagram cannot be written.
    """
    if args.diagram is not None and Path(args.diagram).suffix.lower() not in DIAGRAM_SUFFIXES:
        raise UsageError(f"--diagram must be a .png or .svg file. Received: {args.diagram!r}")
    networks = [
        (arch, accounting.layers(arch, args.classes, args.image_size)) for arch in _networks(args)
    ]
    if args.diagram is not None:
        from resnet_keras.reporting.diagram import draw_diagram

        draw_diagram(networks, args.diagram)
    if args.json:
        print(json.dumps([_as_json(*network, args) for network in networks], indent=2))
    else:
        from resnet_keras.reporting.architecture_table import architecture_table

        print(architecture_table(networks))
    return 0


def _networks(args: argparse.Namespace) -> list[Architecture]:
    names = [name.strip() for item in args.arch or () for name in item.split(",") if name.strip()]
    if not names:
        raise UsageError(
            f"--arch is missing: use for example --arch resnet20. Known networks: "
            f"{', '.join(architectures.NAMES)}"
        )
    variants = (args.option, args.projection, args.bottleneck_stride)
    if len(names) == 1:
        return [architectures.parse(names[0], *variants)]
    return _parse_several(names, *variants)


def _parse_several(
    names: list[str], option: str | None, projection: str, bottleneck_stride: str
) -> list[Architecture]:
    """Gives each network the variants that apply to it; each must apply to at least one."""
    defaults = [architectures.parse(name) for name in names]
    if option and not any(arch.residual for arch in defaults):
        raise UsageError(f"--option {option}: none of {', '.join(names)} has shortcuts; omit it")
    networks = []
    for arch in defaults:
        if arch.residual:
            projects = (option or arch.option) != "A"
            bottleneck = arch.block == "bottleneck"
            arch = architectures.parse(
                arch.name,
                option,
                projection if projects else "conv_bn",
                bottleneck_stride if bottleneck else "1x1",
            )
        networks.append(arch)
    if not any(arch.projection == projection for arch in networks):
        raise UsageError(
            f"--projection {projection}: none of the networks has projections; add --option B"
        )
    if not any(arch.bottleneck_stride == bottleneck_stride for arch in networks):
        raise UsageError(
            f"--bottleneck-stride {bottleneck_stride}: none of {', '.join(names)} has bottlenecks; "
            "omit it"
        )
    return networks


def _as_json(
    arch: Architecture, layers: tuple[accounting.Layer, ...], args: argparse.Namespace
) -> dict[str, Any]:
    total = accounting.totals(layers)
    return {
        "name": arch.name,
        "label": arch.label,
        "option": arch.option,
        "projection": arch.projection,
        "bottleneck_stride": arch.bottleneck_stride,
        "classes": arch.classes if args.classes is None else args.classes,
        "image_size": arch.image_size if args.image_size is None else args.image_size,
        "depth": total.depth,
        "parameters": total.parameters,
        "multiply_adds": total.multiply_adds,
        "layers": [asdict(layer) for layer in layers],
    }
