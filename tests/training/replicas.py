"""Trains tiny networks on N logical CPU devices, and writes down what every replica did.

Usage: python replicas.py FOLDER N CASE …: logical devices can only be made before TensorFlow
starts, so each N has a process of its own. A case is a key of `VARIANTS`, that and `-sync`, or
`files`: how batches of images in files are shared out.
FOLDER/CASE.npz holds, with the replicas along the first axis:

    start/<state>, step<k>/<state>   weights/…, moving/…, velocity/… and average/… on each device
                                     before the first step and after step k, named and numbered
    step<k>/gradient/<i>             each replica's gradient for weight i, before they are added up
    step<k>/input/<i>                the images (0) and labels (1) that each replica was given
    step<k>/loss, seen, iterations   the metrics' loss and images, the optimizer's count of steps
    slice<r>of<N>/…                  of one device: gradient/<i> and <state> after a step from the
                                     same start on a slice of the same first batch, by itself
    measured/…                       what an evaluation counted

Beside it FOLDER/refused.json says what the machine refuses.
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
# At this rate three steps move each weight by a part in a hundred or so: much more than the
# tolerance, and not enough for chaos, which at ten times the rate multiplies float32's rounding by
# ten within twenty steps.
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
# Between them both kinds of shortcut, momentum, decay, step and loss, and averaged weights.
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
    """The recipe of `A`, `A-sync`, …"""
    from resnet_keras.recipe import Recipe

    variant, *sync = case.split("-")
    return Recipe(**{**RECIPE, **VARIANTS[variant], "sync_bn": sync == ["sync"]})


def made_up(count, seed):
    """Images of classes that can be told apart, in noise."""
    from resnet_keras.data.dataset import Images

    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % CLASSES).astype(np.int32)
    patterns = np.random.default_rng(0).integers(0, 100, (CLASSES, SIDE, SIDE, 3))
    noise = rng.integers(0, 156, (count, SIDE, SIDE, 3))
    return Images((patterns[labels] + noise).astype(np.uint8), labels)


def train_images():
    """The images that are trained on."""
    return made_up(TRAIN, seed=1)


def test_images():
    """A number of them that leaves one for the last batch."""
    return made_up(TEST, seed=2)


def preprocessing():
    """The mean of each pixel is subtracted."""
    from resnet_keras.data.pipeline import per_pixel_mean
    from resnet_keras.preprocessing import Preprocessing

    mean = per_pixel_mean(train_images().images, 1 / 255)
    names = tuple(f"class{number}" for number in range(CLASSES))
    return Preprocessing((SIDE, SIDE), "stretch", 1 / 255, mean, (1.0, 1.0, 1.0), names)


class Watch:
    """Notes what goes into and what comes out of each replica of a model, step by step."""

    def __init__(self, model):
        self.seen = {}
        train_step, apply_gradients = model.train_step, model.optimizer.apply_gradients

        def watched_step(data):
            self._note("input", data[:2])
            return train_step(data)

        def watched_gradients(pairs):
            pairs = list(pairs)
            self._note("gradient", [gradient for gradient, _ in pairs])
            return apply_gradients(pairs)

        model.train_step, model.optimizer.apply_gradients = watched_step, watched_gradients

    def _note(self, what, values):
        def note(replica, *arrays):
            for place, array in enumerate(arrays):
                seen = self.seen.setdefault((f"{what}/{place}", int(replica)), [])
                seen.append(array.copy())

        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        tf.numpy_function(note, [replica, *values], [])

    def arrays(self, replicas, step):
        """What all replicas saw in a step: arrays with the replicas along the first axis."""
        return {
            what: np.stack([self.seen[what, replica][step] for replica in range(replicas)])
            for what, first in self.seen
            if first == 0
        }


def state(model):
    """Every device's copy of every variable, with the devices along the first axis."""
    optimizer = model.optimizer
    groups = {
        "weights": model.trainable_variables,
        "moving": model.non_trainable_variables,
        "velocity": optimizer.momentums,
        "average": optimizer._model_variables_moving_average if optimizer.use_ema else [],
    }
    local = model.distribute_strategy.experimental_local_results
    return {
        f"{group}/{place}/{variable.path.split('/')[-1]}": np.stack(
            [copy.numpy() for copy in local(variable.value)]
        )
        for group, variables in groups.items()
        for place, variable in enumerate(variables)
    }


