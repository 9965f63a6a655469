"""A test double for TensorFlow Serving: a process that loads SavedModels, without Keras.

    python tests/serving/double/server.py MODELS_DIR [--grpc-port P] [--rest-port P] [--label L=N]

serves every version of every model in MODELS_DIR and prints `ready GRPC_PORT REST_PORT`. Like the
real server, it passes the inputs to a session and checks only their names. It has no warm-up, no
batching and no polling for new versions. `--slow S` sleeps for S seconds before each response.
"""

# ruff: noqa: E402
import argparse
import base64
import json
import os
import re
import ssl
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# The SavedModel must work without Keras and without the package that exported it.
sys.modules["keras"] = sys.modules["resnet_keras"] = None
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/([0-9]+)|/labels/([^/:]+))?(:predict|/metadata)?"
)


class ServingError(Exception):
    """An error response with a gRPC status code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Version:
    """One version of a model, loaded into a session as the real server does."""

    def __init__(self, folder):
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            meta = tf.compat.v1.saved_model.load(self.session, ["serve"], str(folder))
        self.signatures = dict(meta.signature_def)
        self.calls, self.lock = {}, threading.Lock()

    def signature(self, name):
        name = name or "serving_default"
        if name not in self.signatures:
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f'Serving signature key "{name}" not found.',
            )
        return self.signatures[name]

    def run(self, name, inputs):
        signature = self.signature(name)
        if set(inputs) != set(signature.inputs):
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"input names do not match: {sorted(inputs)}, {sorted(signature.inputs)}",
            )
        feeds, outputs = sorted(signature.inputs), sorted(signature.outputs)
        with self.lock:
            if name not in self.calls:
                options = config_pb2.CallableOptions()
                options.feed.extend(signature.inputs[key].name for key in feeds)
                options.fetch.extend(signature.outputs[key].name for key in outputs)
                self.calls[name] = self.session._make_callable_from_options(options)
        try:
            values = self.calls[name](*(inputs[key] for key in feeds))
        except tf.errors.OpError as error:
            code = next(c for c in grpc.StatusCode if c.value[0] == error.error_code)
            raise ServingError(code, error.message) from error
        return dict(zip(outputs, values, strict=True))


class Models:
    """All versions of all models in a folder."""

    def __init__(self, folder, labels, slow):
        self.labels, self.slow = labels, slow
        self.models = {
            model.name: {
                int(version.name): Version(version)
                for version in model.iterdir()
                if version.name.isdecimal()
            }
            for model in Path(folder).iterdir()
            if model.is_dir() and not model.name.startswith(".")
        }

    def find(self, name, version=None, label=None):
        versions = self.models.get(name, {})
        if label:
            if label not in self.labels:
                raise ServingError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"Unrecognized servable version label: {label}",
                )
            version = self.labels[label]
        if not versions or (version is not None and version not in versions):
            which = f"Specific({name}, {version})" if version is not None else f"Latest({name})"
            raise ServingError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {which}"
            )
        number = version if version is not None else max(versions)
        return number, versions[number]

    def predict(self, spec, signature, inputs):
        if self.slow:
            time.sleep(self.slow)
        number, version = self.find(*spec)
        return number, version.run(signature, inputs)


class Rpc(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """The gRPC interface."""

    def __init__(self, models):
        self.models = models

    def Predict(self, request, context):
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        try:
            number, outputs = self.models.predict(
                (spec.name, version, spec.version_label or None),
                spec.signature_name,
                {key: tf.make_ndarray(value) for key, value in request.inputs.items()},
            )
        except ServingError as error:
            context.abort(error.code, str(error))
        response = predict_pb2.PredictResponse()
        response.model_spec.name = spec.name
        response.model_spec.version.value = number
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelStatus(self, request, context):
        try:
            number, _ = self.models.find(request.model_spec.name)
        except ServingError as error:
            context.abort(error.code, str(error))
        response = get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(version=number, state=30)
        return response


STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.UNAVAILABLE: 503,
}


def rest_handler(models):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args):
            pass

        def respond(self, status, values):
            body = json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def parse_path(self, suffixes):
            match = PATH.fullmatch(self.path)
            if not match or match[4] not in suffixes:
                raise ServingError(
                    grpc.StatusCode.NOT_FOUND, f"Malformed request: {self.command} {self.path}"
                )
            return match[1], int(match[2]) if match[2] else None, match[3]

        def do_GET(self):
            try:
                number, _ = models.find(*self.parse_path((None,)))
                status = {"error_code": "OK", "error_message": ""}
                states = [{"version": str(number), "state": "AVAILABLE", "status": status}]
                self.respond(200, {"model_version_status": states})
            except ServingError as error:
                self.respond(STATUS.get(error.code, 500), {"error": str(error)})

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                spec = self.parse_path((":predict",))
                name, values = _rest_inputs(models, spec, body)
                _, outputs = models.predict(spec, name, values)
                rows = [
                    {key: _to_json(value) for key, value in zip(outputs, row, strict=True)}
                    for row in zip(*outputs.values(), strict=True)
                ]
                self.respond(200, {"predictions": rows})
            except ServingError as error:
                self.respond(STATUS.get(error.code, 500), {"error": str(error)})

    return Handler


def _rest_inputs(models, spec, body):
    try:
        request = json.loads(body)
        name, rows = request.get("signature_name", "serving_default"), request["instances"]
    except (ValueError, KeyError) as error:
        raise ServingError(
            grpc.StatusCode.INVALID_ARGUMENT, f"JSON Parse error: {error}"
        ) from error
    (key, tensor), *_ = models.find(*spec)[1].signature(name).inputs.items()
    rows = [row[key] if isinstance(row, dict) and key in row else row for row in rows]
    if tensor.dtype == tf.string.as_datatype_enum:
        return name, {key: np.array([base64.b64decode(row["b64"]) for row in rows], object)}
    try:
        return name, {key: np.array(rows, tf.as_dtype(tensor.dtype).as_numpy_dtype)}
    except (ValueError, OverflowError) as error:
        raise ServingError(
            grpc.StatusCode.INVALID_ARGUMENT, f"JSON Value: cannot be a tensor: {error}"
        ) from error


def _to_json(value):
    if value.dtype == object:
        return [item.decode() for item in value]
    return value.tolist()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models")
    parser.add_argument("--grpc-port", type=int, default=0)
    parser.add_argument("--rest-port", type=int, default=0)
    parser.add_argument("--label", action="append", default=[])
    parser.add_argument("--slow", type=float, default=0.0)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    args = parser.parse_args()
    labels = {name: int(number) for name, _, number in (x.partition("=") for x in args.label)}
    models = Models(args.models, labels, args.slow)

    server = grpc.server(
        futures.ThreadPoolExecutor(8),
        options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    service = Rpc(models)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    http = ThreadingHTTPServer(("127.0.0.1", args.rest_port), rest_handler(models))
    if args.cert:
        pair = (Path(args.key).read_bytes(), Path(args.cert).read_bytes())
        credentials = grpc.ssl_server_credentials([pair])
        port = server.add_secure_port(f"127.0.0.1:{args.grpc_port}", credentials)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)
        http.socket = context.wrap_socket(http.socket, server_side=True)
    else:
        port = server.add_insecure_port(f"127.0.0.1:{args.grpc_port}")
    server.start()
    print(f"ready {port} {http.server_address[1]}", flush=True)
    http.serve_forever()


if __name__ == "__main__":
    main()
