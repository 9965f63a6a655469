"""Training: schedule, optimizer, devices, checkpoints and the run that ties them together."""

# Imports Keras before any module of this package, so that the import hook in
# `resnet_keras/__init__.py` never finds one of them partially imported.
import keras  # noqa: F401
