"""Starts the server double, or finds a real server, for tests of the client and load test."""

import atexit
import functools
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SERVER = Path(__file__).with_name("server.py")
CLASSES = ("plane", "car", "bird", "cat", "deer", "dog")
SIZE = (16, 16)
NAME = "net"


@dataclass
class RunningServer:
    """The URLs of a server, and its process if the tests started it."""

    rest: str | None
    grpc: str | None
    process: subprocess.Popen | None = None
    real: bool = False

    def urls(self):
        return [url for url in (self.rest, self.grpc) if url]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@functools.cache
def models_dir() -> Path:
    """Two versions of a network with random weights, exported once per session."""
    import keras

    from resnet_keras.description import Description
    from resnet_keras.export.saved_model import export
    from resnet_keras.models.build import build
    from resnet_keras.preprocessing import Preprocessing

    folder = Path(tempfile.mkdtemp(prefix="models-"))
    atexit.register(shutil.rmtree, folder, True)
    keras.utils.set_random_seed(0)
    mean = np.full((*SIZE, 3), 0.45, np.float32)
    preprocessing = Preprocessing(SIZE, "stretch", 1 / 255, mean, (1, 1, 1), CLASSES)
    for _ in range(2):
        model = build("resnet8", classes=len(CLASSES), input_shape=(*SIZE, 3))
        export(model, Description(preprocessing, {"name": NAME}), folder)
    return folder


def start_double(*flags, rest_port=0, grpc_port=0) -> RunningServer:
    """Starts a double, which the caller has to stop."""
    flags = [*flags, "--rest-port", str(rest_port), "--grpc-port", str(grpc_port)]
    process = subprocess.Popen(
        [sys.executable, str(SERVER), str(models_dir()), "--label", "stable=1", *flags],
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.kill)
    words = process.stdout.readline().split()
    assert words and words[0] == "ready", "the double did not start"
    secure = "s" if "--cert" in flags else ""
    return RunningServer(
        f"http{secure}://127.0.0.1:{words[2]}/v1/models/{NAME}",
        f"grpc{secure}://127.0.0.1:{words[1]}/{NAME}",
        process,
    )


@functools.cache
def shared_double() -> RunningServer:
    """The double that is shared by all tests that do not disturb it."""
    return start_double()


@functools.cache
def real_server() -> RunningServer | None:
    """A real TensorFlow Serving: that of `RESNET_KERAS_SERVING_URL`, or one started here."""
    url = os.environ.get("RESNET_KERAS_SERVING_URL")
    if url:
        return RunningServer(*((url, None) if url.startswith("http") else (None, url)), real=True)
    binary = shutil.which("tensorflow_model_server")
    if not binary:
        return None
    config = models_dir() / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "{NAME}" model_platform: "tensorflow" '
        f'base_path: "{models_dir() / NAME}" '
        "model_version_policy { specific { versions: 1 versions: 2 } } "
        'version_labels { key: "stable" value: 1 } } }\n'
    )
    rest, rpc = free_port(), free_port()
    process = subprocess.Popen(
        [
            binary,
            f"--rest_api_port={rest}",
            f"--port={rpc}",
            f"--model_config_file={config}",
            "--allow_version_labels_for_unavailable_models=true",
        ]
    )
    atexit.register(process.kill)
    status = f"http://127.0.0.1:{rest}/v1/models/{NAME}"
    for _ in range(240):
        try:
            if b"AVAILABLE" in urllib.request.urlopen(status, timeout=5).read():
                break
        except OSError:
            time.sleep(0.25)
    return RunningServer(status, f"grpc://127.0.0.1:{rpc}/{NAME}", process, real=True)


def server_of(kind) -> RunningServer:
    """Returns the server for a test parameter, `double` or `real`; skips if there is none."""
    if kind == "double":
        return shared_double()
    found = real_server()
    if found is None:
        pytest.skip("no tensorflow_model_server on PATH, and RESNET_KERAS_SERVING_URL is not set")
    return found


def url_of(running, scheme) -> str:
    """Returns the URL of a server for REST (`http`) or gRPC (`grpc`); skips if it has none."""
    url = running.rest if scheme == "http" else running.grpc
    if url is None:
        pytest.skip(f"RESNET_KERAS_SERVING_URL is not {scheme}://")
    return url


EITHER = pytest.mark.parametrize(
    "kind", ["double", pytest.param("real", marks=pytest.mark.tf_serving)]
)
SCHEMES = pytest.mark.parametrize("scheme", ["http", "grpc"])


def free_port() -> int:
    """Returns a port on which nothing listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def photo(height=20, width=24, channels=3, seed=0):
    """Returns a smooth uint8 image with some noise."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [
        120 + 80 * np.sin(rows / 9 + k + seed) + 40 * np.cos(columns / 7) for k in range(channels)
    ]
    noisy = np.stack(planes, axis=-1) + rng.normal(0, 15, (height, width, channels))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def encoded(image, kind="PNG", **options) -> bytes:
    """Returns an array or a PIL image as the bytes of a file."""
    data = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(data, kind, **options)
    return data.getvalue()
