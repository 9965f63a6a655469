"""Layer responses, as in Fig. 7 of the paper.

The response of a 3x3 convolution is the standard deviation of its output after batch normalization
and before ReLU and addition (section 4.2, "Analysis of Layer Responses").
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from resnet_keras.artefact import Format, resolve_artefact
from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.decoding import evaluation_batches
from resnet_keras.data.transforms import normalize
from resnet_keras.description import Description
from resnet_keras.errors import UserError
from resnet_keras.models.batch_norm import BatchNormalization
from resnet_keras.models.build import allow_deep_networks
from resnet_keras.models.keras_file import load_keras_file
from resnet_keras.preprocessing import Preprocessing

BATCH_SIZE = 100


@dataclass(frozen=True)
class LayerResponse:
    """The response of one layer.

    Attributes:
        layer: name of the convolution.
        std: standard deviation over all images, positions and channels.
    """

    layer: str
    std: float


def load_network(path: Path | str) -> tuple[keras.Model, Description]:
    """Loads the network of a finished run or a `.keras` file.

    A SavedModel cannot be used, because it has no layers.

    Args:
        path: a run folder or a `.keras` file.

    Returns:
        The model and its description.

    Raises:
        UserError: if `path` is neither, or the file is damaged.

    Example:

    >>> from resnet_keras.models.build import build
    >>> from resnet_keras.models.keras_file import save_keras_file
    >>> preprocessing = Preprocessing((8, 8), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b"))
    >>> model = build("plain8", classes=2, input_shape=(8, 8, 3))
    >>> save_keras_file(model, Path("net.keras"), Description(preprocessing))
    >>> model, description = load_network("net.keras")
    >>> description.preprocessing.class_names
    ('a', 'b')
    """
    return load_keras_file(resolve_artefact(path, Format.KERAS).path)


def response_layers(model: keras.Model) -> list[tuple[str, Any]]:
    """Finds the 3x3 convolutions of a network that batch normalization follows.

    Args:
        model: a network of this program. Those of section 4.2 have 6n+1 such layers.

    Returns:
        For each layer, from input to output: the name of the convolution and the output of its
        batch normalization, a symbolic tensor.

    Raises:
        UserError: if there are none.

    Example:

    >>> from resnet_keras.models.build import build
    >>> [name for name, _ in response_layers(build("resnet8", "A"))][:2]
    ['conv1', 'stage1_block1_conv1']
    """
    norms = {
        id(layer.input): layer for layer in model.layers if isinstance(layer, BatchNormalization)
    }
    layers = []
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Conv2D) or tuple(layer.kernel_size) != (3, 3):
            continue
        norm = norms.get(id(layer.output))
        if norm is not None:
            layers.append((layer.name, norm.output))
    if not layers:
        raise UserError(f"{model.name} has no batch-normalized 3x3 convolutions")
    return layers


def layer_responses(
    model: keras.Model, preprocessing: Preprocessing, images: Images | Files
) -> list[LayerResponse]:
    """Measures the responses in inference mode, without augmentation.

    Args:
        model: takes preprocessed images.
        preprocessing: the network's own.
        images: at least one image.

    Raises:
        UserError: if the network has no batch-normalized 3x3 convolution.

    Example:

    >>> from resnet_keras.models.build import build
    >>> preprocessing = Preprocessing((8, 8), "stretch", 1.0, (0, 0, 0), (1, 1, 1), ("a", "b"))
    >>> images = Images(np.zeros((2, 8, 8, 3), np.uint8), np.zeros(2, np.int32))
    >>> model = build("resnet8", classes=2, input_shape=(8, 8, 3))
    >>> len(layer_responses(model, preprocessing, images))
    7
    """
    allow_deep_networks()
    layers = response_layers(model)
    # Only two numbers per layer leave the graph: the outputs of 1,201 layers need not be kept.
    moments = [_Moments(dtype="float32")(output) for _, output in layers]
    moments_model = keras.Model(model.inputs, keras.ops.stack(moments))
    total, count = np.zeros((len(layers), 2)), 0
    for batch, _ in evaluation_batches(images, preprocessing, BATCH_SIZE):
        inputs = np.asarray(normalize(batch, preprocessing))
        total += np.asarray(moments_model.predict_on_batch(inputs), np.float64) * len(batch)
        count += len(batch)
    mean, mean_square = (total / count).T
    stds = np.sqrt(np.maximum(mean_square - mean**2, 0.0))
    return [LayerResponse(name, float(std)) for (name, _), std in zip(layers, stds, strict=True)]


class _Moments(keras.layers.Layer):
    """Computes the mean and the mean square of a tensor: float32 `(2,)`."""

    def call(self, x: Any) -> Any:
        """Returns the moments over all axes, including that of the batch."""
        x = keras.ops.cast(x, "float32")
        return keras.ops.stack([keras.ops.mean(x), keras.ops.mean(keras.ops.square(x))])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int]:
        """Returns `(2,)`."""
        return (2,)
