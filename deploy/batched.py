"""Makes the twin of an export that TF Serving may batch: `serving_default` alone.

    python deploy/batched.py saved_models/resnet20-A/1

writes `saved_models/resnet20-A-batched/1`. TF Serving batches all signatures of a model or none.
In a batch the requests of several clients fail together, and a bad JPEG makes `classify_bytes`
fail; so a batched model must not have that signature.
"""

import argparse
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from resnet_keras.cli.backend import import_tensorflow
from resnet_keras.errors import UserError
from resnet_keras.files import folder_written_whole

PARAMETERS = "batching_params.pbtxt"
KEPT = "serving_default"
WARMUP = Path("assets.extra", "tf_serving_warmup_requests")


def make_twin(version: Path) -> Path:
    """Copies a version folder to `<name>-batched/<version>` and returns that.

    Raises:
        UserError: if there is no such export, or the twin is there already.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    version = version.resolve()
    twin = version.parent.with_name(f"{version.parent.name}-batched") / version.name
    graph = saved_model_pb2.SavedModel()
    try:
        graph.ParseFromString((version / "saved_model.pb").read_bytes())
    except OSError as error:
        raise UserError(f"{version} is no version folder of an export: {error}") from error
    if twin.exists():
        raise UserError(f"{twin} is there already")
    for meta in graph.meta_graphs:
        for name in [name for name in meta.signature_def if name != KEPT]:
            # TensorFlow's own entry that runs initializers stays.
            if not name.startswith("__"):
                del meta.signature_def[name]
    with folder_written_whole(twin) as beside:
        shutil.copytree(version, beside, dirs_exist_ok=True)
        (beside / "saved_model.pb").write_bytes(graph.SerializeToString(deterministic=True))
        shutil.copyfile(Path(__file__).with_name("batching.config"), beside / PARAMETERS)
        if (beside / WARMUP).exists():
            _keep_warmup(beside / WARMUP)
    return twin


def _keep_warmup(path):
    """Drops the warm-up requests of signatures that are gone: they would fail the loading."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.predict_log.request.model_spec.signature_name == KEPT:
                writer.write(record)


def main() -> int:
    """Parses, makes the twin, says where it is."""
    parser = argparse.ArgumentParser(description="Make the twin of an export that may be batched.")
    parser.add_argument("version", type=Path, help="such as saved_models/resnet20-A/1")
    args = parser.parse_args()
    import_tensorflow()
    try:
        print(make_twin(args.version))
    except UserError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
