"""Muon's step for the kernel of a convolution: along the momentum, made orthogonal.

Keller Jordan et al., *Muon: An optimizer for hidden layers in neural networks*, 2024,
https://kellerjordan.github.io/posts/muon. `keras.optimizers.Muon` takes Adam for everything that
is no matrix, a convolution's kernel included.
"""

import keras

from resnet_keras.errors import unknown
from resnet_keras.recipe import Recipe
from resnet_keras.training.schedules import keras_schedule

# The quintic of Jordan et al.: a few rounds take every singular value of a matrix of unit length
# that is not tiny to about 1 (0.7 to 1.2), which is all the step needs.
_FIRST, _THIRD, _FIFTH = 3.4445, -4.7750, 2.0315
_ROUNDS = 5
# Keeps 0 from being divided by 0.
_TINY = 1e-12


def orthogonalized(kernel):
    """Returns the direction of Muon's step: all singular values of the kernel set to about 1.

    A kernel of shape `(height, width, channels in, filters)` is a matrix here, a filter a column.
    If its singular value decomposition is `U S V^T`, this is `U V^T`, over its length: the step
    moves alike along directions in which the gradients are large and those in which they are
    small. How large they are does not count: where there is no gradient any more, the momentum of
    old ones still is a direction.

    Args:
        kernel: a tensor; its last axis counts the filters.

    Returns:
        A tensor of the same shape and dtype, its Frobenius norm 1; 0 where `kernel` is 0.
    """
    x = keras.ops.reshape(kernel, (-1, kernel.shape[-1]))
    tall = x.shape[0] > x.shape[1]
    # The products are squares of the shorter side.
    x = _of_unit_length(keras.ops.transpose(x) if tall else x)
    for _ in range(_ROUNDS):
        square = x @ keras.ops.transpose(x)
        x = _FIRST * x + (_THIRD * square + _FIFTH * (square @ square)) @ x
    x = _of_unit_length(x)
    return keras.ops.reshape(keras.ops.transpose(x) if tall else x, kernel.shape)


def frobenius_norm(x):
    """Returns the length of a tensor, the root of the sum of its squares: a scalar.

    `keras.ops.norm` takes no more than two axes.
    """
    return keras.ops.sqrt(keras.ops.sum(keras.ops.square(x)))


def _of_unit_length(x):
    return x / (frobenius_norm(x) + _TINY)


DECAY_ON = ("all", "kernels")
# The name of the last layer, whatever the network.
HEAD = "logits"


@keras.saving.register_keras_serializable(package="resnet_keras")
class SGDMuon(keras.optimizers.SGD):
    """`keras.optimizers.SGD` that adds `decay` times a weight to the weight's gradient.

    One step is `v = momentum * v - rate * (gradient + decay * weight)`, `weight = weight + v`:
    section 3.4's decay of 1e-4, in the form of the frameworks of its time. Keras' own two ways
    differ: `regularizers.L2(1e-4)` has the gradient `2e-4 * weight` and shows in the loss, and
    `SGDMuon(weight_decay=1e-4)` takes it off outside the momentum, which is about a tenth of it.

    With `muon` the kernels of convolutions take another step, by a part of their own length:
    `v = momentum * v + gradient`, `turn = rate * muon`, `move = turn * |weight| *
    orthogonalized(v)`, `weight = ((1 - rate * decay) * weight - move) / sqrt(1 + turn ** 2)`;
    Nesterov's takes `gradient + momentum * v` for the last `v`. The root is the length that a step
    across the kernel adds, and where batch norm follows steps are across: without it kernels would
    grow for ever. There decay does nothing but shorten them: what such a kernel computes, and how
    far it turns, depends on its direction alone.

    Args:
        decay: the factor; 0 for none.
        decay_on: `"all"` variables, as the frameworks did by default, or `"kernels"` of
            convolutions and dense layers alone.
        backbone_rate: factor of the rate for all variables but those of the last layer.
        muon: a step moves a convolution's kernel by this times the rate times its length; 0 for
            SGDMuon.
        **kwargs: as for `keras.optimizers.SGD`.

    Raises:
        UsageError: for another `decay_on`.
    """

    def __init__(
        self,
        learning_rate=0.1,
        decay=0.0,
        decay_on="all",
        backbone_rate=1.0,
        muon=0.0,
        name="SGDMuon",
        **kwargs,
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        if decay_on not in DECAY_ON:
            raise unknown("decay_on", decay_on, DECAY_ON)
        self.decay = float(decay)
        self.decay_on = decay_on
        self.backbone_rate = float(backbone_rate)
        self.muon = float(muon)

    def decays(self, variable) -> bool:
        """Whether weight decay applies to a variable."""
        if self.decay_on == "all":
            return True
        return self._path(variable)[-1] == "kernel"

    def rate_factor(self, variable) -> float:
        """What the learning rate is multiplied by for a variable."""
        if self.backbone_rate == 1.0 or self._path(variable)[-2:-1] == [HEAD]:
            return 1.0
        return self.backbone_rate

    def orthogonalizes(self, variable) -> bool:
        """Whether Muon moves a variable: the kernel of a convolution."""
        return self.muon > 0 and len(variable.shape) == 4

    def _path(self, variable):
        if not isinstance(variable, keras.Variable):
            # TensorFlow's `update_step` is handed the variable inside Keras'.
            variable = self._trainable_variables[self._get_variable_index(variable)]
        return variable.path.split("/")

    def update_step(self, gradient, variable, learning_rate):
        """Takes one step on one variable, decay included."""
        decay = self.decay if self.decays(variable) else 0.0
        factor = self.rate_factor(variable)
        if factor != 1.0:
            learning_rate = learning_rate * factor
        if self.orthogonalizes(variable):
            self._muon_step(gradient, variable, learning_rate, decay)
            return
        if decay:
            gradient = gradient + decay * keras.ops.convert_to_tensor(variable)
        super().update_step(gradient, variable, learning_rate)

    def _muon_step(self, gradient, variable, learning_rate, decay):
        rate = keras.ops.cast(learning_rate, variable.dtype)
        gradient = keras.ops.cast(gradient, variable.dtype)
        weight = keras.ops.convert_to_tensor(variable)
        direction = gradient
        if self.momentum:
            slot = self.momentums[self._get_variable_index(variable)]
            velocity = self.momentum * keras.ops.convert_to_tensor(slot) + gradient
            self.assign(slot, velocity)
            direction = gradient + self.momentum * velocity if self.nesterov else velocity
        turn = rate * self.muon
        move = turn * frobenius_norm(weight) * orthogonalized(direction)
        grown = keras.ops.sqrt(1 + keras.ops.square(turn))
        self.assign(variable, ((1 - rate * decay) * weight - move) / grown)

    def get_config(self):
        """Returns the arguments, for saving."""
        return {
            **super().get_config(),
            "decay": self.decay,
            "decay_on": self.decay_on,
            "backbone_rate": self.backbone_rate,
            "muon": self.muon,
        }


def make_optimizer(recipe: Recipe) -> SGDMuon:
    """Returns the optimizer of a recipe, its learning-rate schedule inside."""
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
