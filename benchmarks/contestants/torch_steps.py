"""PyTorch: the training step and inference."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from benchmarks.contestants import Built, synthetic, torch_networks


def make(
    network: str,
    size: int,
    batch: int,
    training: bool,
    bfloat16: bool = False,
    compiled: bool = False,
    device: str = "cpu",
) -> Built:
    """Builds a network, with one batch in memory.

    Args:
        network: the name of the network.
        size: the side of the images in pixels.
        batch: images per step.
        training: whether a step trains or predicts.
        bfloat16: autocast to bfloat16 on channels-last tensors, as PyTorch's guide for CPUs
            recommends. Otherwise float32 and PyTorch's default layout.
        compiled: use `torch.compile`.
        device: `"cpu"` or `"cuda"`. The steps of a GPU are not synchronized one by one, as in
            training.

    Returns:
        `(run_steps, facts)`.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("PyTorch finds no GPU")
    torch.manual_seed(0)
    # All batches have the same size, so searching for the fastest kernels pays off.
    torch.backends.cudnn.benchmark = True
    model = torch_networks.build(network).train(training).to(device)
    facts = {
        "parameters": torch_networks.count_parameters(model),
        "precision": "bfloat16" if bfloat16 else "float32",
        "threads": torch.get_num_threads(),
    }
    images = torch.from_numpy(synthetic.scaled(synthetic.images(batch, size)))
    images = images.permute(0, 3, 1, 2).contiguous().to(device)
    if bfloat16:
        model = model.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    if compiled:
        model = torch.compile(model)
    precision = torch.autocast(device, torch.bfloat16) if bfloat16 else contextlib.nullcontext()
    step: Callable[[], Any]
    if training:
        labels = torch.from_numpy(synthetic.labels(batch, synthetic.class_count(size)))
        step = _training_step(model, images, labels.long().to(device), precision)
    else:
        step = _inference_step(model, images, precision)

    def run_steps(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            last = step()
        if training:
            # The loss of the last step, which is computed after all others.
            last.item()
        return time.perf_counter() - start

    return run_steps, facts


def _training_step(
    model: torch.nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    precision: contextlib.AbstractContextManager,
) -> Callable[[], torch.Tensor]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def step() -> torch.Tensor:
        optimizer.zero_grad()
        with precision:
            loss = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        if loss.device.type == "cpu":
            # The other contestants also read their loss after every step.
            loss.item()
        return loss.detach()

    return step


def _inference_step(
    model: torch.nn.Module, images: torch.Tensor, precision: contextlib.AbstractContextManager
) -> Callable[[], Any]:
    def step() -> Any:
        with torch.inference_mode(), precision:
            return functional.softmax(model(images), dim=1).float().cpu().numpy()

    return step
