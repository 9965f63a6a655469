"""`predict`: what a network says of images, here or on a server."""

import argparse
import json
import sys
from pathlib import Path

from resnet_keras.errors import UsageError
from resnet_keras.serving.address import Address, is_url, parse
from resnet_keras.serving.client import NOT_ANSWERED, classify, connect, retrying
from resnet_keras.serving.predictions import TOP

HELP = "Classify images with a SavedModel, or with one that TF Serving serves."
# As a shell reports Ctrl-C: 128 + 2.
INTERRUPTED = 130


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the command's flags."""
    parser.add_argument(
        "model",
        metavar="PATH_OR_URL",
        help="saved_models/NAME, saved_models/NAME/1, http(s)://HOST:8501/v1/models/NAME or "
        "grpc(s)://HOST:8500/NAME; /versions/N or /labels/LABEL may follow NAME in a URL",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="JPEG, PNG, GIF or BMP files")
    parser.add_argument(
        "--top", type=int, default=TOP, metavar="K", help=f"classes an image, 1 to {TOP} (default)"
    )
    parser.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="images a request (default: 32)"
    )
    add_connection_flags(parser)
    parser.add_argument(
        "--retries",
        type=int,
        default=5,
        metavar="N",
        help="how often to try again while the server is unavailable (default: 5, some 6 s)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object to standard output, no more"
    )


def add_connection_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of whatever asks a server."""
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="S", help="seconds a request (default: 30)"
    )
    parser.add_argument(
        "--ca-file",
        metavar="PEM",
        help="whom to trust with https (default: the system's list) and grpcs (gRPC's own)",
    )


def check_connection_flags(args: argparse.Namespace, address: Address | None) -> None:
    """Refuses values that cannot be.

    Args:
        args: the flags.
        address: of the server; `None` where there is none.

    Raises:
        UsageError: for them.
    """
    # The comparison is written so that NaN fails it.
    if not 0 < args.timeout <= 3600:
        raise UsageError(f"--timeout is more than 0 s, at most 3600. Received: {args.timeout:g}")
    if args.ca_file and not (address and address.secure):
        raise UsageError("--ca-file goes with https:// and grpcs:// alone: nothing else has TLS")


def run(args: argparse.Namespace) -> int:
    """Runs it; prints the answers, and what has none to standard error; 1 if any has none."""
    address = parse(args.model) if is_url(args.model) else None
    check_connection_flags(args, address)
    for flag, value, least, most in (
        ("--top", args.top, 1, TOP),
        ("--batch-size", args.batch_size, 1, 1024),
        ("--retries", args.retries, 0, 100),
    ):
        if not least <= value <= most:
            raise UsageError(f"{flag} is between {least} and {most}. Received: {value}")
    paths = [Path(image) for image in args.images]
    if address:
        connection = connect(address, args.timeout, args.ca_file)
        try:
            outcome = classify(retrying(connection.predict, args.retries), paths, args.batch_size)
        finally:
            connection.close()
    else:
        from resnet_keras.cli.backend import import_tensorflow

        import_tensorflow()
        from resnet_keras.export.local_client import open_local

        outcome = classify(open_local(args.model), paths, args.batch_size)
    (_print_json if args.json else _print_text)(args, outcome)
    missing = len(args.images) - len(outcome.answers)
    # Where there is no answer at all, what ended it has said so already.
    if missing and not args.json and (outcome.answers or outcome.ended_by is None):
        print(f"{missing} of {len(args.images)} images have no answer", file=sys.stderr)
    if outcome.interrupted:
        return INTERRUPTED
    return 1 if missing else 0


def _print_text(args, outcome):
    if outcome.ended_by is not None and not outcome.answers:
        # Said once, not a time an image; what is wrong with a file itself is said below.
        print(outcome.ended_by, file=sys.stderr)
    for index, image in enumerate(args.images):
        reason = outcome.reasons.get(index, "")
        if not outcome.answers and reason.startswith(NOT_ANSWERED):
            continue
        if index in outcome.answers:
            print(_spelled(image))
            for name, probability in outcome.answers[index].top[: args.top]:
                print(f"  {100 * probability:6.2f} %  {name}")
        else:
            sys.stdout.flush()
            print(f"{image}: {' '.join(outcome.reasons[index].split())}", file=sys.stderr)


def _print_json(args, outcome):
    images = []
    for index, image in enumerate(args.images):
        found = {"path": _spelled(image)}
        if index in outcome.answers:
            found["top"] = [
                {"class": name, "probability": probability}
                for name, probability in outcome.answers[index].top[: args.top]
            ]
        else:
            found["error"] = _spelled(" ".join(outcome.reasons[index].split()))
        images.append(found)
    answered = {"model": _spelled(args.model), "images": images}
    json.dump(answered, sys.stdout, ensure_ascii=False)
    print()


def _spelled(text):
    """Returns text that can be printed. The name of a file is bytes: those that are no UTF-8 have
    become halves of characters, and are spelled `\\udce9` here, as standard error does."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
