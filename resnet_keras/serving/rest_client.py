"""The REST interface of TensorFlow Serving, with the HTTP client of the standard library."""

import base64
import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
from types import TracebackType
from typing import Any, NoReturn
from urllib.parse import quote

from resnet_keras.serving import predictions
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
from resnet_keras.serving.predictions import Inputs, Pixels, Prediction

# No response is larger, in bytes: a thousand classes for a thousand images take 20 MB.
_MAX_RESPONSE = 256 * 2**20
# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
_HOST_MISMATCH = (62, 64)


class RestConnection(Connection):
    """An HTTP connection that is kept open. It connects with the first request.

    Args:
        address: the address of the model.
        timeout: seconds per request.
        ca_file: the trusted certificate authorities, a PEM file; `None` trusts those that the
            operating system trusts.

    Raises:
        UserError: if `ca_file` cannot be read.
    """

    def __init__(self, address: Address, timeout: float, ca_file: str | None = None) -> None:
        self.address, self.timeout = address, timeout
        self._http: http.client.HTTPConnection
        if address.uses_tls:
            self._http = http.client.HTTPSConnection(
                address.host, address.port, timeout=timeout, context=tls_context(ca_file)
            )
        else:
            self._http = http.client.HTTPConnection(address.host, address.port, timeout=timeout)
        path = f"{address.prefix}/v1/models/{quote(address.name, safe='')}"
        if address.version is not None:
            path += f"/versions/{address.version}"
        elif address.label:
            path += f"/labels/{quote(address.label, safe='')}"
        self._path = path + ":predict"

    def encode(self, inputs: Inputs) -> bytes:
        """Encodes a request; see `Connection`."""
        signature, name = predictions.signature_of(inputs)
        values: list[Any]
        if isinstance(inputs, Pixels):
            values = _nested_lists(inputs)
        else:
            values = [{"b64": base64.b64encode(data).decode("ascii")} for data in inputs]
        body = {"signature_name": signature, "instances": [{name: value} for value in values]}
        return json.dumps(body).encode("ascii")

    def send(self, request: bytes, count: int) -> list[Prediction]:
        """Sends a request; see `Connection`."""
        status, body = self._post(request)
        values = _parse(body)
        if not isinstance(values, dict):
            values = {}
        if status == 200 and "predictions" in values:
            return predictions.predictions_from_json(values["predictions"], count)
        message = values.get("error")
        self._raise(status, message if isinstance(message, str) else None)

    def close(self) -> None:
        """Closes the connection. A further request would open it again."""
        self._http.close()

    def _post(self, body: bytes) -> tuple[int, bytes]:
        server = self.address.server
        with _Deadline(self._http, self.timeout) as deadline:
            try:
                status, response = self._exchange(body)
            except Exception as error:
                self.close()
                if deadline.passed or isinstance(error, TimeoutError):
                    raise TooSlow(f"{server} did not answer within {self.timeout:g} s") from error
                raise _interpret(error, server) from error
        if deadline.passed:
            self.close()
            raise TooSlow(f"{server} did not answer within {self.timeout:g} s")
        if len(response) > _MAX_RESPONSE:
            self.close()
            raise WrongServer(f"{server} answers with more than {_MAX_RESPONSE >> 20} MiB")
        return status, response

    def _exchange(self, body: bytes) -> tuple[int, bytes]:
        self._http.request("POST", self._path, body, {"Content-Type": "application/json"})
        response = self._http.getresponse()
        return response.status, response.read(_MAX_RESPONSE + 1)

    def _raise(self, status: int, message: str | None) -> NoReturn:
        address = self.address
        description = f"{address.server} answered {status}" + (f": {message}" if message else "")
        if status in (429, 502, 503):
            raise Unavailable(description)
        if status in (408, 504):
            raise TooSlow(description)
        if message is None:
            raise WrongServer(f"{description}, which is not an answer of TensorFlow Serving")
        if status == 404:
            raise WrongModel(f"{address.server} serves no model {address.model} ({message})")
        if is_wrong_model(message):
            raise WrongModel(
                f"{address.server} does not serve {address.model} with this signature or label "
                f"({message})"
            )
        if status in (401, 403):
            raise WrongServer(description)
        raise Refused(plain_message(message))


class _Deadline:
    """Closes a connection after a number of seconds, even while data arrives slowly.

    The timeout of a socket starts again with every byte that arrives.
    """

    def __init__(self, connection: http.client.HTTPConnection, seconds: float) -> None:
        self.passed = False
        self._connection = connection
        self._timer = threading.Timer(seconds, self._shut_down)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def _shut_down(self) -> None:
        self.passed = True
        connected = self._connection.sock
        if connected is not None:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)


def _interpret(error: Exception, server: str) -> Exception:
    """Returns the client error for an exception of the HTTP client, or the exception itself."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _HOST_MISMATCH:
            return WrongServer(
                f"{server} presents a certificate for another host ({error.verify_message})"
            )
        return WrongServer(
            f"{server} presents a certificate that is not trusted ({error.verify_message}): pass "
            "the certificate of its authority with --ca-file"
        )
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Unavailable(f"{server} closed the connection")
    if isinstance(error, ssl.SSLError):
        return WrongServer(f"TLS with {server} failed ({error.reason})")
    # `RemoteDisconnected` is a ConnectionError and an HTTPException.
    if isinstance(error, OSError | http.client.IncompleteRead):
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Unavailable(f"no server answers at {server} ({reason})")
    if isinstance(error, http.client.HTTPException):
        return WrongServer(f"{server} does not speak HTTP (is this the gRPC port?)")
    return error


def _parse(body: bytes) -> Any:
    """Returns the JSON value of a body; `None` if it is not JSON."""
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        return None
    except ValueError:
        # TensorFlow Serving escapes the text of an error as in C, not as in JSON.
        error = re.fullmatch(r'\s*\{\s*"error"\s*:\s*"(.*)"\s*\}\s*', text, re.DOTALL)
        return {"error": _c_unescape(error[1])} if error else None


def _c_unescape(text: str) -> str:
    """Reverses `absl::CEscape`: \\n, \\r, \\t, quotes, backslashes, and bytes in octal."""
    simple = {"n": "\n", "r": "\r", "t": "\t"}
    octal = re.compile(r"((?:\\[0-3][0-7]{2})+)")
    parts = octal.split(text)
    for index, part in enumerate(parts):
        if octal.fullmatch(part):
            parts[index] = bytes(int(code, 8) for code in part.split("\\")[1:]).decode(
                "utf-8", "replace"
            )
        else:
            parts[index] = re.sub(r"\\(.)", lambda m: simple.get(m[1], m[1]), part, flags=re.DOTALL)
    return "".join(parts)


def _nested_lists(pixels: Pixels) -> list[Any]:
    values: list[Any] = list(pixels.data)
    for size in reversed(pixels.shape[1:]):
        values = [values[i : i + size] for i in range(0, len(values), size)]
    return values
