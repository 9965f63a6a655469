"""SGD with weight decay as the paper means it, and Muon for the kernels of convolutions."""

import keras

from resnet_keras.errors import unknown
from resnet_keras.recipe import Recipe
from resnet_keras.training.muon import frobenius_norm, orthogonalized
from resnet_keras.training.schedule import keras_schedule

DECAY_ON = ("all", "kernels")
# The name of the last layer, whatever the network.
HEAD = "logits"


@keras.saving.register_keras_serializable(package="resnet_keras")
class SGD(keras.optimizers.SGD):
    """`keras.optimizers.SGD` that adds `decay` times a weight to the weight's gradient.

    One step is `v = momentum * v - rate * (gradient + decay * weight)`, `weight = weight + v`:
    section 3.4's decay of 1e-4, in the form of the frameworks of its time. Keras' own two ways
    differ: `regularizers.L2(1e-4)` has the gradient `2e-4 * weight` and shows in the loss, and
    `SGD(weight_decay=1e-4)` takes it off outside the momentum, which is about a tenth of it.

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
            SGD.
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
        name="SGD",
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


def make_optimizer(recipe: Recipe) -> SGD:
    """Returns the optimizer of a recipe, its learning-rate schedule inside."""
    return SGD(
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
