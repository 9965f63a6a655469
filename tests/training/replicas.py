"""Trains tiny networks on N logical CPU devices, and records what every replica computed.

Usage: python replicas.py FOLDER N CASE …

Logical devices can only be created before TensorFlow starts, so each N needs its own process. A
case is a key of `VARIANTS`, optionally followed by `-sync`, or `files`, which records how batches
of images in files are distributed. FOLDER/CASE.npz contains, with the replicas along the first
axis:

    start/<state>, step<k>/<state>   weights/…, moving/…, velocity/… and average/… on each device,
                                     before the first step and after step k
    step<k>/gradient/<i>             the gradient of each replica for weight i, before the sum
    step<k>/input/<i>                the images (0) and labels (1) of each replica
    step<k>/loss, seen, iterations   the loss and the number of images of the metrics, and the
                                     number of steps of the optimizer
    slice<r>of<N>/…                  on one device: gradient/<i> and <state> after a step, from the
                                     same start, on one slice of the same first batch
    measured/…                       the results of an evaluation

FOLDER/refused.json contains the error messages for unsuitable numbers of images and devices.
"""

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import tensorflow as tf

STEPS, BATCH, SIDE, CLASSES, TRAIN, TEST = 3, 16, 12, 10, 40, 251
SLICED = (2, 4)
# At this learning rate, three steps change each weight by about one percent: much more than the
# tolerance, and too little for chaos, which at ten times the rate amplifies the rounding errors of
# float32 by ten within twenty steps.
RECIPE = {
    "arch": "resnet8",
    "dataset": "made_up",
    "precision": "float32",
    "batch_size": BATCH,
    "steps": STEPS,
    "learning_rate": 0.02,
    "drops": (2,),
    "decay": 0.05,
    "flip": True,
    "pad": 2,
    "lighting": 0.1,
    "eval_every": 1,
}
# Together they cover both kinds of shortcut, momentum, decay, step and loss, and averaged weights.
VARIANTS = {
    "A": {"option": "A"},
    "B": {
        "option": "B",
        "nesterov": True,
        "decay_on": "kernels",
        "muon": 1.0,
        "label_smoothing": 0.1,
        "ema": 0.5,
    },
}


def recipe_of(case):
    """Returns the recipe of a case such as `A` or `A-sync`."""
    from resnet_keras.recipe import Recipe

    variant, *sync = case.split("-")
    return Recipe(**{**RECIPE, **VARIANTS[variant], "sync_bn": sync == ["sync"]})


def synthetic_images(count, seed):
    """Returns images with one pattern per class, plus noise."""
    from resnet_keras.data.dataset import Images

    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % CLASSES).astype(np.int32)
    patterns = np.random.default_rng(0).integers(0, 100, (CLASSES, SIDE, SIDE, 3))
    noise = rng.integers(0, 156, (count, SIDE, SIDE, 3))
    return Images((patterns[labels] + noise).astype(np.uint8), labels)


def train_images():
    """Returns the training images."""
    return synthetic_images(TRAIN, seed=1)


def test_images():
    """Returns the test images. The last batch of an evaluation contains only one of them."""
    return synthetic_images(TEST, seed=2)


def preprocessing():
    """Returns a preprocessing that subtracts the mean of each pixel."""
    from resnet_keras.data.normalization import per_pixel_mean
    from resnet_keras.preprocessing import Preprocessing

    mean = per_pixel_mean(train_images().images, 1 / 255)
    names = tuple(f"class{number}" for number in range(CLASSES))
    return Preprocessing((SIDE, SIDE), "stretch", 1 / 255, mean, (1.0, 1.0, 1.0), names)


class Recorder:
    """Records the inputs and the gradients of each replica of a model, step by step."""

    def __init__(self, model):
        self.recorded = {}
        train_step, apply_gradients = model.train_step, model.optimizer.apply_gradients

        def recording_train_step(data):
            self._record("input", data[:2])
            return train_step(data)

        def recording_apply_gradients(pairs):
            pairs = list(pairs)
            self._record("gradient", [gradient for gradient, _ in pairs])
            return apply_gradients(pairs)

        model.train_step = recording_train_step
        model.optimizer.apply_gradients = recording_apply_gradients

    def _record(self, kind, values):
        def record(replica, *arrays):
            for index, array in enumerate(arrays):
                steps = self.recorded.setdefault((f"{kind}/{index}", int(replica)), [])
                steps.append(array.copy())

        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        tf.numpy_function(record, [replica, *values], [])

    def arrays(self, replicas, step):
        """Returns the arrays of all replicas in a step, with the replicas along the first axis."""
        return {
            name: np.stack([self.recorded[name, replica][step] for replica in range(replicas)])
            for name, first in self.recorded
            if first == 0
        }


