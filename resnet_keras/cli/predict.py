"""`resnet-keras predict`: the predictions of a network, locally or from a server."""

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from resnet_keras.cli.flags import SIGNAL_STATUS
from resnet_keras.errors import UsageError
from resnet_keras.serving.address import Address, is_url, parse_url
from resnet_keras.serving.client import (
    NOT_CLASSIFIED,
    ClassificationResult,
    classify_files,
    connect,
    with_retries,
)
from resnet_keras.serving.predictions import TOP_K

HELP = "Classify images with a SavedModel, locally or on TensorFlow Serving."
# What a shell reports after Ctrl-C.
INTERRUPTED = SIGNAL_STATUS + signal.SIGINT


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "model",
        metavar="PATH_OR_URL",
        help="saved_models/NAME, saved_models/NAME/1, http(s)://HOST:8501/v1/models/NAME or "
        "grpc(s)://HOST:8500/NAME; /versions/N or /labels/LABEL may follow NAME in a URL",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="JPEG, PNG, GIF or BMP files")
    parser.add_argument(
        "--top",
        type=int,
        default=TOP_K,
        metavar="K",
        help=f"classes per image, 1 to {TOP_K} (default: {TOP_K})",
    )
    parser.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="images per request (default: 32)"
    )
    add_connection_flags(parser)
    parser.add_argument(
        "--retries",
        type=int,
        default=5,
        metavar="N",
        help="retries while the server is unavailable (default: 5, about 6 s)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print nothing but one JSON object to standard output"
    )


def add_connection_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of all commands that connect to a server.

    Example:

    >>> parser = argparse.ArgumentParser()
    >>> add_connection_flags(parser)
    >>> parser.parse_args([]).timeout
    30.0
    """
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="S", help="seconds per request (default: 30)"
    )
    parser.add_argument(
        "--ca-file",
        metavar="PEM",
        help="the certificates to trust with https (default: the system's) and grpcs (default: "
        "gRPC's)",
    )


def check_connection_flags(args: argparse.Namespace, address: Address | None) -> None:
    """Checks the values of the connection flags.

    Args:
        args: the parsed flags.
        address: the address of the server; `None` for a local model.

    Raises:
        UsageError: if a value is not possible.

    Example:

    >>> check_connection_flags(argparse.Namespace(timeout=30.0, ca_file=None), None)
    """
    # Written so that NaN fails the comparison.
    if not 0 < args.timeout <= 3600:
        raise UsageError(
            f"--timeout must be above 0 and at most 3600 s. Received: {args.timeout:g}"
        )
    if args.ca_file and not (address and address.uses_tls):
        raise UsageError("--ca-file needs an https:// or grpcs:// URL, since nothing else uses TLS")


def run(args: argparse.Namespace) -> int:
    """Prints the predictions, and to standard error the images without one.

    Returns:
        0 if every image has a prediction, otherwise 1.

    Raises:
        UsageError: if a flag has a wrong value.
        UserError: if the model cannot be loaded.
    """
    address = parse_url(args.model) if is_url(args.model) else None
    check_connection_flags(args, address)
    for flag, value, least, most in (
        ("--top", args.top, 1, TOP_K),
        ("--batch-size", args.batch_size, 1, 1024),
        ("--retries", args.retries, 0, 100),
    ):
        if not least <= value <= most:
            raise UsageError(f"{flag} must be between {least} and {most}. Received: {value}")
    paths = [Path(image) for image in args.images]
    if address:
        connection = connect(address, args.timeout, args.ca_file)
        try:
            predict = with_retries(connection.predict, args.retries)
            result = classify_files(predict, paths, args.batch_size)
        finally:
            connection.close()
    else:
        from resnet_keras.cli.backend import import_tensorflow

        import_tensorflow()
        from resnet_keras.export.local_client import load_predict_function

        result = classify_files(load_predict_function(args.model), paths, args.batch_size)
    (_print_json if args.json else _print_text)(args, result)
    missing = len(args.images) - len(result.predictions)
    # If there is no prediction at all, the reason has been printed already.
    if missing and not args.json and (result.predictions or result.aborted_by is None):
        print(f"{missing} of {len(args.images)} images have no prediction", file=sys.stderr)
    if result.interrupted:
        return INTERRUPTED
    return 1 if missing else 0


def _print_text(args: argparse.Namespace, result: ClassificationResult) -> None:
    if result.aborted_by is not None and not result.predictions:
        # Printed once and not for every image; problems of a single file are printed below.
        print(result.aborted_by, file=sys.stderr)
    for index, image in enumerate(args.images):
        reason = result.errors.get(index, "")
        if not result.predictions and reason.startswith(NOT_CLASSIFIED):
            continue
        if index in result.predictions:
            print(_printable(image))
            for name, probability in result.predictions[index].top[: args.top]:
                print(f"  {100 * probability:6.2f} %  {name}")
        else:
            sys.stdout.flush()
            print(f"{image}: {' '.join(result.errors[index].split())}", file=sys.stderr)


def _print_json(args: argparse.Namespace, result: ClassificationResult) -> None:
    images = []
    for index, image in enumerate(args.images):
        entry: dict[str, Any] = {"path": _printable(image)}
        if index in result.predictions:
            entry["top"] = [
                {"class": name, "probability": probability}
                for name, probability in result.predictions[index].top[: args.top]
            ]
        else:
            entry["error"] = _printable(" ".join(result.errors[index].split()))
        images.append(entry)
    output = {"model": _printable(args.model), "images": images}
    json.dump(output, sys.stdout, ensure_ascii=False)
    print()


def _printable(text: str) -> str:
    """Returns a text that can be printed as UTF-8.

    A file name is a sequence of bytes. Python represents bytes that are not UTF-8 by surrogates;
    they are printed as `\\udce9`, as Python does on standard error.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
