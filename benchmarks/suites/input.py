"""(b) The input pipelines on one core: beside the training that one feeds, and its memory; of
JPEGs, beside the decoder alone."""

from benchmarks.contest import Contestant, hold
from benchmarks.options import Options
from benchmarks.report import Goal, Report
from benchmarks.suites.training import OURS

PIPELINE = "input pipeline, one core"
EXAMPLES, BATCH = 50_000, 128
# A turn of the pipeline is half an epoch, so that the rounds together are several.
STEPS, TRAINING_STEPS = 196, 4

JPEGS, DECODER = "JPEG pipeline, one core", "tf.io.decode_and_crop_jpeg alone, one core"
PHOTOGRAPHS, CROPS, JPEG_STEPS = 256, 64, 20


def run(options: Options) -> Report:
    """Alternates the pipeline with the training step of ResNet-20, all cores."""
    report = Report("input")
    precision = options.precisions[-1]
    labels = {"network": "resnet20", "image_size": 32, "batch_size": BATCH}
    pipeline = Contestant(
        PIPELINE, "input_pipeline", {"examples": EXAMPLES, "batch": BATCH}, BATCH, labels=labels
    )
    same = {"who": "ours", "network": "resnet20", "size": 32, "precision": precision}
    training = Contestant(
        OURS[precision],
        "keras_training",
        {**same, "batch": BATCH},
        BATCH,
        labels=labels,
    )
    steps = options.steps or STEPS
    outcome = hold(
        f"input pipeline, {EXAMPLES:,} images, batch {BATCH}",
        [pipeline, training],
        options.rounds,
        {PIPELINE: steps, training.name: min(steps, TRAINING_STEPS)},
    )
    report.add(outcome, [Goal((PIPELINE,), training.name, 10.0)])
    _tell_memory(outcome, steps * BATCH * options.rounds / EXAMPLES)
    _of_jpegs(report, options)
    return report


def _of_jpegs(report, options):
    """Alternates the pipeline of files with the decoder that it cannot do without."""
    labels = {"network": "", "image_size": 224, "batch_size": CROPS}
    contestants = [
        Contestant(
            name,
            "jpeg_pipeline",
            {"who": who, "examples": PHOTOGRAPHS, "batch": CROPS},
            CROPS,
            labels=labels,
        )
        for name, who in ((JPEGS, "ours"), (DECODER, "decoder"))
    ]
    steps = options.steps or JPEG_STEPS
    title = f"{PHOTOGRAPHS} JPEGs of 500x375, random crops of 224, batch {CROPS}"
    outcome = hold(title, contestants, options.rounds, steps)
    report.add(outcome, [Goal((JPEGS,), DECODER, 0.8)])


def _tell_memory(outcome, epochs):
    sizes = [turn["resident_mb"] for turn in outcome.turns if turn["contestant"] == PIPELINE]
    if sizes:
        print(f"  its memory over {epochs:.1f} epochs: {sizes[0]:,.0f} MB → {sizes[-1]:,.0f} MB")
