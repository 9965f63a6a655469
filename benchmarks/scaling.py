"""Prints the cost model of docs/scaling.md: the parts of a training step on several devices.

Nothing is measured: the times follow from the given speeds and sizes.
"""

import argparse
import sys
from dataclasses import dataclass

from benchmarks.options import positive_number, run_command
from resnet_keras import accounting, architectures
from resnet_keras.cli.flags import positive

# The backward pass takes about two thirds of a step. The first gradients exist only after the last
# layers are done, so gradients can be exchanged during this part of the backward pass.
BACKWARD, OVERLAP = 2 / 3, 0.8


@dataclass(frozen=True)
class Cluster:
    """Devices, network and storage, and the training that runs on them.

    Attributes:
        images_per_second: the training speed of one device on its own.
        batch: images per device and step.
        gradient_bytes: bytes that are all-reduced per step.
        devices_per_machine: devices that share the cores and the network of a machine.
        inside: bytes per second and direction between the devices of a machine, per device.
        between: bytes per second and direction between machines, per machine.
        image_bytes: bytes to read per image.
        storage: bytes per second that a machine reads.
        decode_seconds: seconds of one core to decode an image.
        cores: cores per machine for decoding.
    """

    images_per_second: float
    batch: int
    gradient_bytes: float
    devices_per_machine: int = 8
    inside: float = 200e9
    between: float = 25e9
    image_bytes: float = 110e3
    storage: float = 2e9
    decode_seconds: float = 2e-3
    cores: int = 96


@dataclass(frozen=True)
class StepTimes:
    """The parts of one step, in seconds.

    Attributes:
        devices: the number of devices.
        compute: forward pass, backward pass and update.
        exchange: the all-reduce of the gradients, if nothing else ran meanwhile.
        exposed: the part of the exchange that does not overlap with computation.
        reading: reading a machine's share of the images.
        decoding: decoding these images.
        seconds: the whole step. The next batch is prepared meanwhile.
        efficiency: images per second, relative to as many devices on their own.
    """

    devices: int
    compute: float
    exchange: float
    exposed: float
    reading: float
    decoding: float
    seconds: float
    efficiency: float


def step_times(cluster: Cluster, devices: int) -> StepTimes:
    """Returns the parts of a step on a number of devices.

    A ring all-reduce over n members sends and receives `2 (n - 1) / n` times the gradients per
    member: first over the devices of a machine, then over the machines.
    """
    per_machine = min(devices, cluster.devices_per_machine)
    machines = -(-devices // cluster.devices_per_machine)
    compute = cluster.batch / cluster.images_per_second
    exchange = cluster.gradient_bytes * (
        2 * (per_machine - 1) / per_machine / cluster.inside
        + 2 * (machines - 1) / machines / cluster.between
    )
    exposed = max(0.0, exchange - OVERLAP * BACKWARD * compute)
    images = per_machine * cluster.batch
    reading = images * cluster.image_bytes / cluster.storage
    decoding = images * cluster.decode_seconds / cluster.cores
    seconds = max(compute + exposed, reading, decoding)
    return StepTimes(
        devices, compute, exchange, exposed, reading, decoding, seconds, compute / seconds
    )


def gradient_bytes(arch: str, bytes_per_value: int = 4) -> int:
    """Returns the size of a network's gradients: one value per trainable parameter."""
    layers = accounting.layers(architectures.parse(arch))
    return bytes_per_value * accounting.totals(layers).parameters


def table(cluster: Cluster, counts: tuple[int, ...]) -> str:
    """Returns a Markdown table with one row per number of devices, in milliseconds."""
    parts = ("devices", "compute", "exchange", "exposed", "reading", "decoding", "step")
    lines = [f"| {' | '.join(parts)} | images/s | efficiency |", "|" + "---:|" * 9]
    for count in counts:
        step = step_times(cluster, count)
        seconds = (step.compute, step.exchange, step.exposed, step.reading, step.decoding,
                   step.seconds)  # fmt: skip
        milliseconds = " | ".join(f"{1e3 * value:,.1f}" for value in seconds)
        speed = count * cluster.batch / step.seconds
        lines.append(f"| {count} | {milliseconds} | {speed:,.0f} | {100 * step.efficiency:.0f} % |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument(
        "--arch", default="resnet50", metavar="NAME", help="the network (default: resnet50)"
    )
    parser.add_argument(
        "--images-per-second", type=positive_number, required=True, metavar="X",
        help="the training speed of one device (required)",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=positive, default=256, metavar="N", help="images per device (default: 256)"
    )
    parser.add_argument(
        "--devices-per-machine", type=positive, default=8, metavar="N", help="default: 8"
    )
    parser.add_argument(
        "--inside", type=positive_number, default=200, metavar="X",
        help="GB/s between the devices of a machine (default: 200)",
    )  # fmt: skip
    parser.add_argument(
        "--between", type=positive_number, default=25, metavar="X",
        help="GB/s between machines (default: 25)",
    )  # fmt: skip
    parser.add_argument(
        "--storage", type=positive_number, default=2, metavar="X",
        help="GB/s that a machine reads (default: 2)",
    )  # fmt: skip
    parser.add_argument(
        "--image-kb", type=positive_number, default=110, metavar="X",
        help="kB per image (default: 110)",
    )  # fmt: skip
    parser.add_argument(
        "--decode-ms", type=positive_number, default=2, metavar="X",
        help="milliseconds of one core to decode an image (default: 2)",
    )  # fmt: skip
    parser.add_argument(
        "--cores", type=positive, default=96, metavar="N", help="cores per machine (default: 96)"
    )
    parser.add_argument(
        "--devices", type=positive, nargs="+", default=[1, 8, 64], metavar="N",
        help="the numbers of devices, one per row (default: 1 8 64)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    cluster = Cluster(
        images_per_second=args.images_per_second,
        batch=args.batch,
        gradient_bytes=gradient_bytes(args.arch),
        devices_per_machine=args.devices_per_machine,
        inside=args.inside * 1e9,
        between=args.between * 1e9,
        image_bytes=args.image_kb * 1e3,
        storage=args.storage * 1e9,
        decode_seconds=args.decode_ms / 1e3,
        cores=args.cores,
    )
    print(table(cluster, tuple(args.devices)))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
