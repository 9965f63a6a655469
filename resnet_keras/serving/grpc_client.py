"""TensorFlow Serving's gRPC interface."""

import os
from pathlib import Path

# What goes wrong is told by exceptions; gRPC's C++ would write it to standard error as well.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

from resnet_keras.serving import messages, predictions
from resnet_keras.serving.address import Address
from resnet_keras.serving.connection import Connection, tls_context
from resnet_keras.serving.errors import (
    Refused,
    TooSlow,
    Unavailable,
    WrongModel,
    WrongServer,
    is_wrong_model,
    plain_message,
)
from resnet_keras.serving.predictions import Answer, Pixels

# A batch of images is longer than the 4 MiB that gRPC allows by itself.
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", 256 * 2**20),
    # Retrying is ours, and so is how soon a server that is back is found.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Channels to one server would share one connection otherwise.
    ("grpc.use_local_subchannel_pool", 1),
    # A proxy is for the web: it would be asked for 127.0.0.1 too. REST here asks none either.
    ("grpc.enable_http_proxy", 0),
]
_Code = grpc.StatusCode


class RpcConnection(Connection):
    """One channel."""

    def __init__(self, address: Address, timeout: float, ca_file: str | None = None):
        """Prepares it; connects with the first request.

        Args:
            address: of the model.
            timeout: seconds for a request.
            ca_file: whom to trust, PEM; `None` for gRPC's own list.

        Raises:
            UserError: if `ca_file` cannot be read.
        """
        self.address, self.timeout = address, timeout
        if address.secure:
            if ca_file:
                tls_context(ca_file)  # gRPC would say nothing of a file that holds no certificate
            roots = Path(ca_file).read_bytes() if ca_file else None
            credentials = grpc.ssl_channel_credentials(root_certificates=roots)
            self._channel = grpc.secure_channel(address.server, credentials, _OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address.server, _OPTIONS)
        self._call = self._channel.unary_unary(
            messages.PREDICT,
            request_serializer=None,  # `encoded` has done it
            response_deserializer=messages.PredictResponse.FromString,
        )

    def encoded(self, inputs: list[bytes] | Pixels) -> bytes:
        """Returns the request for one batch: see `Connection`."""
        address = self.address
        signature, name = predictions.signature_of(inputs)
        request = messages.PredictRequest()
        request.model_spec.name = address.name
        request.model_spec.signature_name = signature
        if address.version is not None:
            request.model_spec.version.value = address.version
        elif address.label:
            request.model_spec.version_label = address.label
        request.inputs.add(key=name, value=predictions.to_message(inputs))
        return request.SerializeToString()

    def ask(self, request: bytes, count: int) -> list[Answer]:
        """Sends a request, once: see `Connection`."""
        try:
            response = self._call(request, timeout=self.timeout)
        except grpc.RpcError as error:
            self._raise(error)
        outputs = {pair.key: pair.value for pair in response.outputs}
        return predictions.from_messages(outputs, count)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _raise(self, error):
        address, code, told = self.address, error.code(), error.details() or ""
        if code == _Code.DEADLINE_EXCEEDED:
            raise TooSlow(f"{address.server} did not answer within {self.timeout:g} s") from error
        lowered = told.lower()
        if code == _Code.UNAVAILABLE:
            raise self._unavailable(told, lowered) from error
        if code == _Code.CANCELLED:
            raise Unavailable(f"{address.server} gave the request up ({told})") from error
        if code == _Code.NOT_FOUND:
            raise WrongModel(
                f"{address.server} serves no model {address.model} ({told})"
            ) from error
        if code in (_Code.UNIMPLEMENTED, _Code.UNAUTHENTICATED, _Code.PERMISSION_DENIED):
            what = "is no TensorFlow Serving" if code == _Code.UNIMPLEMENTED else "lets nobody in"
            raise WrongServer(f"{address.server} {what} ({told})") from error
        if is_wrong_model(told):
            raise WrongModel(
                f"{address.server} does not serve {address.model} so ({told})"
            ) from error
        # A queue of the server's batching that is full says RESOURCE_EXHAUSTED or UNAVAILABLE.
        if code == _Code.RESOURCE_EXHAUSTED and "larger than max" not in lowered:
            raise Unavailable(f"{address.server} is busy ({told})") from error
        raise Refused(plain_message(told) or code.name) from error

    def _unavailable(self, told, lowered):
        """Returns what the one code for everything that keeps a request from arriving means."""
        address = self.address
        if "queue" in lowered and "full" in lowered:
            return Unavailable(f"{address.server} is busy ({told})")
        if address.secure and "hostname verification" in lowered:
            return WrongServer(f"{address.server} shows another host's certificate")
        # Host names can hold such words too.
        if address.secure and any(word in lowered for word in ("certificate", "ssl", "handshake")):
            return WrongServer(
                f"{address.server}: TLS fails: does it speak TLS, and is its certificate's "
                "authority the one given with --ca-file?"
            )
        if "http/2" in lowered:
            return WrongServer(f"{address.server} speaks no gRPC (is it the REST port?)")
        return Unavailable(f"no server answers at {address.server} ({_last(told)})")


def _last(told):
    """Returns what gRPC names last, behind what it was doing: `Connection refused`."""
    return told.rpartition(": ")[2].strip()
