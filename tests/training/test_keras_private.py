"""The private attributes of Keras that this program uses still work as expected.

If one of these tests fails after an upgrade of Keras, its message says where to look.
"""

import ast
import re
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from resnet_keras.training import keras_private

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "resnet_keras").rglob("*.py"))
PINNED = re.search(r"^keras==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)[1]
HINT = (
    f"resnet_keras/training/keras_private.py was written for Keras {PINNED} (requirements.txt), "
    f"installed is Keras {keras.__version__}. Compare the two versions of "
    "keras/src/optimizers/base_optimizer.py (Optimizer.build, _get_variable_index and "
    "_trainable_variables) and, for TensorFlow, of keras/src/backend/tensorflow/optimizer.py "
    "(_var_key), and adapt "
)
# Each of these contains everything that the program uses of one library's private parts.
PRIVATE_MODULES = ("jax_private.py", "keras_private.py", "keras_tuner_private.py")
# Methods of `collections.namedtuple` and functions of `os` that are public despite their names.
PUBLIC_NAMES = {"_replace", "_asdict", "_fields", "_exit"}


class RecordingSGD(keras.optimizers.SGD):
    """Records what both functions return for the variables that `update_step` receives."""

    def update_step(self, gradient, variable, learning_rate):
        try:
            index = keras_private.variable_index(self, variable)
            path = keras_private.keras_variable(self, variable).path
        except Exception as error:
            pytest.fail(f"{type(error).__name__}: {error}. {HINT}both functions")
        self.received[index] = path
        super().update_step(gradient, variable, learning_rate)


def make_dense():
    dense = keras.layers.Dense(1, name="logits")
    dense.build((None, 2))
    return dense


def test_variables_are_found_by_their_position():
    variables = make_dense().trainable_variables
    optimizer = keras.optimizers.SGD(momentum=0.9)
    optimizer.build(variables)
    for index, variable in enumerate(variables):
        for given in (variable, variable.value):
            try:
                found = keras_private.variable_index(optimizer, given)
                same = keras_private.keras_variable(optimizer, given) is variable
            except Exception as error:
                pytest.fail(f"{type(error).__name__}: {error}. {HINT}both functions")
            assert found == index, f"{HINT}`variable_index`"
            assert same, f"{HINT}`keras_variable`"


def test_momentums_have_the_order_of_the_variables():
    variables = make_dense().trainable_variables
    optimizer = keras.optimizers.SGD(momentum=0.9)
    optimizer.build(variables)
    shapes = [tuple(momentum.shape) for momentum in optimizer.momentums]
    assert shapes == [tuple(variable.shape) for variable in variables], f"{HINT}`variable_index`"


@pytest.mark.parametrize("distributed", [False, True], ids=["one device", "MirroredStrategy"])
def test_update_step_receives_variables_that_can_be_found(distributed):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"]) if distributed else None
    with strategy.scope() if strategy else tf.device("CPU:0"):
        dense = make_dense()
        optimizer = RecordingSGD(0.1, momentum=0.9)
        optimizer.received = {}
        optimizer.build(dense.trainable_variables)

    def step():
        optimizer.apply([tf.ones((2, 1)), tf.ones(1)], dense.trainable_variables)

    strategy.run(tf.function(step)) if strategy else step()
    assert optimizer.received == {0: "logits/kernel", 1: "logits/bias"}, f"{HINT}both functions"


@pytest.mark.parametrize("path", SOURCES, ids=[str(p.relative_to(ROOT)) for p in SOURCES])
def test_other_modules_use_no_private_parts_of_libraries(path):
    """A name that starts with an underscore is used only in the file that defines it."""
    if path.name in PRIVATE_MODULES:
        return
    tree = ast.parse(path.read_text("utf-8"))
    used = private_names(tree)
    if path.relative_to(ROOT) == Path("resnet_keras/export/saved_model.py"):
        used.remove("tensorflow.python.framework")  # in `freeze_variables`
    assert not used, (
        f"{path.relative_to(ROOT)} uses {sorted(used)}: use a public function instead, or add a "
        f"documented function with a test to one of {', '.join(PRIVATE_MODULES)}"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("layer._outbound_nodes", {"_outbound_nodes"}),
        ("self._trainable_variables", {"_trainable_variables"}),
        ("from tensorflow.python.ops import nn", {"tensorflow.python.ops"}),
        ("import keras.src.backend", {"keras.src.backend"}),
        ("tf.__internal__.tracking", {"__internal__"}),
        ("self._count = 1\nself._count + 1", set()),
        ("def _size(self): ...\nself._size()", set()),
        ("super().__init__()\npair._replace(x=1)", set()),
    ],
)
def test_private_names(source, expected):
    assert private_names(ast.parse(source)) == expected


def private_names(tree):
    """Returns the private attributes that a file uses but does not define, and private imports."""
    attributes, defined, modules = set(), set(PUBLIC_NAMES), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.Attribute):
            (defined if isinstance(node.ctx, ast.Store) else attributes).add(node.attr)
        elif isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    private = {
        name for name in attributes - defined if name == "__internal__" or re.match(r"_(?!_)", name)
    }
    return private | {name for name in modules if re.search(r"\.(python|src|_\w+)(\.|$)", name)}
