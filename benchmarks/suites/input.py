"""The input pipelines on one core: the one for arrays next to the training that it feeds, with its
memory, and the one for JPEG files next to the decoder alone."""

from benchmarks.contest import Contestant, ContestResult, run_contest
from benchmarks.options import Options
from benchmarks.report import Comparison, Report
from benchmarks.suites.training import OURS

PIPELINE = "input pipeline, one core"
EXAMPLES, BATCH = 50_000, 128
# A turn of the pipeline is half an epoch, so that all rounds together are several epochs.
STEPS, TRAINING_STEPS = 196, 4

JPEG_PIPELINE, DECODER = "JPEG pipeline, one core", "tf.io.decode_and_crop_jpeg alone, one core"
PHOTOS, CROPS, JPEG_STEPS = 256, 64, 20


def run(options: Options) -> Report:
    """Runs one contest for arrays and one for JPEG files."""
    report = Report("input")
    _run_arrays(report, options)
    _run_jpegs(report, options)
    return report


def _run_arrays(report: Report, options: Options) -> None:
    """Alternates the pipeline on one core with the training step of ResNet-20 on all cores."""
    precision = options.precisions[-1]
    labels = {"network": "resnet20", "image_size": 32, "batch_size": BATCH}
    pipeline = Contestant(
        PIPELINE,
        "input_pipelines",
        {"pipeline": "arrays", "examples": EXAMPLES, "batch": BATCH, "size": 32},
        BATCH,
        labels=labels,
    )
    training = Contestant(
        OURS[precision],
        "keras_training",
        {
            "implementation": "ours",
            "network": "resnet20",
            "size": 32,
            "batch": BATCH,
            "precision": precision,
        },
        BATCH,
        labels=labels,
    )
    steps = options.steps or STEPS
    result = run_contest(
        f"input pipeline, {EXAMPLES:,} images, batch {BATCH}",
        [pipeline, training],
        options.rounds,
        {PIPELINE: steps, training.name: min(steps, TRAINING_STEPS)},
    )
    report.add(result, [Comparison((PIPELINE,), training.name, 10.0)])
    _print_memory(result, steps * BATCH * options.rounds / EXAMPLES)


def _run_jpegs(report: Report, options: Options) -> None:
    """Alternates the pipeline for files with the decoder, which it cannot do without."""
    labels = {"network": "", "image_size": 224, "batch_size": CROPS}
    contestants = [
        Contestant(
            name,
            "input_pipelines",
            {"pipeline": pipeline, "examples": PHOTOS, "batch": CROPS, "size": 224},
            CROPS,
            labels=labels,
        )
        for name, pipeline in ((JPEG_PIPELINE, "jpeg"), (DECODER, "decoder"))
    ]
    title = f"{PHOTOS} JPEGs of 500x375, random crops of 224, batch {CROPS}"
    result = run_contest(title, contestants, options.rounds, options.steps or JPEG_STEPS)
    report.add(result, [Comparison((JPEG_PIPELINE,), DECODER, 0.8)])


def _print_memory(result: ContestResult, epochs: float) -> None:
    sizes = [turn["resident_mb"] for turn in result.turns if turn["contestant"] == PIPELINE]
    if sizes:
        print(
            f"  memory of the pipeline over {epochs:.1f} epochs: {sizes[0]:,.0f} MB → "
            f"{sizes[-1]:,.0f} MB"
        )
