"""The paper's networks. They know nothing about training, data or serving."""

# Imports Keras before any module of this package, so that the import hook in
# `resnet_keras/__init__.py` never finds one of them partially imported.
import keras  # noqa: F401
