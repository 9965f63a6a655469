"""`resnet-keras load-test`: the latency and throughput of a server under load."""

import argparse
import json
import re
import sys
from pathlib import Path

from resnet_keras.cli.predict import (
    INTERRUPTED,
    add_connection_flags,
    check_connection_flags,
)
from resnet_keras.errors import UsageError, UserError
from resnet_keras.serving.address import parse_url
from resnet_keras.serving.load_test import MAX_BATCH, load_test
from resnet_keras.serving.predictions import Pixels, sample_image

HELP = "Measure latency and throughput of a model on TensorFlow Serving."


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the command."""
    parser.add_argument(
        "url",
        metavar="URL",
        help="http(s)://HOST:8501/v1/models/NAME or grpc(s)://HOST:8500/NAME",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--image",
        metavar="FILE",
        help="the file to send (default: a synthetic PNG of 224x224 pixels)",
    )
    what.add_argument(
        "--raw",
        metavar="HxW",
        help="send raw images of this size to serving_default instead of files to classify_bytes",
    )
    parser.add_argument(
        "--concurrency", type=int, default=4, metavar="N", help="concurrent requests (default: 4)"
    )
    parser.add_argument(
        "--duration",
        type=float,
        default=10.0,
        metavar="S",
        help="length of the test in seconds (default: 10)",
    )
    parser.add_argument(
        "--batch-size", type=int, default=1, metavar="N", help="images per request (default: 1)"
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="allow a server that is not on this machine",
    )
    add_connection_flags(parser)
    parser.add_argument(
        "--json", action="store_true", help="print nothing but one JSON object to standard output"
    )


def run(args: argparse.Namespace) -> int:
    """Measures, prints the measurements, and returns 1 if no request succeeded.

    Raises:
        UsageError: if a flag has a wrong value.
        UserError: if the image cannot be read.
    """
    address = parse_url(args.url)
    check_connection_flags(args, address)
    if not address.is_loopback and not args.allow_remote:
        raise UsageError(
            f"{address.server} is not on this machine: add --allow-remote to test it anyway"
        )
    load = load_test(
        address, _inputs(args), args.concurrency, args.duration, args.timeout, args.ca_file
    )
    if args.json:
        json.dump({"url": args.url, **load.to_json()}, sys.stdout, ensure_ascii=False)
        print()
    else:
        print(load.summary())
    if load.interrupted:
        return INTERRUPTED
    return 0 if load.latencies else 1


def _inputs(args: argparse.Namespace) -> list[bytes] | Pixels:
    if not 1 <= args.batch_size <= MAX_BATCH:
        raise UsageError(
            f"--batch-size must be between 1 and {MAX_BATCH}. Received: {args.batch_size}"
        )
    if args.raw is None:
        return [_image(args.image)] * args.batch_size
    match = re.fullmatch(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})", args.raw)
    if not match:
        raise UsageError(f"--raw must be HEIGHTxWIDTH, such as 32x32. Received: {args.raw!r}")
    height, width = int(match[1]), int(match[2])
    if args.batch_size * height * width > 2**24:
        raise UsageError(
            "--raw: a request may have at most 16 megapixels. Received: "
            f"{args.batch_size} images of {height}x{width} pixels"
        )
    data = bytes(range(256)) * (args.batch_size * height * width * 3 // 256 + 1)
    return Pixels(data[: args.batch_size * height * width * 3], (args.batch_size, height, width, 3))


def _image(path: str | None) -> bytes:
    if path is None:
        return sample_image(224, 224)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
