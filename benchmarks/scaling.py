"""`python -m benchmarks.scaling`: the cost model of docs/scaling.md. It times nothing."""

import argparse
import sys
from dataclasses import dataclass

from benchmarks.flags import above_zero, run
from resnet_keras import accounting, architectures
from resnet_keras.cli.flags import positive

# Backward passes take about two thirds of a step, and the first gradients are there only when the
# last layers are done: this part of the backward pass has gradients to send.
BACKWARD, SENDING = 2 / 3, 0.8


@dataclass(frozen=True)
class Cluster:
    """What a training step meets.

    Attributes:
        images_per_second: what one device trains alone.
        batch: images a device and step.
        gradient_bytes: all-reduced a step.
        devices_per_machine: how many share a machine's cores and network.
        inside: bytes a second between devices of a machine, each way, a device.
        between: bytes a second between machines, each way, a machine.
        image_bytes: read an image.
        storage: bytes a second that a machine reads.
        decode_seconds: of one core, an image.
        cores: a machine, for decoding.
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
class Step:
    """The parts of one step on `devices`, in seconds.

    Attributes:
        devices: how many.
        compute: forward, backward and update.
        exchange: all-reduce of the gradients, were nothing else going on.
        exposed: what of it computation does not hide.
        reading: of a machine's share of the images.
        decoding: of the same.
        seconds: of the whole step; the next batch is made ready meanwhile.
        efficiency: images a second, over those of as many devices on their own.
    """

    devices: int
    compute: float
    exchange: float
    exposed: float
    reading: float
    decoding: float
    seconds: float
    efficiency: float


def step(cluster: Cluster, devices: int) -> Step:
    """Returns the parts of a step.

    A ring all-reduce sends and receives `2 (n - 1) / n` times the gradients a member: first
    around the devices of a machine, then around the machines.
    """
    here = min(devices, cluster.devices_per_machine)
    machines = -(-devices // cluster.devices_per_machine)
    compute = cluster.batch / cluster.images_per_second
    exchange = cluster.gradient_bytes * (
        2 * (here - 1) / here / cluster.inside + 2 * (machines - 1) / machines / cluster.between
    )
    exposed = max(0.0, exchange - SENDING * BACKWARD * compute)
    images = here * cluster.batch
    reading = images * cluster.image_bytes / cluster.storage
    decoding = images * cluster.decode_seconds / cluster.cores
    seconds = max(compute + exposed, reading, decoding)
    return Step(devices, compute, exchange, exposed, reading, decoding, seconds, compute / seconds)


def gradient_bytes(arch: str, bytes_each: int = 4) -> int:
    """Returns the bytes of a network's gradients: one number a trainable parameter."""
    layers = accounting.layers(architectures.parse(arch))
    return bytes_each * accounting.totals(layers).parameters


def table(cluster: Cluster, counts: tuple[int, ...]) -> str:
    """Returns a Markdown table, a row a number of devices; milliseconds."""
    heads = ("devices", "compute", "exchange", "exposed", "reading", "decoding", "step")
    lines = [f"| {' | '.join(heads)} | images/s | efficiency |", "|" + "---:|" * 9]
    for count in counts:
        parts = step(cluster, count)
        times = [parts.compute, parts.exchange, parts.exposed, parts.reading, parts.decoding]
        shown = [f"{1e3 * value:,.1f}" for value in (*times, parts.seconds)]
        speed = count * cluster.batch / parts.seconds
        lines.append(
            f"| {count} | {' | '.join(shown)} | {speed:,.0f} | {100 * parts.efficiency:.0f} % |"
        )
    return "\n".join(lines)


def main(words: list[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--arch", default="resnet50")
    parser.add_argument("--images-per-second", type=above_zero, required=True, help="of one device")
    parser.add_argument(
        "--batch", type=positive, default=256, help="images a device (default: 256)"
    )
    parser.add_argument("--devices-per-machine", type=positive, default=8)
    parser.add_argument("--inside", type=above_zero, default=200, help="GB/s (default: 200)")
    parser.add_argument("--between", type=above_zero, default=25, help="GB/s (default: 25)")
    parser.add_argument("--storage", type=above_zero, default=2, help="GB/s a machine (default: 2)")
    parser.add_argument("--image-kb", type=above_zero, default=110, help="kB (default: 110)")
    parser.add_argument(
        "--decode-ms", type=above_zero, default=2, help="a core and image (default: 2)"
    )
    parser.add_argument("--cores", type=positive, default=96, help="a machine (default: 96)")
    parser.add_argument("--devices", type=positive, nargs="+", default=[1, 8, 64])
    args = parser.parse_args(words)
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
    sys.exit(run(main))
