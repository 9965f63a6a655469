"""Speed and memory of this program next to stock Keras and PyTorch, in one run.

Run `python -m benchmarks`. That process imports neither TensorFlow nor PyTorch: every contestant
runs in a worker process of its own (see `worker.py`).
"""
