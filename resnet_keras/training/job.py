"""One run, from a recipe to a measured export."""

import dataclasses
from pathlib import Path
from typing import Any

import keras

from resnet_keras.data.dataset import Files, Images
from resnet_keras.data.sources import load_for_recipe
from resnet_keras.description import Description
from resnet_keras.distributed.process_group import SINGLE_PROCESS, ProcessGroup, report_failures
from resnet_keras.errors import UsageError
from resnet_keras.evaluation.measure import BATCH_SIZE, measure
from resnet_keras.evaluation.predictors import model_probabilities, open_predictor
from resnet_keras.export.model_card import count_parameters, model_card, record_test_error
from resnet_keras.export.saved_model import export_with_any_backend
from resnet_keras.files import make_folder, write_json
from resnet_keras.models.keras_file import save_keras_file
from resnet_keras.processes import Interrupted, interrupt_on_signal
from resnet_keras.recipe import Recipe
from resnet_keras.reporting.curve import draw_curve
from resnet_keras.runs import metrics
from resnet_keras.runs.config import new_config, read_config, resumed_config, write_config
from resnet_keras.runs.folder import RunFolder, RunOptions, RunResult
from resnet_keras.runs.metrics import Row
from resnet_keras.training import checkpoint, finetune, hardware
from resnet_keras.training.batch_norm_statistics import recalibrate, statistics_batches
from resnet_keras.training.callbacks import PrimaryOutputs, training_callbacks
from resnet_keras.training.checkpoint import Checkpoint
from resnet_keras.training.fit import TrainingSetup, fit, set_up
from resnet_keras.training.progress import Progress
from resnet_keras.training.resolve import ResolvedRun, resolve
from resnet_keras.training.resume import (
    check_same_files,
    completed_result,
    find_checkpoint,
    is_resuming,
)
from resnet_keras.training.schedules import learning_rate
from resnet_keras.training.tensorboard import tensorboard_logs, write_scalars

BACKENDS = ("tensorflow", "jax")

# What the primary process sends to the workers instead of a checkpoint if the run is complete.
_COMPLETE = b"complete"


def run(
    recipe: Recipe,
    options: RunOptions,
    progress: Progress | None = None,
    held_out: bool = False,
    process_group: ProcessGroup = SINGLE_PROCESS,
) -> RunResult:
    """Trains a recipe, exports the network and measures the export.

    Called again with the same recipe, it resumes from the last checkpoint, or reports that the run
    is complete.

    Args:
        recipe: what to compute.
        options: where to read and write, and how to resume.
        progress: prints the progress; `None` prints to standard error.
        held_out: ends with the error on the held-out training images instead: nothing is exported
            and no test image is read.
        process_group: the processes that train together. All of them call this function with the
            same recipe; only the primary process writes.

    Returns:
        How the run ended.

    Raises:
        UsageError: if a value does not suit the data set or the hardware, or the Keras backend is
            neither TensorFlow nor JAX.
        UserError: if the data set is missing, a file cannot be written, the run folder belongs to
            another recipe, or the loss is no longer finite.

    Example:

    >>> recipe = Recipe("resnet8", dataset="digits", steps=400, drops=(200, 300))
    >>> result = run(recipe, RunOptions(runs_dir="runs"))  # doctest: +SKIP
    >>> result.export  # doctest: +SKIP
    PosixPath('saved_models/resnet8-A-digits/1')
    """
    if keras.backend.backend() not in BACKENDS:
        raise UsageError(
            f"training needs the backend {' or '.join(BACKENDS)}. Received: "
            f"KERAS_BACKEND={keras.backend.backend()}"
        )
    progress = progress or Progress(recipe.steps)
    folder = run_folder(recipe, options)
    if held_out and not recipe.validation_size:
        raise UsageError("a score on held-out images needs some: use --validation-size 5000")
    try:
        with interrupt_on_signal(), report_failures(process_group):
            if not held_out and process_group.is_primary:
                make_folder(Path(options.export_dir))
            result = _run(recipe, options, folder, progress, held_out, process_group)
            ended = process_group.end(
                stopped_by=result.stopped_by,
                test_error=result.test_error,
                validation_error=result.validation_error,
            )
            return dataclasses.replace(result, **ended)
    except Interrupted as interruption:
        progress.line(
            f"{interruption.number.name}: stopped. The same command resumes from the last "
            f"checkpoint in {folder.checkpoints}, or starts over if there is none yet"
        )
        return RunResult(stopped_by=int(interruption.number), run=folder.path)


def run_folder(recipe: Recipe, options: RunOptions) -> RunFolder:
    """Returns the folder of a run.

    Args:
        recipe: the recipe, from which the name is derived unless `options` has one.
        options: where the run reads and writes.

    Raises:
        UsageError: if the run's name is not a single path component.

    Example:

    >>> run_folder(Recipe("resnet20"), RunOptions(runs_dir="runs")).path.as_posix()
    'runs/resnet20-A-seed0'
    """
    name = recipe.run_name if options.name is None else options.name
    return RunFolder(options.runs_dir, name)


