"""The suites, one per module: the contestants, their work, and the goals for the ratios.

Each module has `run(options)`, which returns a `Report`. None of them imports TensorFlow, Keras or
PyTorch: only the workers do.
"""