def device_copies(model):
    """Returns the copies of every variable, with the devices along the first axis."""
    optimizer = model.optimizer
    groups = {
        "weights": model.trainable_variables,
        "moving": model.non_trainable_variables,
        "velocity": optimizer.momentums,
        "average": optimizer._model_variables_moving_average if optimizer.use_ema else [],
    }
    local = model.distribute_strategy.experimental_local_results
    return {
        f"{group}/{index}/{variable.path.split('/')[-1]}": np.stack(
            [copy.numpy() for copy in local(variable.value)]
        )
        for group, variables in groups.items()
        for index, variable in enumerate(variables)
    }


def put(found, prefix, arrays):
    """Adds arrays under names with a common prefix."""
    found.update({f"{prefix}/{name}": array for name, array in arrays.items()})


def train(recipe):
    """Trains with the program's own `fit` and returns the arrays to save."""
    from resnet_keras.evaluation.measure import measure
    from resnet_keras.evaluation.predictors import model_probabilities
    from resnet_keras.training import callbacks, hardware
    from resnet_keras.training.fit import TrainingSetup, compiled_model, fit
    from resnet_keras.training.state import TrainingState, capture, restore

    machine = hardware.choose(recipe)
    hardware.apply(recipe, machine)
    model, metrics = compiled_model(recipe, machine, preprocessing())
    recorder, state, found = Recorder(model), TrainingState(recipe, metrics), {}
    start = capture(model, metrics)
    put(found, "start", device_copies(model))

    def write_row():
        step = state.step - 1
        put(found, f"step{step}", device_copies(model))
        put(found, f"step{step}", recorder.arrays(len(machine.devices), step))
        found[f"step{step}/loss"], found[f"step{step}/seen"] = state.loss, state.counts[1]
        found[f"step{step}/iterations"] = int(model.optimizer.iterations.numpy())

    images = train_images()
    setup = TrainingSetup(recipe, model, state, preprocessing(), images, images.take(slice(0)))
    fit(setup, [callbacks.StepTimer(state), callbacks.WriteRows(state, write_row)])
    write_row()  # `WriteRows` does not write the row of the last step.

    measured = measure(model_probabilities(model, preprocessing()), test_images(), preprocessing())
    put(found, "measured", dataclasses.asdict(measured))
    if len(machine.devices) == 1:
        images, labels = (found[f"step0/input/{index}"][0] for index in (0, 1))
        for count in SLICED:
            slices = zip(np.split(images, count), np.split(labels, count), strict=True)
            for number, batch in enumerate(slices):
                restore(model, metrics, start, "the start")
                model.train_on_batch(*batch)
                put(found, f"slice{number}of{count}", recorder.arrays(1, -1))
                put(found, f"slice{number}of{count}", device_copies(model))
    return found


def refusals(count):
    """Returns the error messages for batches that cannot be divided and for too many devices."""
    from resnet_keras.errors import UsageError
    from resnet_keras.training import hardware

    found = {}
    unsuitable = {"18": {"batch_size": 18}, "1": {"batch_size": 1}, "more": {"devices": count + 1}}
    for name, changes in unsuitable.items():
        try:
            hardware.choose(dataclasses.replace(recipe_of("A"), **changes))
            found[name] = None
        except UsageError as error:
            found[name] = str(error)
    return found


def distributed_files():
    """Returns batches of images in files: whole, and as the replicas receive them, concatenated."""
    from resnet_keras.data.dataset import Files
    from resnet_keras.data.pipeline import training_batches
    from resnet_keras.training import hardware

    recipe = dataclasses.replace(recipe_of("A"), augmentation="pad")
    with hardware.choose(recipe).distribution_scope():
        strategy = tf.distribute.get_strategy()
    images, found = train_images(), {}
    with tempfile.TemporaryDirectory() as folder:
        paths = tuple(f"{folder}/{number}.png" for number in range(TRAIN))
        for path, image in zip(paths, images.images, strict=True):
            tf.io.write_file(path, tf.io.encode_png(image))
        batches = training_batches(Files(paths, images.labels), preprocessing(), recipe)
        for step, batch in enumerate(batches):
            put(found, f"whole{step}", dict(zip(("images", "labels"), batch, strict=True)))
        for step, batch in enumerate(strategy.experimental_distribute_dataset(batches)):
            for name, values in zip(("images", "labels"), batch, strict=True):
                parts = strategy.experimental_local_results(values)
                found[f"shared{step}/{name}"] = np.concatenate([part.numpy() for part in parts])
    return found


def main():
    folder, count, *cases = sys.argv[1:]
    folder, count = Path(folder), int(count)
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    folder.mkdir()
    for case in cases:
        found = distributed_files() if case == "files" else train(recipe_of(case))
        np.savez(folder / f"{case}.npz", **found)
    (folder / "refused.json").write_text(json.dumps(refusals(count)))


if __name__ == "__main__":
    main()
