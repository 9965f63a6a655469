"""A recipe: everything that decides what a run computes, as one frozen object.

The command line's flags are made from the fields' metadata, `config.json` is this object, and
the tuner and the reports read and write it. Where a run's files lie is no part of it.
"""

import dataclasses
import math
import types
import typing
from dataclasses import dataclass, field

from resnet_keras import architectures
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError, unknown

SCHEDULES = ("drops", "one_cycle")
AUGMENTATIONS = ("pad", "scale")


def setting(help, default=dataclasses.MISSING, unit=None, choices=None, low=None, high=None):
    """Returns a dataclass field with what a command line and a reader need to know of it.

    Args:
        help: one phrase.
        default: as for `dataclasses.field`.
        unit: the value's unit, if it has one.
        choices: the values that are allowed, if they can be listed.
        low: the least value allowed. For a tuple it holds for each element.
        high: the greatest value allowed, likewise.
    """
    metadata = {"help": help, "unit": unit, "choices": choices, "low": low, "high": high}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Recipe:
    """Network, data, optimization and execution of one run. Defaults are section 4.2's.

    Two runs of equal recipes on the same kind of machine compute the same thing; with
    `deterministic` the same bits.

    Raises:
        UsageError: for a value outside its range or values that do not go together.
    """

    # The network.
    arch: str = setting("the network: resnet20, plain56, resnet50, …")
    option: str | None = setting(
        "the shortcuts: A zero-padding, B projections where the shape changes, C everywhere "
        "(default: the paper's choice for the network)",
        default=None,
        choices=architectures.OPTIONS,
    )
    projection: str = setting(
        "how options B and C project: convolution and batch norm, or a convolution that starts "
        "as the average of its inputs",
        default="conv_bn",
        choices=architectures.PROJECTIONS,
    )
    bottleneck_stride: str = setting(
        "which convolution of a bottleneck strides: the first, as in the paper, or the 3x3 (v1.5)",
        default="1x1",
        choices=architectures.BOTTLENECK_STRIDES,
    )

    # What it begins with.
    train_from: str | None = setting(
        "a .keras file whose weights the training begins with, all but the last layer's; its "
        "preprocessing comes with them (default: random weights)",
        default=None,
    )
    backbone_rate: float = setting(
        "with --train-from: factor of the learning rate for all layers but the last",
        default=1.0,
        low=0.0,
        high=1.0,
    )
    freeze: bool = setting(
        "with --train-from: train the last layer alone; batch norm keeps its averages",
        default=False,
    )

    # The data.
    dataset: str = setting(
        "cifar10, cifar100, digits (embedded), folder (your own images: --data-dir DIR with "
        "train/<class>/* and val/<class>/*, or with <class>/*), imagenet2012 (likewise, or as "
        "TensorFlow Datasets prepared it), or a name of TensorFlow Datasets",
        default="cifar10",
    )
    image_size: int | None = setting(
        "side of the images, for data sets whose images differ in size (default: 224 for a folder "
        "and imagenet2012)",
        default=None,
        unit="pixels",
        low=8,
        high=4096,
    )
    validation_size: int = setting(
        "training images held out; 0 trains on all of them", default=0, unit="images", low=0
    )
    validation_fraction: float | None = setting(
        "of a folder without val/: the share of each class that is kept for the test, which "
        "errors are reported on; which images, their names decide (default: 0.2)",
        default=None,
        low=0.0,
        high=1.0,
    )
    skip_corrupt: bool = setting(
        "leave out files that cannot be decoded, instead of stopping at one; all are tried at the "
        "start",
        default=False,
    )
    augmentation: str | None = setting(
        "how training images are cut: padded and cropped (section 4.2), or cropped out of the "
        "image at a random scale (section 3.4; for images in files, and their default)",
        default=None,
        choices=AUGMENTATIONS,
    )
    pad: int = setting(
        "zeros padded on each side before the random crop", default=4, unit="pixels", low=0, high=64
    )
    flip: bool | None = setting(
        "mirror half of the training images (default: unless the data set's classes change in a "
        "mirror)",
        default=None,
    )
    alternate_flip: bool = setting(
        "mirror an image in every other epoch, beginning by chance, instead of by chance each time",
        default=False,
    )
    lighting: float = setting(
        "standard deviation of the random light along the colours' principal components "
        "(section 3.4: 0.1)",
        default=0.0,
        low=0.0,
        high=10.0,
    )

    # The optimization.
    batch_size: int = setting("images a step, over all devices", default=128, unit="images", low=1)
    steps: int = setting("length of the training", default=64_000, unit="steps", low=1)
    schedule: str = setting(
        "how the rate changes: in drops, or in one cycle, linearly up to the learning rate and "
        "linearly down, to zero one step after the last",
        default="drops",
        choices=SCHEDULES,
    )
    learning_rate: float = setting(
        "the rate before the first drop; the highest of a cycle", default=0.1, low=0.0
    )
    peak_at: float = setting(
        "part of the steps after which the rate of a cycle is highest",
        default=0.2,
        low=0.0,
        high=1.0,
    )
    drops: tuple[int, ...] = setting(
        "after how many steps the rate is multiplied by the drop factor",
        default=(32_000, 48_000),
        unit="steps",
        low=1,
    )
    drop_factor: float = setting("factor of each drop", default=0.1, low=0.0, high=1.0)
    warmup_steps: int = setting(
        "steps at the warm-up rate at the start", default=0, unit="steps", low=0
    )
    warmup_rate: float = setting("the rate of those steps", default=0.01, low=0.0)
    warmup_shape: str = setting(
        "whether the rate stays there until the warm-up ends, or rises from there linearly",
        default="constant",
        choices=("constant", "linear"),
    )
    momentum: float = setting("momentum of SGD and Muon", default=0.9, low=0.0, high=1.0)
    nesterov: bool = setting("Nesterov's momentum", default=False)
    decay: float = setting(
        "weight decay: this times the weight is added to its gradient, or with Muon to its step",
        default=1e-4,
        low=0.0,
    )
    decay_on: str = setting(
        "which variables decay: all of them, or kernels alone, not biases nor batch norm",
        default="all",
        choices=("all", "kernels"),
    )
    muon: float = setting(
        "Muon instead of SGD for the kernels of convolutions: each step moves a kernel by this "
        "times the learning rate times its length (the recipe fast: 0.15); 0 for SGD",
        default=0.0,
        low=0.0,
        high=10.0,
    )
    label_smoothing: float = setting(
        "part of a label's weight that is shared out among all classes alike",
        default=0.0,
        low=0.0,
        high=0.99,
    )
    ema: float = setting(
        "decay, a step, of the running average of the weights that the run ends with (with it "
        "belongs --recalibrate-bn); 0 ends with the last ones",
        default=0.0,
        low=0.0,
        high=0.99999,
    )
    recalibrate_bn: bool = setting(
        "at the end, replace batch norm's moving averages by true ones over the training images, "
        "as the authors did",
        default=False,
    )

    # The execution.
    seed: int = setting("decides weights, order and augmentation", default=0, low=0, high=2**31 - 1)
    eval_every: int = setting("steps between rows of metrics.csv", default=500, unit="steps", low=1)
    precision: str = setting(
        "arithmetic of the layers; auto takes bfloat16 where the hardware computes in it",
        default="auto",
        choices=("auto", "float32", "mixed_bfloat16"),
    )
    deterministic: bool = setting(
        "only operations that give the same bits every time", default=False
    )
    devices: int = setting("GPUs to train on; 0 takes all that are visible", default=0, low=0)
    sync_bn: bool = setting(
        "batch norm over the whole batch instead of each device's part", default=False
    )

    def __post_init__(self):
        for spec in dataclasses.fields(self):
            value = _coerced(spec, getattr(self, spec.name))
            object.__setattr__(self, spec.name, value)
        # The architecture's own default is written down, so that equal networks compare equal.
        object.__setattr__(self, "option", self.architecture.option)
        if self.schedule == "one_cycle":
            # Its own rise and fall replace both. Written down, so that equal schedules are equal.
            object.__setattr__(self, "drops", ())
            object.__setattr__(self, "warmup_steps", 0)
        if not self.train_from and (self.freeze or self.backbone_rate != 1.0):
            raise UsageError(
                "freeze and backbone_rate, which the recipe finetune sets, are for training that "
                "begins with another network's weights: --train-from model.keras is missing"
            )
        if self.freeze and self.recalibrate_bn:
            raise UsageError(
                "a frozen network keeps its batch norm's averages: leave out freeze or "
                "recalibrate_bn"
            )
        if list(self.drops) != sorted(set(self.drops)):
            raise UsageError(f"drops must grow. Received: {_spelled(self.drops)}")
        if self.warmup_steps and self.drops and self.warmup_steps >= self.drops[0]:
            raise UsageError(
                f"the warm-up of {self.warmup_steps} steps must end before the first drop at "
                f"step {self.drops[0]}"
            )

    @property
    def architecture(self) -> Architecture:
        """The network, parsed."""
        return architectures.parse(self.arch, self.option, self.projection, self.bottleneck_stride)

    @property
    def label(self) -> str:
        """The export's name: `<arch>[-<option>][-average][-v1.5][-<dataset>, unless cifar10]`.

        One path component: a data set's `/` and `:` become `_`.
        """
        parts = [self.architecture.label]
        if self.dataset != "cifar10":
            parts.append("".join(c if c.isalnum() or c in "._" else "_" for c in self.dataset))
        return "-".join(parts)

    @property
    def run_name(self) -> str:
        """The run's name: the label and the seed."""
        return f"{self.label}-seed{self.seed}"

    def scaled(self, scale: float) -> "Recipe":
        """Returns the recipe with its whole schedule shortened (or lengthened) alike.

        Rows of `metrics.csv` come no closer than 200 steps apart, since each costs a pass over
        the test set.

        Raises:
            UsageError: if `scale` is not positive or leaves no step between two drops.
        """
        if not (math.isfinite(scale) and scale > 0):
            raise UsageError(f"the scale of the schedule is a positive number. Received: {scale}")
        shrunk = {
            "steps": max(1, round(self.steps * scale)),
            "drops": tuple(max(1, round(step * scale)) for step in self.drops),
            "warmup_steps": round(self.warmup_steps * scale),
            "eval_every": max(min(200, self.eval_every), round(self.eval_every * scale)),
        }
        try:
            return dataclasses.replace(self, **shrunk)
        except UsageError as error:
            raise UsageError(
                f"a schedule of {scale} times the length is too short: {error}"
            ) from error

    def to_json(self) -> dict:
        """Returns a dict of plain JSON values, from which `from_json` makes an equal recipe."""
        return {
            spec.name: list(value) if isinstance(value, tuple) else value
            for spec in dataclasses.fields(self)
            for value in [getattr(self, spec.name)]
        }

    @classmethod
    def from_json(cls, values: dict) -> "Recipe":
        """Returns the recipe that `to_json` described; what is missing takes its default.

        Raises:
            UsageError: for unknown names, or values that do not fit.
        """
        if not isinstance(values, dict):
            raise UsageError(f"a recipe is a JSON object. Received: {type(values).__name__}")
        names = [spec.name for spec in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise unknown("recipe value", name, names)
        if "arch" not in values:
            raise UsageError("a recipe needs at least arch")
        return cls(**values)

    def differences(self, other: "Recipe") -> list[str]:
        """Returns a phrase a value that differs: `learning_rate: 0.1 here, 0.2 there`."""
        return [
            f"{spec.name}: {_spelled(mine)} here, {_spelled(theirs)} there"
            for spec in dataclasses.fields(self)
            for mine, theirs in [(getattr(self, spec.name), getattr(other, spec.name))]
            if mine != theirs
        ]


def value_type(spec: dataclasses.Field) -> tuple[type, bool]:
    """Returns a field's plain type (`tuple` for tuples of int) and whether it may be `None`."""
    hint = typing.get_type_hints(Recipe)[spec.name]
    optional = isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
    if optional:
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return typing.get_origin(hint) or hint, optional


def _coerced(spec, value):
    kind, optional = value_type(spec)
    meta = spec.metadata
    if value is None and optional:
        return None
    if kind is tuple and isinstance(value, list | tuple):
        return tuple(_number(spec, int, item) for item in value)
    if kind in (int, float):
        return _number(spec, kind, value)
    if not isinstance(value, kind):
        raise UsageError(f"{spec.name} is a {kind.__name__}. Received: {value!r}")
    if meta["choices"] and value not in meta["choices"]:
        raise unknown(spec.name, value, meta["choices"])
    return value


def _number(spec, kind, value):
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not (whole or (kind is float and isinstance(value, float))):
        raise UsageError(
            f"{spec.name} is a {'whole ' if kind is not float else ''}number. Received: {value!r}"
        )
    low, high = spec.metadata["low"], spec.metadata["high"]
    too_low = low is not None and value < low
    too_high = high is not None and value > high
    if too_low or too_high or not math.isfinite(value):
        bounds = f"from {low}" + (f" to {high}" if high is not None else " on")
        raise UsageError(f"{spec.name} is a number {bounds}. Received: {value}")
    return kind(value)


def _spelled(value):
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)