def _run(
    recipe: Recipe,
    options: RunOptions,
    folder: RunFolder,
    progress: Progress,
    held_out: bool,
    process_group: ProcessGroup,
) -> RunResult:
    dataset = load_for_recipe(recipe, options.data_dir)
    if held_out:
        # Without test images, nothing can be chosen by the test error.
        dataset = dataclasses.replace(dataset, test=dataset.test.take(slice(0)))
    resuming = is_resuming(folder, options.resume)
    pretrained = finetune.pretrained_preprocessing(recipe, folder, resuming, process_group)
    resolved = resolve(recipe, dataset, pretrained, process_group)
    if not process_group.is_primary:
        return _run_worker(resolved, folder, process_group)
    with folder.locked():
        if options.resume != "never":
            done = completed_result(folder, resolved.recipe, progress, held_out)
            if done:
                process_group.broadcast(_COMPLETE)
                return done
        saved = find_checkpoint(folder, resolved.recipe, options.resume, progress)
        process_group.broadcast(saved.path.read_bytes() if saved else b"")
        return _PrimaryRun(resolved, options, folder, progress, process_group).run(saved)


def _run_worker(resolved: ResolvedRun, folder: RunFolder, process_group: ProcessGroup) -> RunResult:
    """Trains in a process that computes its share of each batch and writes nothing.

    The run folder is that of the primary process and need not exist here. The loss is the same in
    every process, so only the primary process checks it.
    """
    message = process_group.broadcast(None)
    if message == _COMPLETE:
        return RunResult(stopped_by=None, run=folder.path)
    saved = checkpoint.parse(message, folder.checkpoints) if message else None
    # Not before the primary process does so too: variables that are distributed over processes are
    # created by all of them at the same time.
    setup = set_up(resolved)
    setup.prepare_start(saved)
    _train(setup, saved, process_group, None)
    return RunResult(stopped_by=None, run=folder.path)


def _train(
    setup: TrainingSetup,
    saved: Checkpoint | None,
    process_group: ProcessGroup,
    outputs: PrimaryOutputs | None,
) -> None:
    """Trains to the last step, in the primary process as in workers."""
    if saved and saved.step >= setup.recipe.steps:
        setup.restore_end(saved)
        return
    fit(setup, training_callbacks(setup.state, saved, process_group, outputs), process_group)


