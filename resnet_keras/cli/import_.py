"""`resnet-keras import`: a `.keras` file from weights that another library trained."""

import argparse
import dataclasses
import sys
from pathlib import Path

from resnet_keras.accounting import layers, totals
from resnet_keras.architectures import BOTTLENECK_STRIDES, OPTIONS, Architecture, parse
from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.description import Description, read_description
from resnet_keras.errors import UsageError, UserError
from resnet_keras.importers import CIFAR, LAYOUTS
from resnet_keras.preprocessing import Preprocessing

HELP = "Write a .keras file from weights of torchvision, CIFAR repositories or Keras."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "path",
        metavar="FILE",
        help="a PyTorch state_dict (.pt, .pth, .th …; needs torch), .safetensors (needs "
        "safetensors), .npz, or a .h5 or .keras file of keras.applications",
    )
    parser.add_argument("--arch", required=True, metavar="NAME", help="such as resnet50")
    parser.add_argument(
        "--option", choices=OPTIONS, help="the shortcuts (default: those of the weights)"
    )
    parser.add_argument(
        "--bottleneck-stride",
        choices=BOTTLENECK_STRIDES,
        help="the convolution with the stride (default: 3x3 for torchvision, whose networks are "
        "v1.5; 1x1 for keras-applications)",
    )
    parser.add_argument(
        "--from",
        dest="layout",
        choices=LAYOUTS,
        help="the library that the weights come from, which determines names and preprocessing "
        "(default: detected from the names)",
    )
    parser.add_argument("--out", metavar="FILE.keras", help="default: <arch>-<option>.keras")
    parser.add_argument(
        "--classes-file",
        metavar="FILE",
        help="the class names, one per line, in the order of the outputs (default: 0, 1, …; "
        "CIFAR-10's for a CIFAR network with ten classes)",
    )
    for name, what in (("mean", "subtracted from"), ("std", "by which to divide")):
        parser.add_argument(
            f"--{name}",
            nargs=3,
            type=float,
            metavar=("R", "G", "B"),
            help=f"the values {what} the channels (default: the usual ones of the library)",
        )


def run(args: argparse.Namespace) -> None:
    """Writes the file and prints its path, and to standard error how images are preprocessed.

    Raises:
        UsageError: if flags do not fit together or do not fit the weights.
        UserError: if the weights cannot be read, or are those of another network.
    """
    path, out = Path(args.path), Path(args.out) if args.out else None
    network = parse(args.arch)
    if out is not None and out.suffix != ".keras":
        raise UsageError(f"--out must end in .keras. Received: {out}")
    import_tensorflow()
    from resnet_keras.importers.import_weights import (
        detect_layout,
        import_weights,
        infer_architecture,
        layout_preprocessing,
    )
    from resnet_keras.importers.weight_files import read_weights
    from resnet_keras.models.keras_file import save_keras_file

    if _is_ours(path):
        raise UsageError(f"{path} is already a file of this program: there is nothing to import")
    weights = read_weights(path, network)
    layout = args.layout or detect_layout(weights, path)
    arch = infer_architecture(args.arch, layout, weights, args.option, args.bottleneck_stride)
    # ImageNet networks subtract a mean per channel, so they accept images of any size.
    sides = (None, None, 3) if arch.family == "imagenet" else None
    model = import_weights(arch, weights, layout, sides, path)
    names = _class_names(args.classes_file, layout, model.output_shape[-1])
    preprocessing = layout_preprocessing(layout, names)
    given = {name: getattr(args, name) for name in ("mean", "std")}
    preprocessing = dataclasses.replace(
        preprocessing, **{name: values for name, values in given.items() if values}
    )
    out = out or Path(f"{arch.label}.keras")
    if out.exists() and out.samefile(path):
        raise UsageError(f"{out} is the file to import: choose another --out")
    save_keras_file(model, out, _description(arch, preprocessing, path, layout))
    print(_summary(arch, layout, preprocessing), file=sys.stderr)
    print(out)


def _is_ours(path: Path) -> bool:
    try:
        return bool(read_description(path))
    except UserError:
        return False


def _class_names(path: str | None, layout: str, classes: int) -> tuple[str, ...]:
    if path is None:
        from resnet_keras.importers.cifar_repositories import CIFAR10_NAMES

        if layout == CIFAR and classes == len(CIFAR10_NAMES):
            return CIFAR10_NAMES
        return tuple(str(number) for number in range(classes))
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read the class names in {path}: {reason}") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) != classes or len(set(names)) != classes:
        raise UserError(
            f"{path} must have {classes} different names, one per class of the weights. Received: "
            f"{len(names)} names, {len(set(names))} of them different"
        )
    return names


def _description(
    arch: Architecture, preprocessing: Preprocessing, path: Path, layout: str
) -> Description:
    import keras

    from resnet_keras.runs import provenance

    card = {
        "name": arch.label,
        "arch": arch.name,
        "option": arch.option,
        "projection": arch.projection,
        "bottleneck_stride": arch.bottleneck_stride,
        "dataset": None,
        "class_names": list(preprocessing.class_names),
        "parameters": totals(layers(arch, len(preprocessing.class_names))).parameters,
        "precision": "float32",
        "imported_from": {"file": path.name, "layout": layout},
        **provenance.collect(keras.backend.backend()),
    }
    return Description(preprocessing, card)


def _summary(arch: Architecture, layout: str, preprocessing: Preprocessing) -> str:
    mean = ", ".join(f"{value:g}" for value in preprocessing.mean)
    std = ", ".join(f"{value:g}" for value in preprocessing.std)
    return (
        f"{arch.label}, {len(preprocessing.class_names)} classes, weights of {layout}; input "
        f"(pixel * {preprocessing.scale:.6g} - ({mean})) / ({std}), as is usual for {layout} (the "
        "file does not state it; see --mean and --std)"
    )
