"""Data sets, their file formats, and the input pipeline.

- `sources` loads a data set by its name: `cifar`, `folder`, `imagenet` or `tfds`.
- `dataset` defines what a data set is: `Images` in memory, or `Files`.
- `pipeline` makes the training batches; `decoding` makes the evaluation batches.
- `random` derives all random numbers of the training batches from (seed, step).
"""
