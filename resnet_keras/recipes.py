"""The named recipes, which give a run its values where no flag does."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from resnet_keras import architectures
from resnet_keras.errors import unknown
from resnet_keras.recipe import Recipe, check_has_effect

# Section 4.2 warms ResNet-110 up. It does not mention plain-110 and ResNet-1202; docs/departures.md
# explains why they are warmed up here as well.
_WARMED_UP = ("resnet110", "resnet1202", "plain110")

# Goyal et al. warm up for 5 of 90 epochs.
_WARMUP_FRACTION = 5 / 90

# One cycle of the learning rate, Muon, and the values that go with them. The runs of the ablation
# are compared with these values, so they stay as they are when `fast` changes.
ONE_CYCLE: dict[str, Any] = {
    "schedule": "one_cycle",
    "learning_rate": 0.2,
    "peak_at": 0.2,
    "nesterov": True,
    "decay": 5e-4,
    # At the peak a step changes a kernel by 3 % of its norm. After two epochs, the error on 10,000
    # held-out images was the same with 5 %, and 1.5 points higher with 10 % and 8 with SGD.
    "muon": 0.15,
}


def _paper(arch: str) -> dict[str, Any]:
    """Section 4.2: CIFAR-10, 64k steps of SGD at 0.1, divided by 10 after 32k and 48k."""
    return {"warmup_steps": 400} if arch in _WARMED_UP else {}


def _demo(arch: str) -> dict[str, Any]:
    """About a minute of training on the digits, with the paper's schedule in miniature."""
    return {
        "dataset": "digits",
        "batch_size": 64,
        "steps": 200,
        "drops": (100, 150),
        "pad": 2,
        "eval_every": 50,
    }


def _fast(arch: str) -> dict[str, Any]:
    """Thirty epochs of CIFAR-10 with one cycle: less than a fifth of the paper's 64k steps.

    Muon, its step size and the padding were chosen on held-out training images. The other values
    are common choices that proved good there: `python -m resnet_keras reproduce fast-ablation`,
    results/tables/fast_ablation.md.
    """
    # A padding of 2 instead of 4 lowers the error on held-out images by half a point, after 5
    # epochs as after 10.
    return {**ONE_CYCLE, "pad": 2, "steps": 11_719, "eval_every": 1_172}


def _paper_imagenet(arch: str) -> dict[str, Any]:
    """Section 3.4: ImageNet, 600k steps of SGD at 0.1 in batches of 256, scale and color
    augmentation. The learning rate is divided by 10 where the curves of Fig. 4 fall."""
    return {
        "dataset": "imagenet2012",
        "augmentation": "scale",
        "lighting": 0.1,
        "batch_size": 256,
        "steps": 600_000,
        "drops": (150_000, 300_000),
        "eval_every": 5_000,
    }


def _finetune(arch: str) -> dict[str, Any]:
    """Fine-tuning on a few thousand of your own images, from the weights of `--train-from`.

    2,000 batches of 64 show each of 3,000 images about forty times. The new last layer learns at
    0.01, the pretrained layers at a tenth of that. There is no warm-up, because the statistics of
    batch normalization come with the weights. These values are common choices; they were not
    chosen by measurements.
    """
    return {
        "dataset": "folder",
        "backbone_rate": 0.1,
        "batch_size": 64,
        "steps": 2_000,
        "learning_rate": 0.01,
        "drops": (1_200, 1_700),
        "eval_every": 200,
    }


# The values that each named recipe sets for a network; the others have `Recipe`'s defaults.
RECIPES: dict[str, Callable[[str], dict[str, Any]]] = {
    "paper": _paper,
    "demo": _demo,
    "fast": _fast,
    "paper-imagenet": _paper_imagenet,
    "finetune": _finetune,
}