class _PrimaryRun:
    """A run in the process that writes."""

    def __init__(
        self,
        resolved: ResolvedRun,
        options: RunOptions,
        folder: RunFolder,
        progress: Progress,
        process_group: ProcessGroup,
    ) -> None:
        self.resolved, self.recipe, self.hardware = resolved, resolved.recipe, resolved.hardware
        self.test, self.notes = resolved.dataset.test, resolved.dataset.notes
        self.options, self.folder, self.progress = options, folder, progress
        self.process_group = process_group
        self.setup = set_up(resolved)
        self.state, self.preprocessing = self.setup.state, self.setup.preprocessing
        self.model = self.setup.model
        self.probabilities = model_probabilities(self.model, self.preprocessing)

    def run(self, saved: Checkpoint | None) -> RunResult:
        """Trains, and finishes the run if nothing interrupts it."""
        self.setup.prepare_start(saved)
        self._write_config(saved)
        self._announce(saved)
        with tensorboard_logs(self.folder, self.recipe.steps - 1):
            outputs = PrimaryOutputs(
                checkpoints=self.folder.checkpoints,
                checkpoint_every=self.options.checkpoint_every,
                write_row=self._write_intermediate_row,
                progress=self.progress,
                # With five or fewer classes, random guessing is already below the threshold.
                watch_warm_up=len(self.preprocessing.class_names) > 5,
            )
            _train(self.setup, saved, self.process_group, outputs)
            if self.state.stopped_by:
                return self._interrupted()
            return self._finish()

    def _write_config(self, saved: Checkpoint | None) -> None:
        backend = keras.backend.backend()
        train = self.setup.train
        if saved:
            _, config = read_config(self.folder.config)
            check_same_files(config, train, self.folder)
            config = resumed_config(config, saved.step, self.hardware.description, backend)
            write_config(self.folder.config, config)
            metrics.truncate(self.folder.metrics, saved.step)
            return
        # Delete the previous run's files only now that everything this run needs has been loaded.
        self.folder.clear()
        data: dict[str, Any] = {"notes": list(self.notes)}
        if isinstance(train, Files):
            data["train_files_sha256"] = train.fingerprint().hex()
        computed_with = {
            "precision_reason": self.hardware.precision_reason,
            "device": self.hardware.description,
            "devices": list(self.hardware.devices),
            "jit_compile": self.hardware.jit_compile,
            "parameters": count_parameters(self.model),
            "train_examples": len(train),
            "processes": self.process_group.count,
        }
        config = new_config(self.recipe, self.options, computed_with, data, backend)
        write_config(self.folder.config, config)
        if self.resolved.pretrained is not None:
            write_json(self.folder.preprocessing, self.resolved.pretrained.to_json())

    def _announce(self, saved: Checkpoint | None) -> None:
        recipe, progress = self.recipe, self.progress
        progress.line(
            f"{recipe.architecture.label} ({count_parameters(self.model):,} parameters) on "
            f"{recipe.dataset}: {len(self.setup.train):,} training and {len(self.test):,} test "
            f"images, {recipe.precision} ({self.hardware.precision_reason}) on "
            f"{self.hardware.description}"
        )
        for note in self.notes:
            progress.line(f"note: {note}")
        late = [step for step in recipe.drops if step >= recipe.steps]
        if late and not saved:
            progress.line(
                f"note: the learning rate drops after {' and '.join(map(str, late))} steps, but "
                f"the run ends after {recipe.steps}; --steps-scale shortens the whole schedule"
            )
        if saved:
            progress.line(f"resuming after step {saved.step} of {recipe.steps}")
        progress.line(f"writing to {self.folder.path}")

    def _write_intermediate_row(self) -> None:
        if len(self.setup.validation):
            self._write_row(validation=self._error_on(self.setup.validation), test=None)
        else:
            self._write_row(validation=None, test=self._error_on(self.test))

    def _error_on(self, images: Images | Files) -> float:
        return measure(self.probabilities, images, self.preprocessing).top1_error

    def _write_row(self, validation: float | None, test: float | None) -> None:
        state = self.state
        row = Row(
            step=state.step,
            learning_rate=learning_rate(self.recipe, state.step - 1),
            loss=state.loss,
            train_error=state.train_error,
            validation_error=validation,
            test_error=test,
            seconds=state.seconds,
            images_per_second=state.images_per_second,
        )
        metrics.append_row(self.folder.metrics, row)
        self.progress.row(row)
        write_scalars(row)

    def _interrupted(self) -> RunResult:
        number = self.state.stopped_by
        assert number is not None
        self.progress.line(
            f"{number.name}: stopped after step {self.state.step}, checkpoint saved. "
            "The same command resumes there"
        )
        return RunResult(stopped_by=int(number), run=self.folder.path)

    def _finish(self) -> RunResult:
        """Saves, exports, measures the export, and writes that measurement as the last row."""
        self.model = hardware.gather_to_host(self.model)
        self.probabilities = model_probabilities(self.model, self.preprocessing)
        if self.recipe.recalibrate_bn:
            batches = statistics_batches(self.setup.train, self.preprocessing, self.recipe)
            recalibrate(self.model, batches)
        finetune.set_frozen(self.model, False)
        if not len(self.test):
            return self._finish_held_out()
        # Finite weights can still give predictions that are not. Find out before exporting them.
        measure(self.probabilities, self.test.take(slice(BATCH_SIZE)), self.preprocessing)
        version = self._export()
        measured = measure(open_predictor(version).probabilities, self.test, self.preprocessing)
        record_test_error(
            version,
            measured.top1_error,
            measured.top5_error,
            measured.examples,
            self.recipe.dataset,
        )
        validation = self.setup.validation
        self._write_last_row(
            self._error_on(validation) if len(validation) else None, measured.top1_error
        )
        draw_curve(
            self.folder.metrics,
            self.folder.curve,
            self.folder.path.name,
            self.recipe.steps,
            self.recipe.drops,
        )
        self.folder.write_result(
            {
                "step": self.state.step,
                "test_error": measured.top1_error,
                "top5_error": measured.top5_error,
                "loss": measured.loss,
                # Absolute, since the next call may come from another folder.
                "export": str(version.resolve()),
                "train_error_below_80_at_step": self.state.below_80_at,
                "seconds": round(self.state.seconds, 1),
            }
        )
        self.progress.line(
            f"done: test error {measured.top1_error:.2f} %, measured on {version} "
            f"({measured.examples} images). Curve: {self.folder.curve}"
        )
        return RunResult(
            stopped_by=None, run=self.folder.path, export=version, test_error=measured.top1_error
        )

    def _export(self) -> Path:
        name = self.recipe.label if self.options.name is None else self.options.name
        card = model_card(name, self.recipe, self.model)
        description = Description(self.preprocessing, card)
        save_keras_file(self.model, self.folder.model, description)
        return export_with_any_backend(
            self.model, self.folder.model, description, self.options.export_dir
        )

    def _finish_held_out(self) -> RunResult:
        error = self._error_on(self.setup.validation)
        self._write_last_row(error, None)
        self.folder.write_result(
            {
                "step": self.state.step,
                "validation_error": error,
                "seconds": round(self.state.seconds, 1),
            }
        )
        return RunResult(stopped_by=None, run=self.folder.path, validation_error=error)

    def _write_last_row(self, validation: float | None, test: float | None) -> None:
        # A run that is finished again already has this row.
        metrics.truncate(self.folder.metrics, self.recipe.steps - 1)
        self._write_row(validation, test)
