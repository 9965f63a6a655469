"""The networks of "Deep Residual Learning for Image Recognition" (He et al., 2015) in Keras 3.

`build` builds a network. `load` loads a trained one together with its preprocessing. Everything
else is on the command line: `python -m resnet_keras --help`.

Importing the package is enough for `keras.saving.load_model` to read the `.keras` files that this
program writes, in whichever order the package and Keras are imported.
"""

import importlib
import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__version__ = "0.2.0"

__all__ = ["__version__", "build", "load"]

# The modules that define the custom objects in `.keras` files. Importing a module registers its
# objects. These modules import only Keras, the backend, each other, and modules that do not import
# Keras.
_MODULES_WITH_KERAS_OBJECTS = (
    "resnet_keras.models.batch_norm",
    "resnet_keras.models.shortcuts",
    "resnet_keras.training.losses",
    "resnet_keras.training.optimizers",
    "resnet_keras.training.schedules",
)


def __getattr__(name: str) -> Any:
    # Importing Keras takes seconds; `--help` and figures do not need it.
    if name == "build":
        from resnet_keras.models.build import build

        return build
    if name == "load":
        from resnet_keras.models.keras_file import load_keras_file

        return load_keras_file
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _register_keras_objects() -> None:
    """Registers this package's layers, functions, optimizers, schedules and losses with Keras."""
    for module in _MODULES_WITH_KERAS_OBJECTS:
        importlib.import_module(module)


class _RegisterAfterKeras(importlib.abc.MetaPathFinder):
    """An import hook that registers this package's Keras objects once Keras has been imported.

    Keras is found and loaded as usual. `resnet_keras.models` and `resnet_keras.training` import
    Keras in their `__init__.py`, so that registration never finds one of their modules partially
    imported.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns the spec of Keras with a loader that registers, and `None` for other modules."""
        if fullname != "keras":
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _RegisteringLoader(spec.loader, self)
                return spec
        return None


class _RegisteringLoader(importlib.abc.Loader):
    """Loads Keras with its own loader, then registers this package's Keras objects."""

    def __init__(self, loader: importlib.abc.Loader, finder: _RegisterAfterKeras) -> None:
        self.loader, self.finder = loader, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leaves the creation of the module to Keras' own loader."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Executes Keras, removes the hook and registers."""
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        self.loader.exec_module(module)
        if self.finder in sys.meta_path:
            sys.meta_path.remove(self.finder)
        _register_keras_objects()


if "keras" in sys.modules:
    _register_keras_objects()
else:
    sys.meta_path.insert(0, _RegisterAfterKeras())
