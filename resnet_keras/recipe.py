"""A recipe: every value that decides what a run computes, in one frozen object.

The fields' metadata define the flags of the command line, `config.json` stores the object, and the
tuner and the reports read and write it. Where a run reads and writes is not part of a recipe; see
`runs.folder.RunOptions`.
"""

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from resnet_keras import architectures
from resnet_keras.architectures import Architecture
from resnet_keras.errors import UsageError, unknown

SCHEDULES = ("drops", "one_cycle")
WARMUP_SHAPES = ("constant", "linear")
AUGMENTATIONS = ("pad", "scale")
DECAY_ON = ("all", "kernels")
PRECISIONS = ("auto", "float32", "mixed_bfloat16")
# The data sets that are always loaded into memory. Their images have this height and width.
ARRAY_DATASETS = ("cifar10", "cifar100", "digits")
ARRAY_IMAGE_SIZE = 32
# The data sets whose images are read from files, at every step. Any other name is a data set of
# TensorFlow Datasets, which is loaded into memory.
FOLDER, IMAGENET = "folder", "imagenet2012"
FILE_DATASETS = (FOLDER, IMAGENET)


def _setting(
    help: str,
    default: Any = dataclasses.MISSING,
    unit: str | None = None,
    choices: tuple[str, ...] | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """Returns a dataclass field with the metadata that flags and checks are made from.

    Args:
        help: what the value means, as `train.py --help` prints it.
        default: as for `dataclasses.field`.
        unit: the unit of the value, if it has one.
        choices: all allowed values, if there are only a few.
        low: the smallest allowed value; for a tuple, of each element.
        high: the largest allowed value; for a tuple, of each element.
    """
    metadata = {"help": help, "unit": unit, "choices": choices, "low": low, "high": high}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Recipe:
    """The network, data, optimization and execution of a run.

    The defaults are those of section 4.2 of the paper. Runs with equal recipes on the same kind of
    machine compute the same thing, and with `deterministic` the same bits. The help text of each
    field (`train.py --help`) describes it.

    Raises:
        UsageError: if a value is out of range, or if values contradict each other.

    Example:

    >>> recipe = Recipe("resnet20", steps=100, drops=(50, 75))
    >>> recipe.option, recipe.learning_rate, recipe.run_name
    ('A', 0.1, 'resnet20-A-seed0')
    """

    # The network.
    arch: str = _setting("the network: resnet20, plain56, resnet50, …")
    option: str | None = _setting(
        "type of the shortcuts: A pads with zeros, B projects where the shape changes, C projects "
        "everywhere (default: the paper's choice for the network)",
        default=None,
        choices=architectures.OPTIONS,
    )
    projection: str = _setting(
        "how the shortcuts of options B and C project: conv_bn is a 1x1 convolution and batch "
        "normalization; average is a 1x1 convolution that is initialized to the mean of its input "
        "channels",
        default="conv_bn",
        choices=architectures.PROJECTIONS,
    )
    bottleneck_stride: str = _setting(
        "which convolution of a bottleneck block has the stride: the first 1x1, as in the paper, "
        "or the 3x3 (ResNet v1.5)",
        default="1x1",
        choices=architectures.BOTTLENECK_STRIDES,
    )

    # The initial weights.
    train_from: str | None = _setting(
        "a .keras file with pretrained weights; all layers but the last one start from them, and "
        "images are preprocessed as that network expects (default: random weights)",
        default=None,
    )
    backbone_rate: float = _setting(
        "with --train-from: factor of the learning rate for all layers but the last one",
        default=1.0,
        low=0.0,
        high=1.0,
    )
    freeze: bool = _setting(
        "with --train-from: train only the last layer; batch normalization keeps its moving "
        "averages",
        default=False,
    )

    # The data.
    dataset: str = _setting(
        "cifar10, cifar100, digits (included in the package), folder (your own images: --data-dir "
        "DIR with train/<class>/* and val/<class>/*, or with <class>/*), imagenet2012 (the same "
        "folders, or as prepared by TensorFlow Datasets), or the name of a TensorFlow Datasets "
        "data set",
        default="cifar10",
    )
    image_size: int | None = _setting(
        "height and width of the images, for data sets whose images differ in size (default: 224 "
        "for folder and imagenet2012)",
        default=None,
        unit="pixels",
        low=8,
        high=4096,
    )
    validation_size: int = _setting(
        "number of training images to hold out for validation; 0 trains on all of them",
        default=0,
        low=0,
    )
    validation_fraction: float | None = _setting(
        "for --dataset folder without val/: fraction of each class to use as test images, chosen "
        "by file name (default: 0.2)",
        default=None,
        low=0.0,
        high=1.0,
    )
    skip_corrupt: bool = _setting(
        "leave out image files that cannot be decoded instead of stopping at the first one; every "
        "file is decoded once at the start",
        default=False,
    )
    augmentation: str | None = _setting(
        "how training images are cropped: pad adds a border and crops at a random position "
        "(section 4.2); scale resizes at random and crops (section 3.4; only for images in files, "
        "and their default)",
        default=None,
        choices=AUGMENTATIONS,
    )
    pad: int = _setting(
        "with --augmentation pad: width of the border of zeros that is added on each side before "
        "the random crop",
        default=4,
        unit="pixels",
        low=0,
        high=64,
    )
    flip: bool | None = _setting(
        "mirror half of the training images (default: yes, unless mirroring changes the classes "
        "of the data set)",
        default=None,
    )
    alternate_flip: bool = _setting(
        "mirror each image in every second epoch instead of at random; only the first epoch is "
        "random",
        default=False,
    )
    lighting: float = _setting(
        "standard deviation of the random color shift along the principal components of the "
        "colors (section 3.4 uses 0.1); 0 turns it off",
        default=0.0,
        low=0.0,
        high=10.0,
    )

    # The optimization.
    batch_size: int = _setting("images per step, over all devices", default=128, low=1)
    steps: int = _setting("length of the training", default=64_000, unit="steps", low=1)
    schedule: str = _setting(
        "how the learning rate changes: drops multiplies it by the drop factor at given steps; "
        "one_cycle raises it linearly to its maximum and then lowers it linearly to zero",
        default="drops",
        choices=SCHEDULES,
    )
    learning_rate: float = _setting(
        "the learning rate before the first drop, or the maximum of --schedule one_cycle",
        default=0.1,
        low=0.0,
    )
    peak_at: float = _setting(
        "with --schedule one_cycle: fraction of the steps after which the learning rate is at its "
        "maximum",
        default=0.2,
        low=0.0,
        high=1.0,
    )
    drops: tuple[int, ...] = _setting(
        "with --schedule drops: steps after which the learning rate is multiplied by the drop "
        "factor",
        default=(32_000, 48_000),
        low=1,
    )
    drop_factor: float = _setting(
        "with --schedule drops: factor of each drop", default=0.1, low=0.0, high=1.0
    )
    warmup_steps: int = _setting(
        "with --schedule drops: length of the warm-up at the start; 0 for none",
        default=0,
        unit="steps",
        low=0,
    )
    warmup_rate: float = _setting(
        "with --warmup-steps: learning rate of the warm-up, or at its start if it is linear",
        default=0.01,
        low=0.0,
    )
    warmup_shape: str = _setting(
        "with --warmup-steps: whether the learning rate is constant during the warm-up or rises "
        "linearly to --learning-rate",
        default="constant",
        choices=WARMUP_SHAPES,
    )
    momentum: float = _setting("momentum of SGD and Muon", default=0.9, low=0.0, high=1.0)
    nesterov: bool = _setting("use Nesterov momentum", default=False)
    decay: float = _setting(
        "weight decay: this factor times the weight is added to the gradient, or with Muon to the "
        "step",
        default=1e-4,
        low=0.0,
    )
    decay_on: str = _setting(
        "which variables decay: all of them, or only kernels (no biases and no batch "
        "normalization)",
        default="all",
        choices=DECAY_ON,
    )
    muon: float = _setting(
        "if above 0, train the kernels of convolutions with Muon instead of SGD: the length of "
        "each step is this factor times the learning rate times the norm of the kernel (the "
        "recipe fast uses 0.15)",
        default=0.0,
        low=0.0,
        high=10.0,
    )
    label_smoothing: float = _setting(
        "fraction of each label that is spread evenly over all classes",
        default=0.0,
        low=0.0,
        high=0.99,
    )
    ema: float = _setting(
        "if above 0, end with an exponential moving average of the weights that decays by this "
        "factor per step (use it with --recalibrate-bn); 0 ends with the last weights",
        default=0.0,
        low=0.0,
        high=0.99999,
    )
    recalibrate_bn: bool = _setting(
        "at the end, replace the moving averages of batch normalization by averages over "
        "augmented training batches, as the authors did",
        default=False,
    )

    # The execution.
    seed: int = _setting(
        "seed of the initial weights, the order of the images and the augmentation",
        default=0,
        low=0,
        high=2**31 - 1,
    )
    eval_every: int = _setting("steps between rows of metrics.csv", default=500, low=1)
    precision: str = _setting(
        "arithmetic of the layers; auto uses bfloat16 where the hardware supports it",
        default="auto",
        choices=PRECISIONS,
    )
    deterministic: bool = _setting(
        "use only operations that give the same bits every time", default=False
    )
    devices: int = _setting("number of GPUs to train on; 0 uses all visible ones", default=0, low=0)
    sync_bn: bool = _setting(
        "compute batch normalization over the whole batch instead of each device's part",
        default=False,
    )

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            object.__setattr__(self, spec.name, _checked(spec, getattr(self, spec.name)))
        # Store the architecture's own default, so that recipes of equal networks compare equal.
        object.__setattr__(self, "option", self.architecture.option)
        if self.schedule == "one_cycle":
            # The cycle has a rise and a fall of its own. Clear both fields, so that equal
            # schedules compare equal.
            object.__setattr__(self, "drops", ())
            object.__setattr__(self, "warmup_steps", 0)
        if not self.train_from and (self.freeze or self.backbone_rate != 1.0):
            raise UsageError(
                "freeze and backbone_rate (which the recipe finetune sets) need pretrained "
                f"weights. Received: freeze={self.freeze}, backbone_rate={self.backbone_rate} "
                "without train_from; add --train-from model.keras"
            )
        if self.freeze and self.recalibrate_bn:
            raise UsageError(
                "freeze keeps the averages of batch normalization and recalibrate_bn replaces "
                "them. Received: both; omit freeze or recalibrate_bn"
            )
        if list(self.drops) != sorted(set(self.drops)):
            raise UsageError(f"drops must increase. Received: {_text(self.drops)}")
        if self.warmup_steps and self.drops and self.warmup_steps >= self.drops[0]:
            raise UsageError(
                f"the warm-up must end before the first drop at step {self.drops[0]}. Received: "
                f"warmup_steps={self.warmup_steps}"
            )

    @property
    def architecture(self) -> Architecture:
        """The description of the network."""
        return architectures.parse(self.arch, self.option, self.projection, self.bottleneck_stride)

    @property
    def label(self) -> str:
        """The default name of the export: `<arch>[-<option>][-average][-v1.5][-<dataset>]`.

        The data set is left out if it is CIFAR-10. The name is a single path component: `/` and
        `:` in the name of a data set become `_`.
        """
        parts = [self.architecture.label]
        if self.dataset != "cifar10":
            parts.append("".join(c if c.isalnum() or c in "._" else "_" for c in self.dataset))
        return "-".join(parts)

    @property
    def run_name(self) -> str:
        """The default name of the run: the label and the seed."""
        return f"{self.label}-seed{self.seed}"

    def scaled(self, scale: float) -> "Recipe":
        """Returns the recipe with a schedule that is shortened or lengthened as a whole.

        Rows of `metrics.csv` get no closer than 200 steps, because each one costs a pass over the
        test set, unless the recipe already writes them more often.

        Args:
            scale: the new length of the schedule relative to the current one; 0.1 for a tenth.

        Raises:
            UsageError: if `scale` is not a positive number, or if no step would be left between
                two drops.

        Example:

        >>> short = Recipe("resnet20").scaled(0.1)
        >>> short.steps, short.drops
        (6400, (3200, 4800))
        """
        # `--steps-scale=--` makes argparse pass a list.
        if not (isinstance(scale, int | float) and math.isfinite(scale) and scale > 0):
            raise UsageError(
                f"the scale of a schedule must be a positive number. Received: {scale}"
            )
        try:
            return dataclasses.replace(
                self,
                steps=max(1, round(self.steps * scale)),
                drops=tuple(max(1, round(step * scale)) for step in self.drops),
                warmup_steps=round(self.warmup_steps * scale),
                eval_every=max(min(200, self.eval_every), round(self.eval_every * scale)),
            )
        except UsageError as error:
            raise UsageError(
                f"a schedule scaled by {scale} is too short for its parts: {error}"
            ) from error

    def to_json(self) -> dict[str, Any]:
        """Returns a dict of plain JSON values, from which `from_json` makes an equal recipe."""
        values = {spec.name: getattr(self, spec.name) for spec in dataclasses.fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
        }

    @classmethod
    def from_json(cls, values: Any) -> "Recipe":
        """Returns the recipe that `to_json` describes.

        Values that have no effect are accepted, since recipes in files may contain them; see
        `check_has_effect`.

        Args:
            values: what `to_json` returned, now or in an earlier version. Missing values take
                their defaults.

        Raises:
            UsageError: if a name is unknown or a value is not allowed.

        Example:

        >>> Recipe.from_json({"arch": "resnet20", "seed": 1}).run_name
        'resnet20-A-seed1'
        """
        if not isinstance(values, dict):
            raise UsageError(f"a recipe must be a JSON object. Received: {type(values).__name__}")
        names = [spec.name for spec in dataclasses.fields(cls)]
        for name in values:
            if name not in names:
                raise unknown("recipe value", name, names)
        if "arch" not in values:
            raise UsageError(f"a recipe must contain arch. Received: {sorted(values)}")
        return cls(**values)

    def differences(self, other: "Recipe") -> list[str]:
        """Returns one phrase per value that differs, such as `seed: 0 here, 1 there`."""
        return [
            f"{spec.name}: {_text(here)} here, {_text(there)} there"
            for spec in dataclasses.fields(self)
            for here, there in [(getattr(self, spec.name), getattr(other, spec.name))]
            if here != there
        ]


@dataclass(frozen=True)
class _NoEffect:
    """A condition under which values of a recipe have no effect.

    Attributes:
        names: the fields without effect.
        condition: whether the condition holds for a recipe.
        reason: continues "`name` has no effect" and says what would use the value. It refers to
            other fields as `{name}`, which becomes the name or the flag.
        decided_by: the fields that a search may vary so that the values have an effect in some
            trials.
    """

    names: tuple[str, ...]
    condition: Callable[[Recipe], bool]
    reason: str
    decided_by: tuple[str, ...] = ()


_NEEDS_DROPS = "under the schedule one_cycle; only the schedule drops uses it"
_NO_EFFECT = (
    # `Recipe` clears these two fields, so they are lost even if a search varies the schedule.
    _NoEffect(("drops", "warmup_steps"), lambda r: r.schedule == "one_cycle", _NEEDS_DROPS),
    _NoEffect(
        ("drop_factor", "warmup_rate", "warmup_shape"),
        lambda r: r.schedule == "one_cycle",
        _NEEDS_DROPS,
        decided_by=("schedule",),
    ),
    _NoEffect(
        ("peak_at",),
        lambda r: r.schedule == "drops",
        "under the schedule drops; only the schedule one_cycle uses it",
        decided_by=("schedule",),
    ),
    _NoEffect(
        ("warmup_rate", "warmup_shape"),
        lambda r: r.warmup_steps == 0,
        "without a warm-up; the schedule drops uses it with {warmup_steps} above 0",
        decided_by=("warmup_steps",),
    ),
    _NoEffect(
        ("drop_factor",),
        lambda r: r.schedule == "drops" and not any(step < r.steps for step in r.drops),
        "without drops before the end; the schedule drops uses it with at least one step in "
        "{drops} that is below {steps}",
    ),
    _NoEffect(
        ("nesterov",),
        lambda r: r.momentum == 0,
        "without momentum; the optimizers SGD and Muon use it with {momentum} above 0",
        decided_by=("momentum",),
    ),
    _NoEffect(
        ("decay_on",),
        lambda r: r.decay == 0,
        "without weight decay; the optimizers SGD and Muon use it with {decay} above 0",
        decided_by=("decay",),
    ),
    _NoEffect(
        ("backbone_rate", "muon"),
        lambda r: r.freeze,
        "with {freeze}, which trains only the last layer; the optimizer uses it without {freeze}",
        decided_by=("freeze",),
    ),
    _NoEffect(
        ("sync_bn",),
        lambda r: r.freeze,
        "with {freeze}, under which batch normalization keeps its moving averages; it has one "
        "without {freeze}",
        decided_by=("freeze",),
    ),
    _NoEffect(
        ("sync_bn",),
        lambda r: r.devices == 1,
        "on a single device; it has one with {devices} above 1, or 0 for all visible ones",
    ),
    _NoEffect(
        ("skip_corrupt",),
        lambda r: r.dataset not in FILE_DATASETS,
        f"on images in memory; only images in files use it, with {{dataset}} {FOLDER} or "
        f"{IMAGENET}",
    ),
    _NoEffect(
        ("validation_fraction",),
        lambda r: r.dataset != FOLDER,
        f"on a data set that has its own test images; only {{dataset}} {FOLDER} uses it. To hold "
        "out training images, use {validation_size}",
    ),
    _NoEffect(
        ("image_size",),
        lambda r: r.dataset in ARRAY_DATASETS and r.image_size not in (None, ARRAY_IMAGE_SIZE),
        f"on {', '.join(ARRAY_DATASETS)}, whose images have {ARRAY_IMAGE_SIZE}x{ARRAY_IMAGE_SIZE} "
        "pixels; only other data sets use it",
    ),
    _NoEffect(
        ("augmentation",),
        lambda r: r.augmentation == "scale" and r.dataset not in FILE_DATASETS,
        "on images in memory if it is scale; only images in files are scaled, with "
        f"{{dataset}} {FOLDER} or {IMAGENET}; for others, use {{augmentation}} pad",
    ),
    _NoEffect(
        ("pad",),
        lambda r: r.augmentation == "scale",
        "under the augmentation scale; only the augmentation pad uses it",
        decided_by=("augmentation",),
    ),
    _NoEffect(
        ("pad",),
        lambda r: r.augmentation is None and r.dataset in FILE_DATASETS,
        "under the augmentation scale, the default for images in files; only the augmentation pad "
        "uses it",
        decided_by=("augmentation",),
    ),
    _NoEffect(
        ("alternate_flip",),
        lambda r: r.flip is False,
        "if images are not mirrored; the augmentation uses it with {flip}",
        decided_by=("flip",),
    ),
    _NoEffect(
        ("projection",),
        lambda r: r.option not in ("B", "C"),
        "on shortcuts without projections; only the options B and C use it",
        decided_by=("option",),
    ),
    _NoEffect(
        ("bottleneck_stride",),
        lambda r: r.architecture.block != "bottleneck",
        "without bottleneck blocks; only ResNets of 50, 101 and 152 layers use it",
        decided_by=("depth",),
    ),
)
# These values turn something off. If it is off anyway, they say so, and are accepted.
_OFF: dict[str, Any] = {
    "drops": (),
    "warmup_steps": 0,
    "nesterov": False,
    "backbone_rate": 1.0,
    "muon": 0.0,
    "sync_bn": False,
    "skip_corrupt": False,
    "validation_fraction": None,
    "pad": 0,
    "alternate_flip": False,
}


def values_without_effect(recipe: Recipe, varied: Collection[str] = ()) -> dict[str, str]:
    """Returns the values of a recipe that nothing uses, because of its other values.

    Args:
        recipe: the recipe.
        varied: the fields that a search varies. Values that have an effect in some of its trials
            are not returned.

    Returns:
        The names of the fields, each with a phrase that says what would use the value.

    Example:

    >>> list(values_without_effect(Recipe("resnet50", dataset="folder", momentum=0.0)))
    ['peak_at', 'warmup_rate', 'warmup_shape', 'nesterov', 'pad']
    """
    return _values_without_effect(recipe, varied, as_flags=False)


def _values_without_effect(
    recipe: Recipe, varied: Collection[str], as_flags: bool
) -> dict[str, str]:
    labels = {spec.name: _label(spec.name, as_flags) for spec in dataclasses.fields(Recipe)}
    found: dict[str, str] = {}
    for rule in _NO_EFFECT:
        if rule.condition(recipe) and not set(rule.decided_by) & set(varied):
            for name in rule.names:
                found.setdefault(name, rule.reason.format(**labels))
    return found


def check_has_effect(
    recipe: Recipe,
    given: Mapping[str, Any],
    varied: Collection[str] = (),
    *,
    as_flags: bool = False,
) -> None:
    """Checks that each value that a user gave explicitly has an effect.

    Values that turn something off, such as `warmup_steps=0`, are accepted. Values that come from a
    named recipe or from a file are not checked: switching the schedule of a recipe, for example,
    leaves values behind that only the other schedule uses. A given `warmup_steps` also has to be
    below `steps`, or the learning rate would never be reached.

    Args:
        recipe: the recipe that contains the values.
        given: the values that the user gave, by field name.
        varied: the fields that a search varies; see `values_without_effect`.
        as_flags: whether the values were given as flags, so that the message writes `--peak-at`
            instead of `peak_at`.

    Raises:
        UsageError: if a value has no effect. The message names the schedule, optimizer or
            augmentation that would use it.

    Example:

    >>> check_has_effect(Recipe("resnet20", peak_at=0.5), {"peak_at": 0.5})
    Traceback (most recent call last):
        ...
    resnet_keras.errors.UsageError: peak_at has no effect under the schedule drops; ...
    """
    without_effect = _values_without_effect(recipe, varied, as_flags)
    for spec in dataclasses.fields(Recipe):
        if spec.name not in given or spec.name not in without_effect:
            continue
        value = _checked(spec, given[spec.name])
        if spec.name in _OFF and value == _OFF[spec.name]:
            continue
        raise UsageError(
            f"{_label(spec.name, as_flags)} has no effect {without_effect[spec.name]}. "
            f"Received: {_setting_text(spec.name, value, as_flags)}"
        )
    if given.get("warmup_steps") and recipe.warmup_steps >= recipe.steps:
        raise UsageError(
            f"the warm-up must end before the training, which has {recipe.steps} steps. Received: "
            f"{_setting_text('warmup_steps', recipe.warmup_steps, as_flags)}"
        )


def check_flags(given: Mapping[str, Any]) -> None:
    """Checks that values that were given as flags have the right type and are in range.

    `Recipe` makes the same checks, but its messages contain the names of the fields.

    Args:
        given: the values, by field name.

    Raises:
        UsageError: if a value is not allowed.

    Example:

    >>> check_flags({"batch_size": 0})
    Traceback (most recent call last):
        ...
    resnet_keras.errors.UsageError: --batch-size must be at least 1. Received: 0
    """
    for spec in dataclasses.fields(Recipe):
        if spec.name in given:
            _checked(spec, given[spec.name], flag_of(spec.name))


def flag_of(name: str) -> str:
    """Returns the command-line flag of a field of `Recipe`.

    Example:

    >>> flag_of("batch_size")
    '--batch-size'
    """
    return f"--{name.replace('_', '-')}"


def value_type(spec: "dataclasses.Field[Any]") -> tuple[type, bool]:
    """Returns the type of a field's values and whether they may be `None`.

    Args:
        spec: a field of `Recipe`.

    Returns:
        The type, such as `float`, or `tuple` for a tuple of integers, and whether `None` is
        allowed.

    Example:

    >>> fields = {spec.name: spec for spec in dataclasses.fields(Recipe)}
    >>> value_type(fields["image_size"])
    (<class 'int'>, True)
    """
    hint = typing.get_type_hints(Recipe)[spec.name]
    optional = isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
    if optional:
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    return typing.get_origin(hint) or hint, optional


def _checked(spec: "dataclasses.Field[Any]", value: Any, label: str | None = None) -> Any:
    """Returns a value with the type of its field, if it is allowed there.

    Messages call the field `label`, by default its name.
    """
    kind, optional = value_type(spec)
    label = label or spec.name
    choices = spec.metadata["choices"]
    if value is None and optional:
        return None
    if kind is tuple and isinstance(value, list | tuple):
        return tuple(_checked_number(spec, int, item, label) for item in value)
    if kind in (int, float):
        return _checked_number(spec, kind, value, label)
    if not isinstance(value, kind):
        raise UsageError(f"{label} must be a {kind.__name__}. Received: {value!r}")
    if choices and value not in choices:
        raise unknown(label, value, choices)
    return value


def _checked_number(spec: "dataclasses.Field[Any]", kind: type, value: Any, label: str) -> Any:
    is_int = isinstance(value, int) and not isinstance(value, bool)
    if not (is_int or (kind is float and isinstance(value, float))):
        noun = "a number" if kind is float else "an integer"
        raise UsageError(f"{label} must be {noun}. Received: {value!r}")
    low, high = spec.metadata["low"], spec.metadata["high"]
    too_low = low is not None and value < low
    too_high = high is not None and value > high
    if too_low or too_high or not math.isfinite(value):
        bounds = f"at least {low}" if high is None else f"from {low} to {high}"
        raise UsageError(f"{label} must be {bounds}. Received: {value}")
    return kind(value)


def _label(name: str, as_flag: bool) -> str:
    return flag_of(name) if as_flag else name


def _setting_text(name: str, value: Any, as_flag: bool) -> str:
    """Returns a field and its value as they were given: `drops=100` or `--drops 100`."""
    if not as_flag:
        return f"{name}={_text(value)}"
    if isinstance(value, bool):
        return flag_of(name) if value else flag_of(f"no_{name}")
    return f"{flag_of(name)} {_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)
