"""The named recipes: where the values of a run come from when no flag says otherwise."""

import dataclasses
import math

from resnet_keras import architectures
from resnet_keras.errors import unknown
from resnet_keras.recipe import Recipe

# Section 4.2 warms ResNet-110 up. It says nothing of plain-110 and ResNet-1202; see
# docs/departures.md for why they do the same here.
WARMED_UP = ("resnet110", "resnet1202", "plain110")

# Goyal et al. warm up for 5 epochs of 90.
WARM_UP_PART = 5 / 90

# One cycle of the rate, Muon, and what goes with them. The ablation's runs are compared with these
# values: they stay as they are when `fast` takes up what proves itself there.
ONE_CYCLE = {
    "schedule": "one_cycle",
    "learning_rate": 0.2,
    "peak_at": 0.2,
    "nesterov": True,
    "decay": 5e-4,
    # At the peak a step moves a kernel by 3 % of its length. In two epochs 10,000 held-out images
    # told no difference from 5 %, and 1.5 points of 10 %; SGD was 8 points behind.
    "muon": 0.15,
}


def paper(arch: str) -> dict:
    """Section 4.2: CIFAR-10, 64k steps of SGD at 0.1, divided by 10 after 32k and 48k."""
    return {"warmup_steps": 400} if arch in WARMED_UP else {}


def demo(arch: str) -> dict:
    """A minute's training on the embedded digits, with the paper's schedule in miniature."""
    return {
        "dataset": "digits",
        "batch_size": 64,
        "steps": 200,
        "drops": (100, 150),
        "pad": 2,
        "eval_every": 50,
    }


def fast(arch: str) -> dict:
    """Thirty epochs of CIFAR-10 in one cycle of the rate: a small part of the paper's 64k steps.

    Muon, its rate and how far images are shifted were chosen on held-out training images, the
    other values are rules of thumb that held there: `python -m resnet_keras reproduce
    fast-ablation`, results/tables/fast_ablation.md.
    """
    # Instead of 4: half a point less error on held-out images, in 5 epochs as in 10.
    return {**ONE_CYCLE, "pad": 2, "steps": 11_719, "eval_every": 1_172}


def paper_imagenet(arch: str) -> dict:
    """Section 3.4: ImageNet, 600k steps of SGD at 0.1 in batches of 256, divided by 10 where the
    curves of Fig. 4 fall; images at random scales, in random light."""
    return {
        "dataset": "imagenet2012",
        "augmentation": "scale",
        "lighting": 0.1,
        "batch_size": 256,
        "steps": 600_000,
        "drops": (150_000, 300_000),
        "eval_every": 5_000,
    }


def finetune(arch: str) -> dict:
    """An evening with a few thousand images of your own, from the weights of `--train-from`.

    2,000 batches of 64 show 3,000 images about forty times. A new last layer learns at 0.01; what
    came with the file is good already and moves at a tenth of that. No warm-up: batch norm's
    statistics are there from the start. Rules of thumb, not chosen by measurement.
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


RECIPES = {
    "paper": paper,
    "demo": demo,
    "fast": fast,
    "paper-imagenet": paper_imagenet,
    "finetune": finetune,
}


def make(name: str, arch: str, **given) -> Recipe:
    """Returns the recipe `name` for a network, with the values that were `given` put over it.

    Raises:
        UsageError: for an unknown recipe, network or value.
    """
    # argparse makes an empty list of `--recipe=--`.
    if not isinstance(name, str) or name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    architectures.parse(arch)
    return Recipe(**{"arch": arch, **RECIPES[name](arch), **given})


def for_batch(recipe: Recipe, batch_size: int) -> Recipe:
    """Returns the recipe for another batch: the linear scaling rule of Goyal et al., *Accurate,
    Large Minibatch SGD*, arXiv:1706.02677, section 2.

    With k times the batch the rate is k times as high and the schedule has a k-th of the steps,
    so as many epochs. Where k is above 1 the rate rises linearly, over the first eighteenth of
    the steps, from what the recipe begins with. A cycle rises by itself.

    Muon's steps are as long for small gradients as for large: a k-fold batch makes them less noisy,
    not longer. Their length grows with the root of k, the rule for such optimizers of Malladi et
    al., arXiv:2205.10287.

    Raises:
        UsageError: if there is no such batch, or the schedule gets too short for its drops.
    """
    # The recipe says what is wrong with it.
    batch_size = dataclasses.replace(recipe, batch_size=batch_size).batch_size
    k = batch_size / recipe.batch_size
    steps = max(1, round(recipe.steps / k))
    warmed = k > 1 and recipe.schedule == "drops"
    warm_up = {
        "warmup_steps": max(1, round(steps * WARM_UP_PART)),
        "warmup_rate": recipe.warmup_rate if recipe.warmup_steps else recipe.learning_rate,
        "warmup_shape": "linear",
    }
    return dataclasses.replace(
        recipe,
        batch_size=batch_size,
        learning_rate=recipe.learning_rate * k,
        muon=recipe.muon / math.sqrt(k),
        steps=steps,
        drops=tuple(max(1, round(step / k)) for step in recipe.drops),
        eval_every=max(1, round(recipe.eval_every / k)),
        **(warm_up if warmed else {"warmup_steps": round(recipe.warmup_steps / k)}),
    )
