"""PyTorch: the training step, and inference."""

import contextlib
import time

import torch
from torch.nn import functional

from benchmarks.contestants import synthetic, torch_networks


def make(
    network: str,
    size: int,
    batch: int,
    training: bool,
    bfloat16: bool = False,
    compiled: bool = False,
    device: str = "cpu",
):
    """Builds a network, with one batch in memory.

    Args:
        network: its name.
        size: side of the images.
        batch: images a step.
        training: whether a step trains, or answers.
        bfloat16: autocast to bfloat16, on channels-last tensors, as PyTorch's guide for CPUs has
            it. Without it: float32, and the layout one gets.
        compiled: through `torch.compile` besides.
        device: `"cpu"` or `"cuda"`. A GPU's steps are not waited for one by one, as they are not
            in training either.

    Returns:
        `(steps, facts)`.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("PyTorch sees no GPU")
    torch.manual_seed(0)
    # All batches have one size: the fastest kernels for it are worth a search.
    torch.backends.cudnn.benchmark = True
    model = torch_networks.build(network).train(training).to(device)
    facts = {
        "parameters": torch_networks.parameters(model),
        "precision": "bfloat16" if bfloat16 else "float32",
        "threads": torch.get_num_threads(),
    }
    pictures = torch.from_numpy(synthetic.scaled(synthetic.images(batch, size)))
    pictures = pictures.permute(0, 3, 1, 2).contiguous().to(device)
    if bfloat16:
        model = model.to(memory_format=torch.channels_last)
        pictures = pictures.to(memory_format=torch.channels_last)
    if compiled:
        model = torch.compile(model)
    precision = torch.autocast(device, torch.bfloat16) if bfloat16 else contextlib.nullcontext()
    if training:
        classes = 10 if size == 32 else 1000
        labels = torch.from_numpy(synthetic.labels(batch, classes)).long().to(device)
        one = _training_step(model, pictures, labels, precision)
    else:
        one = _answer(model, pictures, precision)

    def steps(count):
        began = time.perf_counter()
        for _ in range(count):
            last = one()
        if training:
            last.item()  # the loss of the last step, which follows all others
        return time.perf_counter() - began

    return steps, facts


def _training_step(model, pictures, labels, precision):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)

    def step():
        optimizer.zero_grad()
        with precision:
            loss = functional.cross_entropy(model(pictures), labels)
        loss.backward()
        optimizer.step()
        if loss.device.type == "cpu":
            loss.item()  # the others read their running loss, too
        return loss.detach()

    return step


def _answer(model, pictures, precision):
    def step():
        with torch.inference_mode(), precision:
            return functional.softmax(model(pictures), dim=1).float().cpu().numpy()

    return step
