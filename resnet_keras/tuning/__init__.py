"""Hyperparameter search with keras-tuner, scored on held-out training images."""
