"""The description of how an image becomes the input of a network.

A run stores it, the `.keras` file contains it, and the SavedModel has it in its graph, so that a
network gets the same input in training, evaluation and serving. This module only describes;
`resnet_keras.data.transforms` computes.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from resnet_keras.errors import UserError

RESIZE_RULES = ("stretch", "crop")


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Converts uint8 RGB images `(N, H, W, 3)` to float32 `(x * scale - mean) / std`.

    Attributes:
        size: the height and width in pixels of the training images.
        resize: how images of other sizes are resized. `"stretch"`: both sides are resized to
            `size`. `"crop"`: the shorter side is resized to `shorter_side`, then the centre of
            `size` is cropped. Both are bilinear with antialiasing, rounded to integers.
        scale: the factor for pixel values. 1/255 maps them to [0, 1].
        mean: float32, after scaling: `(H, W, 3)`, the per-pixel mean of section 4.2, or `(3,)`. Any
            sequence of numbers is converted.
        std: three floats, after scaling; 1 leaves the values unchanged.
        class_names: the names of the classes, in the order of the network's outputs.
        shorter_side: in pixels, for `"crop"`; `None` for `"stretch"`.

    Raises:
        UserError: if the values are invalid or do not fit together.

    Example:

    >>> rule = Preprocessing(
    ...     size=(32, 32), resize="stretch", scale=1 / 255, mean=(0.5, 0.5, 0.5),
    ...     std=(0.25, 0.25, 0.25), class_names=("cat", "dog"),
    ... )
    >>> rule.per_pixel
    False
    >>> Preprocessing.from_json(rule.to_json()) == rule
    True
    """

    size: tuple[int, int]
    resize: str
    scale: float
    mean: np.ndarray
    std: tuple[float, float, float]
    class_names: tuple[str, ...]
    shorter_side: int | None = None

    def __post_init__(self) -> None:
        """Converts and checks the values."""
        mean = np.asarray(self.mean, np.float32)
        mean.setflags(write=False)
        object.__setattr__(self, "size", tuple(int(side) for side in self.size))
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "std", tuple(float(value) for value in self.std))
        object.__setattr__(self, "class_names", tuple(str(name) for name in self.class_names))
        numbers = (self.scale, *self.size, *self.std, *mean.ravel().tolist())
        if not all(math.isfinite(number) for number in numbers) or self.scale <= 0:
            raise UserError(
                "preprocessing: scale, size, mean and std must be finite, and scale positive. "
                f"Received: scale={self.scale}, size={self.size}, std={self.std}"
            )
        if len(self.size) != 2 or min(self.size) < 1 or not self.class_names:
            raise UserError(
                "preprocessing: size must be (height, width) in pixels, and class_names must not "
                f"be empty. Received: size={self.size}, {len(self.class_names)} class names"
            )
        if self.resize not in RESIZE_RULES:
            raise UserError(
                f"preprocessing: resize must be one of {RESIZE_RULES}. Received: {self.resize!r}"
            )
        if mean.shape not in ((3,), (*self.size, 3)):
            raise UserError(
                f"preprocessing: mean must have shape (3,) or {(*self.size, 3)}. "
                f"Received: {mean.shape}"
            )
        if len(self.std) != 3 or min(self.std) <= 0:
            raise UserError(
                f"preprocessing: std must be three positive numbers. Received: {self.std}"
            )
        if (self.resize == "crop") != (self.shorter_side is not None):
            raise UserError(
                "preprocessing: shorter_side must be given for resize='crop', and only for it. "
                f"Received: resize={self.resize!r}, shorter_side={self.shorter_side}"
            )

    def __eq__(self, other: object) -> bool:
        """Returns whether all values are equal."""
        return isinstance(other, Preprocessing) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        """Returns a hash that does not depend on the mean, which is large."""
        return hash((self.size, self.resize, self.scale, self.class_names))

    @property
    def per_pixel(self) -> bool:
        """Whether the mean is per pixel, so that all images must have `size`."""
        return self.mean.ndim == 3

    def to_json(self) -> dict[str, Any]:
        """Returns a dictionary of JSON values from which `from_json` creates an equal object."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        # The shortest decimal that converts back to the same float32 keeps the file small.
        values["mean"] = [float(str(value)) for value in self.mean.ravel()]
        values["mean_shape"] = list(self.mean.shape)
        for name in ("size", "std", "class_names"):
            values[name] = list(values[name])
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Preprocessing":
        """Creates an object from what `to_json` returned.

        Args:
            values: the JSON values.

        Raises:
            UserError: if a value is missing or invalid.
        """
        values = dict(values)
        try:
            mean = np.array(values.pop("mean"), np.float32).reshape(values.pop("mean_shape"))
            return cls(mean=mean, **values)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"not a valid preprocessing description: {error!r} (received the keys "
                f"{sorted(values)})"
            ) from error
