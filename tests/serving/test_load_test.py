"""The load test, against servers that answer at once, without a model."""

import contextlib
import json
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest

from resnet_keras.serving import messages, predictions
from resnet_keras.serving.address import parse_url
from resnet_keras.serving.load_test import load_test
from resnet_keras.serving.predictions import Pixels


@contextlib.contextmanager
def rest_server(bodies):
    """Runs a REST server that appends the requests to a list; yields its URL."""
    answer = json.dumps(
        {"predictions": [{"top_classes": ["a"], "top_probabilities": [1.0]}] * 2}
    ).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/models/m"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def grpc_server(bodies):
    """Runs a gRPC server that appends the requests to a list; yields its URL."""
    answer = messages.PredictResponse()
    for name, values in (
        ("top_classes", {"string_val": [b"a"]}),
        ("top_probabilities", {"float_val": [1.0]}),
    ):
        tensor = messages.Tensor(**values)
        for size in (2, 1):
            tensor.tensor_shape.dim.add(size=size)
        answer.outputs.add(key=name, value=tensor)

    def predict(request, _):
        bodies.append(request)
        return answer.SerializeToString()

    service, method = messages.PREDICT_METHOD.strip("/").split("/")
    server = grpc.server(futures.ThreadPoolExecutor(4))
    handlers = {method: grpc.unary_unary_rpc_method_handler(predict)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}/m"
    finally:
        server.stop(None)


@pytest.mark.parametrize("start_server", [rest_server, grpc_server])
def test_the_batch_is_encoded_once_and_sent_repeatedly(start_server, monkeypatch):
    encoded, bodies = [], []
    signature_of = predictions.signature_of

    def counted(inputs):
        encoded.append(inputs)
        return signature_of(inputs)

    monkeypatch.setattr(predictions, "signature_of", counted)
    pixels = Pixels(bytes(range(24)), (2, 2, 2, 3))
    with start_server(bodies) as url:
        result = load_test(parse_url(url), pixels, concurrency=2, seconds=0.5, timeout=60)
    assert not result.errors and len(result.latencies) >= 2
    assert len(bodies) > len(result.latencies) and len(encoded) == 1
    assert len(set(bodies)) == 1
    if start_server is rest_server:
        values = [row["images"] for row in json.loads(bodies[0])["instances"]]
        assert values == [
            [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]],
            [[[12, 13, 14], [15, 16, 17]], [[18, 19, 20], [21, 22, 23]]],
        ]
    else:
        (sent,) = messages.PredictRequest.FromString(bodies[0]).inputs
        assert sent.key == "images" and sent.value.tensor_content == pixels.data
