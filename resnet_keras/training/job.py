"""One run, from a recipe to a measured export."""

import dataclasses
import functools
from pathlib import Path

import keras

from resnet_keras.artefact import Description
from resnet_keras.data.dataset import Images
from resnet_keras.data.image_files import Files
from resnet_keras.data.load import load_for
from resnet_keras.errors import UsageError
from resnet_keras.evaluation.measure import BATCH_SIZE, Measurement, measure
from resnet_keras.evaluation.predictors import model_probabilities, open_predictor
from resnet_keras.export.card import record_test_error
from resnet_keras.export.either_backend import exported
from resnet_keras.files import make_folder
from resnet_keras.models.keras_file import save_keras_file
from resnet_keras.recipe import Recipe
from resnet_keras.reporting.curve import draw_curve
from resnet_keras.training import (
    callbacks,
    checkpoint,
    finetune,
    hardware,
    metrics_log,
    records,
    signals,
)
from resnet_keras.training.assembly import assemble
from resnet_keras.training.board import board, show
from resnet_keras.training.data_record import (
    check_same_computation,
    check_same_files,
    check_same_images,
    data_record,
)
from resnet_keras.training.fit import fit
from resnet_keras.training.follow import DONE, follow
from resnet_keras.training.metrics_log import Row
from resnet_keras.training.places import Places, Result
from resnet_keras.training.processes import ALONE, Processes, told
from resnet_keras.training.progress import Progress
from resnet_keras.training.recalibrate import recalibrate
from resnet_keras.training.run_folder import RunFolder, read_json, write_json
from resnet_keras.training.schedule import learning_rate
from resnet_keras.training.take_up import already_done, already_scored, for_dataset, take_up

BACKENDS = ("tensorflow", "jax")


def run(
    recipe: Recipe,
    places: Places,
    progress: Progress | None = None,
    held_out: bool = False,
    processes: Processes = ALONE,
) -> Result:
    """Trains a recipe, exports the network and measures the export.

    Called again with the same recipe it goes on where it stopped, or says that all is done.

    Args:
        recipe: what to compute.
        places: where.
        progress: who hears of it; `None` makes one.
        held_out: ends with the error on the held-out training images instead: nothing is
            exported, and no test image is looked at.
        processes: those that train together; all call this with the same recipe, and the first
            alone writes.

    Raises:
        UsageError: if the values do not suit the data set or the machine, or Keras runs on
            another backend than TensorFlow and JAX.
        UserError: if data are missing, a file cannot be written, the folder belongs to another
            recipe, or the loss is no longer finite.
    """
    if keras.backend.backend() not in BACKENDS:
        raise UsageError(
            f"training runs on the backends {' and '.join(BACKENDS)}. Received: "
            f"KERAS_BACKEND={keras.backend.backend()}"
        )
    progress = progress or Progress(recipe.steps)
    folder = run_folder(recipe, places)
    if held_out and not recipe.validation_size:
        raise UsageError("a score on held-out images needs some: --validation-size 5000")
    try:
        with signals.raised(), told(processes):
            if not held_out and processes.leads:
                make_folder(Path(places.export_dir))
            result = _run(recipe, places, folder, progress, held_out, processes)
            ended = processes.end(
                stopped_by=result.stopped_by,
                test_error=result.test_error,
                validation_error=result.validation_error,
            )
            return dataclasses.replace(result, **ended)
    except signals.Interrupted as interruption:
        progress.line(
            f"{interruption.number.name}: stopped. The same command goes on from the last "
            f"checkpoint in {folder.checkpoints}, or from the start if there is none yet"
        )
        return Result(int(interruption.number), folder.path)


def run_folder(recipe: Recipe, places: Places) -> RunFolder:
    """Returns the folder of a run.

    Raises:
        UsageError: if its name is not one path component.
    """
    name = recipe.run_name if places.name is None else places.name
    return RunFolder(places.runs_dir, name)


