"""The gRPC interface of TensorFlow Serving."""

import os
from pathlib import Path
from typing import NoReturn

# Errors are raised as exceptions; gRPC's C++ code would also print them to standard error.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc

from resnet_keras.errors import UserError
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
from resnet_keras.serving.predictions import Inputs, Prediction

_OPTIONS = [
    # A batch of images is larger than gRPC's default limit of 4 MiB.
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", 256 * 2**20),
    # `with_retries` retries, and should notice soon when a server is back.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Otherwise all channels to one server share a TCP connection.
    ("grpc.use_local_subchannel_pool", 1),
    # Proxies are meant for the web, and gRPC would use them even for 127.0.0.1. The REST client
    # uses none either.
    ("grpc.enable_http_proxy", 0),
]
_Code = grpc.StatusCode


class GrpcConnection(Connection):
    """A gRPC channel. It connects with the first request.

    Args:
        address: the address of the model.
        timeout: seconds per request.
        ca_file: the trusted certificate authorities, a PEM file; `None` trusts gRPC's own list.

    Raises:
        UserError: if `ca_file` cannot be read.
    """

    def __init__(self, address: Address, timeout: float, ca_file: str | None = None) -> None:
        self.address, self.timeout = address, timeout
        if address.uses_tls:
            if ca_file:
                tls_context(ca_file)  # gRPC accepts a file without any certificate
            roots = Path(ca_file).read_bytes() if ca_file else None
            credentials = grpc.ssl_channel_credentials(root_certificates=roots)
            self._channel = grpc.secure_channel(address.server, credentials, _OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address.server, _OPTIONS)
        self._call = self._channel.unary_unary(
            messages.PREDICT_METHOD,
            request_serializer=None,  # `encode` serializes
            response_deserializer=messages.PredictResponse.FromString,
        )

    def encode(self, inputs: Inputs) -> bytes:
        """Encodes a request; see `Connection`."""
        address = self.address
        signature, name = predictions.signature_of(inputs)
        request = messages.PredictRequest()
        request.model_spec.name = address.name
        request.model_spec.signature_name = signature
        if address.version is not None:
            request.model_spec.version.value = address.version
        elif address.label:
            request.model_spec.version_label = address.label
        request.inputs.add(key=name, value=predictions.tensor_from_inputs(inputs))
        return request.SerializeToString()

    def send(self, request: bytes, count: int) -> list[Prediction]:
        """Sends a request; see `Connection`."""
        try:
            response = self._call(request, timeout=self.timeout)
        except grpc.RpcError as error:
            self._raise(error)
        outputs = {pair.key: pair.value for pair in response.outputs}
        return predictions.predictions_from_tensors(outputs, count)

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _raise(self, error: grpc.RpcError) -> NoReturn:
        address, code, message = self.address, error.code(), error.details() or ""
        if code == _Code.DEADLINE_EXCEEDED:
            raise TooSlow(f"{address.server} did not answer within {self.timeout:g} s") from error
        if code == _Code.UNAVAILABLE:
            raise self._unavailable(message) from error
        if code == _Code.CANCELLED:
            raise Unavailable(f"{address.server} cancelled the request ({message})") from error
        if code == _Code.NOT_FOUND:
            raise WrongModel(
                f"{address.server} serves no model {address.model} ({message})"
            ) from error
        if code == _Code.UNIMPLEMENTED:
            raise WrongServer(f"{address.server} is not TensorFlow Serving ({message})") from error
        if code in (_Code.UNAUTHENTICATED, _Code.PERMISSION_DENIED):
            raise WrongServer(f"{address.server} denies access ({message})") from error
        if is_wrong_model(message):
            raise WrongModel(
                f"{address.server} does not serve {address.model} with this signature or label "
                f"({message})"
            ) from error
        # If the queue for batching is full, the code is RESOURCE_EXHAUSTED or UNAVAILABLE.
        if code == _Code.RESOURCE_EXHAUSTED and "larger than max" not in message.lower():
            raise Unavailable(f"{address.server} is busy ({message})") from error
        raise Refused(plain_message(message) or code.name) from error

    def _unavailable(self, message: str) -> UserError:
        """Interprets the code that gRPC uses for everything that keeps a request from arriving."""
        address, lowered = self.address, message.lower()
        if "queue" in lowered and "full" in lowered:
            return Unavailable(f"{address.server} is busy ({message})")
        if address.uses_tls and "hostname verification" in lowered:
            return WrongServer(f"{address.server} presents a certificate for another host")
        # Host names can contain such words, too.
        if address.uses_tls and any(
            word in lowered for word in ("certificate", "ssl", "handshake")
        ):
            return WrongServer(
                f"TLS with {address.server} failed: check that the server uses TLS, and that "
                "--ca-file names the authority of its certificate"
            )
        if "http/2" in lowered:
            return WrongServer(f"{address.server} does not speak gRPC (is this the REST port?)")
        return Unavailable(f"no server answers at {address.server} ({_last_part(message)})")


def _last_part(message: str) -> str:
    """Returns the last reason in a chain of gRPC's, such as `Connection refused`."""
    return message.rpartition(": ")[2].strip()
