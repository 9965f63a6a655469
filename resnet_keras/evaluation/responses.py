"""The responses of section 4.2's analysis: the standard deviation of each 3x3 layer's output."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.decoding import evaluation_batches
from resnet_keras.data.transforms import normalize
from resnet_keras.errors import UserError
from resnet_keras.models.batch_norm import BatchNormalization
from resnet_keras.models.build import allow_deep_networks
from resnet_keras.models.keras_file import load_keras_file
from resnet_keras.preprocessing import Preprocessing

BATCH_SIZE = 100


@dataclass(frozen=True)
class Response:
    """One layer's response.

    Attributes:
        layer: name of the convolution.
        std: standard deviation over all images, places and channels.
    """

    layer: str
    std: float


def open_network(path: Path | str):
    """Opens a finished run's folder or a `.keras` file: a SavedModel has no layers to look into.

    Returns:
        The model and its `Description`.

    Raises:
        UserError: if there is none.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / "model.keras").is_file():
            raise UserError(
                f"{path} holds no model.keras: layers can be looked into in the folder of a "
                "finished run, or in a .keras file"
            )
        path = path / "model.keras"
    return load_keras_file(path)


def response_layers(model: keras.Model) -> list[tuple[str, object]]:
    """Returns each 3x3 convolution's name and its output after batch normalization, a symbolic
    tensor, from the image on: 6n+1 of them in a network of section 4.2.

    Raises:
        UserError: if the network has none.
    """
    found = []
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Conv2D) or tuple(layer.kernel_size) != (3, 3):
            continue
        readers = [node.operation for node in layer._outbound_nodes]
        norms = [reader for reader in readers if isinstance(reader, BatchNormalization)]
        if norms:
            found.append((layer.name, norms[0].output))
    if not found:
        raise UserError(f"{model.name} has no batch-normalized 3x3 convolutions")
    return found


def responses(
    model: keras.Model, preprocessing: Preprocessing, images: Images | Files
) -> list[Response]:
    """Measures the responses in inference mode, on images as they are, without augmentation.

    Args:
        model: the network.
        preprocessing: its own.
        images: one at least.

    Raises:
        UserError: if the network has no batch-normalized 3x3 convolution.
    """
    allow_deep_networks()
    layers = response_layers(model)
    # Only two numbers a layer leave the graph, so that 1,201 layers' outputs need not be kept.
    moments = [_Moments(dtype="float32")(output) for _, output in layers]
    probe = keras.Model(model.inputs, keras.ops.stack(moments))
    total, count = np.zeros((len(layers), 2)), 0
    for part, _ in evaluation_batches(images, preprocessing, BATCH_SIZE):
        found = probe.predict_on_batch(np.asarray(normalize(part, preprocessing)))
        total += np.asarray(found, np.float64) * len(part)
        count += len(part)
    mean, square = (total / count).T
    stds = np.sqrt(np.maximum(square - mean**2, 0.0))
    return [Response(name, float(std)) for (name, _), std in zip(layers, stds, strict=True)]


class _Moments(keras.layers.Layer):
    """Mean and mean square of everything in `x`: shape (2,), float32."""

    def call(self, x):
        x = keras.ops.cast(x, "float32")
        return keras.ops.stack([keras.ops.mean(x), keras.ops.mean(keras.ops.square(x))])

    def compute_output_shape(self, input_shape):
        return (2,)