def put(found, prefix, arrays):
    """Adds arrays under names that begin alike."""
    found.update({f"{prefix}/{name}": array for name, array in arrays.items()})


def train(recipe):
    """Trains with the program's own `fit`; returns what is to be saved."""
    from resnet_keras.evaluation.measure import measure
    from resnet_keras.evaluation.predictors import model_probabilities
    from resnet_keras.training import callbacks, hardware
    from resnet_keras.training import state as saved_state
    from resnet_keras.training.fit import compiled_model, fit
    from resnet_keras.training.state import TrainingState

    machine = hardware.choose(recipe)
    hardware.apply(recipe, machine)
    model, metrics = compiled_model(recipe, machine, preprocessing())
    watch, journey, found = Watch(model), TrainingState(recipe, metrics), {}
    start = saved_state.capture(model, metrics)
    put(found, "start", state(model))

    def write_row():
        step = journey.step - 1
        put(found, f"step{step}", state(model))
        put(found, f"step{step}", watch.arrays(len(machine.devices), step))
        found[f"step{step}/loss"], found[f"step{step}/seen"] = journey.loss, journey.counts[1]
        found[f"step{step}/iterations"] = int(model.optimizer.iterations.numpy())

    end = callbacks.EndOnSignal(journey, lambda: None)
    between = [callbacks.Arrive(journey), callbacks.WriteRows(journey, write_row), end]
    fit(model, journey, train_images(), preprocessing(), between, end)
    write_row()  # of the last step: `fit` leaves it to the end of a run

    measured = measure(model_probabilities(model, preprocessing()), test_images(), preprocessing())
    put(found, "measured", dataclasses.asdict(measured))
    if len(machine.devices) == 1:
        images, labels = (found[f"step0/input/{place}"][0] for place in (0, 1))
        for count in SLICED:
            parts = zip(np.split(images, count), np.split(labels, count), strict=True)
            for number, part in enumerate(parts):
                saved_state.restore(model, metrics, start, "the start")
                model.train_on_batch(*part)
                put(found, f"slice{number}of{count}", watch.arrays(1, -1))
                put(found, f"slice{number}of{count}", state(model))
    return found


def refusals(count):
    """What `choose` says to batches that do not divide, and to too many devices."""
    from resnet_keras.errors import UsageError
    from resnet_keras.training import hardware

    found = {}
    asked = {"18": {"batch_size": 18}, "1": {"batch_size": 1}, "more": {"devices": count + 1}}
    for name, changes in asked.items():
        try:
            hardware.choose(dataclasses.replace(recipe_of("A"), **changes))
            found[name] = None
        except UsageError as error:
            found[name] = str(error)
    return found


def files_shared_out():
    """Batches of images in files: whole, and as the replicas get them, laid end to end."""
    from resnet_keras.data.dataset import Files
    from resnet_keras.data.pipeline import training_batches
    from resnet_keras.training import hardware

    recipe = dataclasses.replace(recipe_of("A"), augmentation="pad")
    with hardware.choose(recipe).spread():
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
    """Does as the module's docstring says."""
    folder, count, *cases = sys.argv[1:]
    folder, count = Path(folder), int(count)
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    folder.mkdir()
    for case in cases:
        found = files_shared_out() if case == "files" else train(recipe_of(case))
        np.savez(folder / f"{case}.npz", **found)
    (folder / "refused.json").write_text(json.dumps(refusals(count)))


if __name__ == "__main__":
    main()