def make(
    name: str, arch: str, *, defaults: Mapping[str, Any] | None = None, **given: Any
) -> Recipe:
    """Returns a named recipe for a network, with some values replaced.

    Args:
        name: a key of `RECIPES`.
        arch: the network, such as `"resnet20"`.
        defaults: values that replace those of the recipe. They come from a file or an experiment
            and may have no effect.
        **given: values that the user gave. They replace all others, and have to have an effect.

    Raises:
        UsageError: if the recipe or the network is unknown, if a value is not allowed, or if a
            given value has no effect.

    Example:

    >>> make("paper", "resnet110", seed=3).warmup_steps
    400
    >>> make("fast", "resnet20", drops=(100,))
    Traceback (most recent call last):
        ...
    resnet_keras.errors.UsageError: drops has no effect under the schedule one_cycle; ...
    """
    # `--recipe=--` makes argparse return an empty list.
    if not isinstance(name, str) or name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    architectures.parse(arch)
    recipe = Recipe(**{"arch": arch, **RECIPES[name](arch), **(defaults or {}), **given})
    check_has_effect(recipe, given)
    return recipe


def for_batch(recipe: Recipe, batch_size: int, warmup_rate: float | None = None) -> Recipe:
    """Returns a recipe for another batch size that trains for the same number of epochs.

    The learning rate follows the linear scaling rule of Goyal et al., *Accurate, Large Minibatch
    SGD*, arXiv:1706.02677, section 2: with k times the batch size it is k times as high, and the
    schedule has 1/k of the steps. If k is above 1, a linear warm-up over the first eighteenth of
    the steps replaces that of the recipe. The schedule one_cycle needs no warm-up, because it
    rises anyway.

    Args:
        recipe: the recipe.
        batch_size: images per step.
        warmup_rate: the learning rate at the start of the linear warm-up; `None` for the rate that
            the recipe starts with.

    Raises:
        UsageError: if the batch size is not allowed, or if the schedule becomes too short for its
            drops.

    Example:

    >>> recipe = for_batch(Recipe("resnet20"), 512)
    >>> recipe.learning_rate, recipe.steps, recipe.drops
    (0.4, 16000, (8000, 12000))
    """
    # Check the batch size before computing with it.
    batch_size = dataclasses.replace(recipe, batch_size=batch_size).batch_size
    k = batch_size / recipe.batch_size
    steps = max(1, round(recipe.steps / k))
    learning_rate, muon = step_sizes_for_batch(recipe.learning_rate, recipe.muon, k)
    warmup: dict[str, Any] = {"warmup_steps": round(recipe.warmup_steps / k)}
    if scaling_adds_warmup(recipe, batch_size):
        if warmup_rate is None:
            warmup_rate = recipe.warmup_rate if recipe.warmup_steps else recipe.learning_rate
        warmup = {
            "warmup_steps": max(1, round(steps * _WARMUP_FRACTION)),
            "warmup_rate": warmup_rate,
            "warmup_shape": "linear",
        }
    return dataclasses.replace(
        recipe,
        batch_size=batch_size,
        learning_rate=learning_rate,
        muon=muon,
        steps=steps,
        drops=tuple(max(1, round(step / k)) for step in recipe.drops),
        eval_every=max(1, round(recipe.eval_every / k)),
        **warmup,
    )


def scaling_adds_warmup(recipe: Recipe, batch_size: int) -> bool:
    """Returns whether `for_batch` chooses the warm-up of a recipe.

    Args:
        recipe: the recipe.
        batch_size: images per step of the new recipe.

    Example:

    >>> scaling_adds_warmup(Recipe("resnet20"), 512), scaling_adds_warmup(Recipe("resnet20"), 64)
    (True, False)
    """
    return recipe.schedule == "drops" and batch_size > recipe.batch_size


def step_sizes_for_batch(learning_rate: float, muon: float, k: float) -> tuple[float, float]:
    """Returns the step sizes of SGD and Muon for a batch size that is `k` times as large.

    The learning rate grows with `k`. A step of Muon has the same length for small gradients as for
    large ones; a larger batch makes gradients less noisy, not larger. The length should therefore
    grow only with the square root of `k`, the rule of Malladi et al., arXiv:2205.10287, for such
    optimizers. Since it is the product of both values, `muon` is divided by the square root.

    Args:
        learning_rate: of the recipe.
        muon: of the recipe.
        k: the new batch size relative to the current one.

    Returns:
        The new values of `learning_rate` and `muon`.

    Example:

    >>> step_sizes_for_batch(0.1, 0.5, 4)
    (0.4, 0.25)
    """
    return learning_rate * k, muon / math.sqrt(k)
