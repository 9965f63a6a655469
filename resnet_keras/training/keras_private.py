"""The private attributes of Keras that this program uses. No other module uses any.

They were checked with the version of Keras that requirements.txt pins. After an upgrade of Keras,
`tests/training/test_keras_private.py` shows whether they still work, and where to look if not.
"""

from typing import Any

import keras


def variable_index(optimizer: keras.optimizers.Optimizer, variable: Any) -> int:
    """Returns the position of a variable among those that an optimizer was built for.

    The optimizer's own variables, such as `optimizer.momentums`, have the same order. The
    documentation of `keras.optimizers.Optimizer` uses the same private method in its example of a
    custom optimizer, because Keras has no public one.

    Args:
        optimizer: an optimizer that has been built.
        variable: a `keras.Variable`; or, on TensorFlow, what `update_step` receives: the
            `tf.Variable` inside it, or the part of that on one device of a `tf.distribute`
            strategy.

    Raises:
        KeyError: if the optimizer was not built for the variable.

    Example:

    >>> variables = [keras.Variable([1.0]), keras.Variable([2.0])]
    >>> optimizer = keras.optimizers.SGD(momentum=0.9)
    >>> optimizer.build(variables)
    >>> variable_index(optimizer, variables[1])
    1
    """
    return optimizer._get_variable_index(variable)


def keras_variable(optimizer: keras.optimizers.Optimizer, variable: Any) -> keras.Variable:
    """Returns the `keras.Variable` that an optimizer was built for.

    Unlike a `tf.Variable`, it has a `path`, which contains the names of its layers.

    Args:
        optimizer: an optimizer that has been built.
        variable: see `variable_index`.

    Raises:
        KeyError: if the optimizer was not built for the variable.

    Example:

    >>> dense = keras.layers.Dense(1, name="logits")
    >>> dense.build((None, 1))
    >>> optimizer = keras.optimizers.SGD()
    >>> optimizer.build(dense.trainable_variables)
    >>> keras_variable(optimizer, dense.kernel.value).path
    'logits/kernel'
    """
    return optimizer._trainable_variables[variable_index(optimizer, variable)]