def _run(recipe, places, folder, progress, held_out, processes):
    dataset = load_for(recipe, places.data_dir)
    if held_out:
        # What is not there cannot be measured.
        dataset = dataclasses.replace(dataset, test=dataset.test.take(slice(0)))
    goes_on = places.resume != "never" and bool(checkpoint.paths(folder.checkpoints))
    origin = finetune.agreed_origin(recipe, folder, goes_on, processes)
    recipe = for_dataset(recipe, dataset, origin)
    machine = hardware.choose(recipe)
    recipe = hardware.resolved(recipe, machine)
    check_same_computation(recipe, processes)
    check_same_images(dataset.train, processes)
    make = functools.partial(assemble, recipe, dataset, origin, machine)
    if not processes.leads:
        return follow(make, folder, processes)
    with folder.locked():
        look = already_scored if held_out else already_done
        done = None if places.resume == "never" else look(folder, recipe, progress)
        if done:
            processes.from_leader(DONE)
            return done
        saved = take_up(folder, recipe, places.resume, progress)
        processes.from_leader(saved.path.read_bytes() if saved else b"")
        return _Run(make(), places, folder, dataset, machine, progress, processes).go(saved)


class _Run:
    """One run, as the process sees it that writes."""

    def __init__(self, parts, places, folder, dataset, machine, progress, processes):
        self.recipe, self.places, self.folder = parts.recipe, places, folder
        self.progress, self.machine, self.processes = progress, machine, processes
        self.test, self.notes = dataset.test, dataset.notes
        self.parts = parts
        self.train, self.validation = parts.train, parts.validation
        self.preprocessing, self.journey = parts.preprocessing, parts.journey
        self.model = parts.model
        self.live = model_probabilities(self.model, self.preprocessing)

    def go(self, saved) -> Result:
        """Trains, and finishes if nothing interrupted it."""
        self.parts.begin(saved)
        if saved:
            config = read_json(self.folder.config)
            check_same_files(config, self.train, self.folder.path)
            write_json(self.folder.config, records.continued(config, saved.step, self.machine))
            metrics_log.cut_back(self.folder.metrics, saved.step)
        else:
            # Not before all that the new run begins with is there: an earlier one's files go now.
            self.folder.clear()
            made = records.config(
                self.recipe, self.places, self.machine, self.model, len(self.train)
            )
            data = data_record(self.train, self.notes)
            together = {"processes": self.processes.count}
            write_json(self.folder.config, {**made, **together, "data": data})
            if self.parts.origin is not None:
                write_json(self.folder.preprocessing, self.parts.origin.to_json())
        self._announce(saved)
        with board(self.folder, self.recipe.steps - 1):
            self._fit(saved)
            if self.journey.stopped_by:
                return self._interrupted()
            return self._finish()

    def _fit(self, saved):
        if saved and saved.step >= self.recipe.steps:
            self.parts.take_end(saved)  # nothing else is left
            return
        journey, progress = self.journey, self.progress
        classes = len(self.preprocessing.class_names)
        checkpoints = callbacks.SaveCheckpoints(
            journey, self.folder.checkpoints, self.places.checkpoint_every
        )
        end_on_signal = callbacks.EndOnSignal(journey, checkpoints.save, self.processes)
        between = [
            callbacks.Arrive(journey),
            callbacks.Resume(journey, saved),
            callbacks.StopOnNonFinite(journey, self.folder.checkpoints),
            # Of five classes, chance alone is below.
            *([callbacks.WatchWarmUp(journey, progress.line)] if classes > 5 else []),
            callbacks.ShowBar(journey, progress),
            callbacks.WriteRows(journey, self._write_live_row),
            checkpoints,
            end_on_signal,
            callbacks.Depart(journey),
        ]
        fit(
            self.model,
            journey,
            self.train,
            self.preprocessing,
            between,
            end_on_signal,
            self.processes,
        )

    def _write_live_row(self):
        if len(self.validation):
            self._write_row(validation=self._error_on(self.validation), test=None)
        else:
            self._write_row(validation=None, test=self._error_on(self.test))

    def _error_on(self, images: Images | Files) -> float:
        return measure(self.live, images, self.preprocessing).top1_error

    def _write_row(self, validation, test):
        journey = self.journey
        row = Row(
            step=journey.step,
            learning_rate=learning_rate(self.recipe, journey.step - 1),
            loss=journey.loss,
            train_error=journey.train_error,
            validation_error=validation,
            test_error=test,
            seconds=journey.seconds,
            images_per_second=journey.images_per_second,
        )
        metrics_log.append(self.folder.metrics, row)
        self.progress.row(row)
        show(row)

    def _interrupted(self) -> Result:
        number = self.journey.stopped_by
        self.progress.line(
            f"{number.name}: stopped after step {self.journey.step}, checkpoint saved. "
            "The same command goes on from there"
        )
        return Result(int(number), self.folder.path)

    def _finish(self) -> Result:
        """Saves, exports, measures the export, and closes the books with that row."""
        recipe = self.recipe
        self.model = hardware.gathered(self.model)
        self.live = model_probabilities(self.model, self.preprocessing)
        if recipe.recalibrate_bn:
            recalibrate(self.model, self.preprocessing, self.train, recipe.batch_size, recipe.seed)
        finetune.set_frozen(self.model, False)
        if not len(self.test):
            return self._finish_held_out()
        # Weights can be finite and their answers not. Better said before there is an export of it.
        measure(self.live, self.test.take(slice(BATCH_SIZE)), self.preprocessing)
        name = self.recipe.label if self.places.name is None else self.places.name
        card = records.card(name, self.recipe, self.model)
        description = Description(self.preprocessing, card)
        save_keras_file(self.model, self.folder.model, description)
        version = exported(self.model, self.folder.model, description, self.places.export_dir)
        measured = self._measure_export(version)
        record_test_error(
            version,
            measured.top1_error,
            measured.top5_error,
            measured.examples,
            self.recipe.dataset,
        )
        validation = self._error_on(self.validation) if len(self.validation) else None
        metrics_log.cut_back(self.folder.metrics, self.recipe.steps - 1)
        self._write_row(validation, measured.top1_error)
        draw_curve(
            self.folder.metrics,
            self.folder.curve,
            self.folder.path.name,
            self.recipe.steps,
            self.recipe.drops,
        )
        write_json(
            self.folder.result,
            {
                "step": self.journey.step,
                "test_error": measured.top1_error,
                "top5_error": measured.top5_error,
                "loss": measured.loss,
                # Whole: the next call may come from another folder.
                "export": str(version.resolve()),
                "train_error_below_80_at_step": self.journey.below_80_at,
                "seconds": round(self.journey.seconds, 1),
            },
        )
        self.progress.line(
            f"done: test error {measured.top1_error:.2f} %, measured on {version} "
            f"({measured.examples} images). Curve: {self.folder.curve}"
        )
        return Result(None, self.folder.path, version, measured.top1_error)

    def _finish_held_out(self) -> Result:
        error = self._error_on(self.validation)
        metrics_log.cut_back(self.folder.metrics, self.recipe.steps - 1)
        self._write_row(error, None)
        seconds = round(self.journey.seconds, 1)
        ended = {"step": self.journey.step, "validation_error": error, "seconds": seconds}
        write_json(self.folder.result, ended)
        return Result(None, self.folder.path, validation_error=error)

    def _measure_export(self, version) -> Measurement:
        predictor = open_predictor(version)
        return measure(predictor.probabilities, self.test, self.preprocessing)

    def _announce(self, saved):
        recipe, progress = self.recipe, self.progress
        parameters = records.parameters(self.model)
        progress.line(
            f"{recipe.architecture.label} ({parameters:,} parameters) on {recipe.dataset}: "
            f"{len(self.train):,} training and {len(self.test):,} test images, "
            f"{recipe.precision} ({self.machine.precision_reason}) on {self.machine.description}"
        )
        for note in self.notes:
            progress.line(f"note: {note}")
        late = [step for step in recipe.drops if step >= recipe.steps]
        if late and not saved:
            progress.line(
                f"note: the rate would drop after {' and '.join(map(str, late))} steps, the run "
                f"ends after {recipe.steps}; --steps-scale shortens the whole schedule instead"
            )
        if saved:
            progress.line(f"going on after step {saved.step} of {recipe.steps}")
        progress.line(f"writing to {self.folder.path}")
