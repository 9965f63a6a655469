"""Imports weights that were trained with other libraries."""

# The layouts of weights that can be imported: the names of variables and the order of axes.
TORCHVISION, CIFAR, KERAS_APPLICATIONS = "torchvision", "cifar", "keras-applications"
LAYOUTS = (TORCHVISION, CIFAR, KERAS_APPLICATIONS)
