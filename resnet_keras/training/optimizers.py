"""The optimizer of every run: SGD with momentum, and Muon for the kernels of convolutions.

`SGDMuon` documents both update rules and contains them: see `_sgd_step` and `_muon_step`.

Muon: Keller Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024,
https://kellerjordan.github.io/posts/muon. `keras.optimizers.Muon` does not suit convolutional
networks: it updates only matrices this way, and convolution kernels with Adam.
"""

from typing import Any, TypeAlias

import keras

from resnet_keras.architectures import CLASSIFIER
from resnet_keras.errors import unknown
from resnet_keras.recipe import DECAY_ON, Recipe
from resnet_keras.training.keras_private import keras_variable, variable_index
from resnet_keras.training.schedules import keras_schedule

Tensor: TypeAlias = Any

# The quintic polynomial of Jordan et al. Five iterations bring every singular value of a matrix of
# Frobenius norm 1, except tiny ones, close to 1 (0.7 to 1.2), which is close enough for a step.
_COEFFICIENTS = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
# Avoids a division by 0.
_EPSILON = 1e-12


@keras.saving.register_keras_serializable(package="resnet_keras")
class SGDMuon(keras.optimizers.SGD):
    """SGD with momentum and weight decay, optionally with Muon for the kernels of convolutions.

    The update rule of SGD is

        velocity = momentum * velocity - learning_rate * (gradient + decay * weight)
        weight = weight + velocity

    This is the weight decay of section 3.4 (1e-4) as the frameworks of that time implemented it.
    Keras offers two other forms: `regularizers.L2(1e-4)` has the gradient `2e-4 * weight` and adds
    a term to the loss, and `keras.optimizers.SGD(weight_decay=1e-4)` subtracts the decay outside
    the momentum, where it has about a tenth of the effect.

    With `muon > 0`, the update rule for the kernels of convolutions is

        velocity = momentum * velocity + gradient
        turn = learning_rate * muon
        step = turn * norm(weight) * orthogonalize(velocity)
        weight = ((1 - learning_rate * decay) * weight - step) / sqrt(1 + turn**2)

    and with Nesterov momentum, `orthogonalize(gradient + momentum * velocity)`. Each step changes a
    kernel by the same fraction of its norm, so one learning rate suits all layers. In front of
    batch normalization, gradients are orthogonal to the kernel, and so are steps, nearly. The
    square root undoes the growth of the norm in such a step; without it, kernels would grow without
    bound. What a kernel in front of batch normalization computes, and how far a step turns it,
    depends only on its direction. Decay shrinks it and has no other effect.

    Args:
        learning_rate: a number or a `keras.optimizers.schedules.LearningRateSchedule`.
        decay: the factor of the weight decay; 0 for none.
        decay_on: `"all"` applies weight decay to all variables, as the frameworks of the time did
            by default; `"kernels"` only to the kernels of convolutions and dense layers.
        backbone_rate: the factor of the learning rate for all variables except those of the last
            layer.
        muon: the change of a convolution kernel in one step, relative to its norm and divided by
            the learning rate; 0 updates kernels with SGD like all other variables.
        name: the name of the optimizer. It is part of the names of its variables in checkpoints,
            so the default is still the name of the class in version 0.1.
        **kwargs: as for `keras.optimizers.SGD`, such as `momentum` and `nesterov`.

    Raises:
        UsageError: if `decay_on` is unknown.

    Example:

    >>> optimizer = SGDMuon(0.1, momentum=0.9, decay=1e-4, muon=0.15)
    >>> kernel = keras.Variable("ones", shape=(3, 3, 16, 16), name="kernel")
    >>> bias = keras.Variable("zeros", shape=(16,), name="bias")
    >>> optimizer.uses_muon(kernel), optimizer.uses_muon(bias)
    (True, False)
    """

    def __init__(
        self,
        learning_rate: Any = 0.1,
        decay: float = 0.0,
        decay_on: str = "all",
        backbone_rate: float = 1.0,
        muon: float = 0.0,
        name: str = "SGD",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        if decay_on not in DECAY_ON:
            raise unknown("decay_on", decay_on, DECAY_ON)
        self.decay = float(decay)
        self.decay_on = decay_on
        self.backbone_rate = float(backbone_rate)
        self.muon = float(muon)

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Updates one variable.

        Args:
            gradient: the gradient of the loss, of the variable's shape.
            variable: the variable, which is modified. Its momentum is modified too.
            learning_rate: a scalar.
        """
        decay = self.decay if self.has_weight_decay(variable) else 0.0
        factor = self.learning_rate_factor(variable)
        if factor != 1.0:
            learning_rate = learning_rate * factor
        step = self._muon_step if self.uses_muon(variable) else self._sgd_step
        step(gradient, variable, learning_rate, decay)

    def _sgd_step(
        self, gradient: Tensor, variable: Any, learning_rate: Tensor, decay: float
    ) -> None:
        if decay:
            gradient = gradient + decay * keras.ops.convert_to_tensor(variable)
        super().update_step(gradient, variable, learning_rate)

    def _muon_step(
        self, gradient: Tensor, variable: Any, learning_rate: Tensor, decay: float
    ) -> None:
        learning_rate = keras.ops.cast(learning_rate, variable.dtype)
        gradient = keras.ops.cast(gradient, variable.dtype)
        weight = keras.ops.convert_to_tensor(variable)
        direction = gradient
        if self.momentum:
            momentum_variable = self.momentums[variable_index(self, variable)]
            velocity = self.momentum * keras.ops.convert_to_tensor(momentum_variable) + gradient
            self.assign(momentum_variable, velocity)
            direction = gradient + self.momentum * velocity if self.nesterov else velocity
        turn = learning_rate * self.muon
        step = turn * frobenius_norm(weight) * orthogonalize(direction)
        growth = keras.ops.sqrt(1 + keras.ops.square(turn))
        self.assign(variable, ((1 - learning_rate * decay) * weight - step) / growth)

    def has_weight_decay(self, variable: Any) -> bool:
        """Returns whether weight decay applies to a variable."""
        return self.decay_on == "all" or self._path(variable)[-1] == "kernel"

    def learning_rate_factor(self, variable: Any) -> float:
        """Returns what the learning rate is multiplied by for a variable."""
        if self.backbone_rate == 1.0 or self._path(variable)[-2:-1] == [CLASSIFIER]:
            return 1.0
        return self.backbone_rate

    def uses_muon(self, variable: Any) -> bool:
        """Returns whether Muon updates a variable: only kernels of convolutions, of rank 4."""
        return self.muon > 0 and len(variable.shape) == 4

    def _path(self, variable: Any) -> list[str]:
        if not isinstance(variable, keras.Variable):
            # On TensorFlow, `update_step` receives the tf.Variable inside the Keras variable.
            variable = keras_variable(self, variable)
        return variable.path.split("/")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "decay": self.decay,
            "decay_on": self.decay_on,
            "backbone_rate": self.backbone_rate,
            "muon": self.muon,
        }


# Version 0.1 registered the class as `SGD`. Its `.keras` files contain that name.
keras.saving.get_custom_objects()["resnet_keras>SGD"] = SGDMuon


def make_optimizer(recipe: Recipe) -> SGDMuon:
    """Returns the optimizer of a recipe, with its learning-rate schedule.

    Args:
        recipe: the recipe of the run.

    Returns:
        A new optimizer without variables.

    Example:

    >>> optimizer = make_optimizer(Recipe("resnet20"))
    >>> optimizer.momentum, optimizer.decay, optimizer.muon
    (0.9, 0.0001, 0.0)
    """
    return SGDMuon(
        keras_schedule(recipe),
        decay=recipe.decay,
        decay_on=recipe.decay_on,
        backbone_rate=recipe.backbone_rate,
        muon=recipe.muon,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        use_ema=recipe.ema > 0,
        ema_momentum=recipe.ema,
    )


def orthogonalize(kernel: Tensor) -> Tensor:
    """Returns the direction of Muon's step: the kernel with about equal singular values.

    The kernel of a convolution, of shape `(height, width, channels, filters)`, is treated as a
    matrix with one column per filter. If its singular value decomposition is `U S V^T`, the result
    is approximately `U V^T`, divided by its Frobenius norm. A step in this direction makes equal
    progress in directions with large and with small gradients. It does not depend on the size of
    the gradients: even when they have become almost 0, the momentum of earlier gradients still
    gives a step of full length.

    Args:
        kernel: a floating-point tensor; its last axis is the axis of the filters.

    Returns:
        A tensor of the same shape and dtype with Frobenius norm 1; all zeros if `kernel` is.

    Example:

    >>> direction = orthogonalize(keras.ops.ones((3, 3, 4, 8)))
    >>> tuple(direction.shape), round(float(frobenius_norm(direction)), 4)
    ((3, 3, 4, 8), 1.0)
    """
    a, b, c = _COEFFICIENTS
    x = keras.ops.reshape(kernel, (-1, kernel.shape[-1]))
    is_tall = x.shape[0] > x.shape[1]
    # The products below are square matrices of the shorter side.
    x = _normalized(keras.ops.transpose(x) if is_tall else x)
    for _ in range(_ITERATIONS):
        gram = x @ keras.ops.transpose(x)
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    x = _normalized(x)
    return keras.ops.reshape(keras.ops.transpose(x) if is_tall else x, kernel.shape)


def frobenius_norm(x: Tensor) -> Tensor:
    """Returns the square root of the sum of the squares of all elements.

    Unlike `keras.ops.norm`, it accepts tensors of any rank.

    Args:
        x: a floating-point tensor.

    Returns:
        A scalar tensor.

    Example:

    >>> float(frobenius_norm(keras.ops.ones((2, 2, 2, 2))))
    4.0
    """
    return keras.ops.sqrt(keras.ops.sum(keras.ops.square(x)))


def _normalized(x: Tensor) -> Tensor:
    return x / (frobenius_norm(x) + _EPSILON)
