"""Copies an export for batching in TensorFlow Serving: only `serving_default` is kept.

    python deploy/batched.py saved_models/resnet20-A/1

writes `saved_models/resnet20-A-batched/1`. TensorFlow Serving batches all signatures of a model or
none. The requests in a batch fail together, and a damaged JPEG makes `classify_bytes` fail.
Therefore a model for batching must not have that signature.
"""

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.errors import UserError
from resnet_keras.files import atomic_folder

BATCHING_PARAMETERS = "batching_params.pbtxt"
SIGNATURE = "serving_default"
WARMUP_REQUESTS = Path("assets.extra", "tf_serving_warmup_requests")


def copy_for_batching(version: Path) -> Path:
    """Copies a version folder to `<name>-batched/<version>`.

    Args:
        version: the version folder of an export.

    Returns:
        The version folder of the copy.

    Raises:
        UserError: if there is no such export, or the copy exists already.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    version = version.resolve()
    target = version.parent.with_name(f"{version.parent.name}-batched") / version.name
    saved_model = saved_model_pb2.SavedModel()
    try:
        saved_model.ParseFromString((version / "saved_model.pb").read_bytes())
    except OSError as error:
        raise UserError(f"{version} is not the version folder of an export: {error}") from error
    if target.exists():
        raise UserError(f"{target} already exists")
    for meta in saved_model.meta_graphs:
        for name in [name for name in meta.signature_def if name != SIGNATURE]:
            # TensorFlow's own entry, which runs the initializers, is kept.
            if not name.startswith("__"):
                del meta.signature_def[name]
    with atomic_folder(target) as folder:
        shutil.copytree(version, folder, dirs_exist_ok=True)
        (folder / "saved_model.pb").write_bytes(saved_model.SerializeToString(deterministic=True))
        shutil.copyfile(Path(__file__).with_name("batching.config"), folder / BATCHING_PARAMETERS)
        if (folder / WARMUP_REQUESTS).exists():
            _remove_other_warmup_requests(folder / WARMUP_REQUESTS)
    return target


def _remove_other_warmup_requests(path: Path) -> None:
    """Removes the warm-up requests of signatures that were removed; loading would fail on them."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.predict_log.request.model_spec.signature_name == SIGNATURE:
                writer.write(record)


def main() -> int:
    """Copies the export and prints the folder of the copy; returns the exit status."""
    parser = argparse.ArgumentParser(
        description="Copy an export for batching in TensorFlow Serving, without classify_bytes."
    )
    parser.add_argument("version", type=Path, help="such as saved_models/resnet20-A/1")
    args = parser.parse_args()
    import_tensorflow()
    try:
        print(copy_for_batching(args.version))
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
