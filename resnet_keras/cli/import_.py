"""`import`: a `.keras` file that serves, from weights of torchvision and others."""

import argparse
import dataclasses
import sys
from pathlib import Path

from resnet_keras.accounting import layers, totals
from resnet_keras.architectures import BOTTLENECK_STRIDES, OPTIONS, parse
from resnet_keras.artefact import Description
from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.errors import UsageError, UserError

HELP = "Write a .keras file from weights of torchvision, CIFAR repositories or Keras."

# `import_weights.LAYOUTS`, without importing Keras to show the flags.
LAYOUTS = ("torchvision", "cifar", "keras-applications")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "path",
        metavar="FILE",
        help="a PyTorch state_dict (.pt, .pth, .th …; needs torch), .safetensors (needs "
        "safetensors), .npz, or a .h5 or .keras file of keras.applications",
    )
    parser.add_argument("--arch", required=True, metavar="NAME", help="such as resnet50")
    parser.add_argument("--option", choices=OPTIONS, help="default: what the weights show")
    parser.add_argument(
        "--bottleneck-stride",
        choices=BOTTLENECK_STRIDES,
        help="default: 3x3 for torchvision, whose networks are v1.5, 1x1 for keras-applications",
    )
    parser.add_argument(
        "--from",
        dest="layout",
        choices=LAYOUTS,
        help="the layout of the names and the preprocessing that goes with it (default: "
        "recognised by the names)",
    )
    parser.add_argument("--out", metavar="FILE.keras", help="default: <arch>-<option>.keras")
    parser.add_argument(
        "--classes-file",
        metavar="FILE",
        help="the names of the classes, one a line, in the order of the outputs (default: 0, 1, "
        "…; CIFAR-10's for a CIFAR network of ten classes)",
    )
    for name, what in (("mean", "subtracted from"), ("std", "that divide")):
        parser.add_argument(
            f"--{name}",
            nargs=3,
            type=float,
            metavar=("R", "G", "B"),
            help=f"the numbers {what} the channels, if not those usual for the layout",
        )


def run(args: argparse.Namespace) -> None:
    """Runs it; prints the file it wrote, and on stderr how images will be preprocessed."""
    path, out = Path(args.path), Path(args.out) if args.out else None
    network = parse(args.arch)
    if out is not None and out.suffix != ".keras":
        raise UsageError(f"--out is a file whose name ends in .keras. Received: {out}")
    import_tensorflow()
    from resnet_keras.importers.import_weights import (
        architecture_of,
        import_weights,
        preprocessing_of,
        recognise,
    )
    from resnet_keras.importers.weight_files import read_weights
    from resnet_keras.models.keras_file import save_keras_file

    if _is_ours(path):
        raise UsageError(f"{path} is a file of this program already: nothing is to be imported")
    weights = read_weights(path, network)
    layout = args.layout or recognise(weights, path)
    arch = architecture_of(args.arch, layout, weights, args.option, args.bottleneck_stride)
    # Without a mean of each pixel, ImageNet networks take images of any size.
    sides = (None, None, 3) if arch.family == "imagenet" else None
    model = import_weights(arch, weights, layout, sides, path)
    names = _class_names(args.classes_file, layout, model.output_shape[-1])
    preprocessing = preprocessing_of(layout, names)
    given = {name: getattr(args, name) for name in ("mean", "std")}
    preprocessing = dataclasses.replace(
        preprocessing, **{name: values for name, values in given.items() if values}
    )
    out = out or Path(f"{arch.label}.keras")
    if out.exists() and out.samefile(path):
        raise UsageError(f"{out} is the file to import: give another --out")
    save_keras_file(model, out, _description(arch, preprocessing, path, layout))
    print(_summary(arch, layout, preprocessing), file=sys.stderr)
    print(out)


def _is_ours(path):
    from resnet_keras.models.keras_file import read_description

    try:
        return bool(read_description(path))
    except UserError:
        return False


def _class_names(path, layout, classes):
    if path is None:
        from resnet_keras.importers.cifar_repositories import CIFAR10_NAMES

        if layout == "cifar" and classes == len(CIFAR10_NAMES):
            return CIFAR10_NAMES
        return tuple(str(number) for number in range(classes))
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read the classes' names in {path}: {reason}") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if len(names) != classes or len(set(names)) != classes:
        raise UserError(
            f"{path} has {len(names)} names, {len(set(names))} of them different; the weights are "
            f"of {classes} classes"
        )
    return names


def _description(arch, preprocessing, path, layout):
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
        **provenance.made_with(keras.backend.backend()),
    }
    return Description(preprocessing, card)


def _summary(arch, layout, preprocessing):
    mean = ", ".join(f"{value:g}" for value in preprocessing.mean)
    std = ", ".join(f"{value:g}" for value in preprocessing.std)
    return (
        f"{arch.label}, {len(preprocessing.class_names)} classes, from the {layout} layout; "
        f"grey levels x {preprocessing.scale:.6g}, less ({mean}), over ({std}), as is usual "
        "there: a file does not say it"
    )
