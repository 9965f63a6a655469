"""TensorFlow Serving's REST interface, by Python's own HTTP."""

import base64
import contextlib
import http.client
import json
import re
import socket
import ssl
import threading
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
from resnet_keras.serving.predictions import Answer, Pixels

# Longer answers are no predictions: a thousand classes of a thousand images are 20 MB.
MAX_ANSWER = 256 * 2**20
# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
_OTHER_HOST = (62, 64)


class RestConnection(Connection):
    """One connection, kept open; of one thread at a time."""

    def __init__(self, address: Address, timeout: float, ca_file: str | None = None):
        """Prepares it; connects with the first request.

        Args:
            address: of the model.
            timeout: seconds for a request.
            ca_file: whom to trust, PEM; `None` for whom the system trusts.

        Raises:
            UserError: if `ca_file` is no such file.
        """
        self.address, self.timeout = address, timeout
        if address.secure:
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

    def encoded(self, inputs: list[bytes] | Pixels) -> bytes:
        """Returns the request for one batch: see `Connection`."""
        return _body(inputs)

    def ask(self, request: bytes, count: int) -> list[Answer]:
        """Sends a request, once: see `Connection`."""
        status, body = self._post(request)
        values = _parsed(body)
        told = values.get("error") if isinstance(values, dict) else None
        if status == 200 and isinstance(values, dict) and "predictions" in values:
            return predictions.from_json(values["predictions"], count)
        self._raise(status, told if isinstance(told, str) else None)

    def close(self) -> None:
        """Closes it; another request would open it again."""
        self._http.close()

    def _post(self, body):
        server = self.address.server
        with _Deadline(self._http, self.timeout) as deadline:
            try:
                answered = self._exchange(body)
            except Exception as error:
                self.close()
                if deadline.passed or isinstance(error, TimeoutError):
                    raise TooSlow(f"{server} did not answer within {self.timeout:g} s") from error
                raise _problem(error, server) from error
        if deadline.passed:
            self.close()
            raise TooSlow(f"{server} did not answer within {self.timeout:g} s")
        if len(answered[1]) > MAX_ANSWER:
            self.close()
            raise WrongServer(f"{server} answers with more than {MAX_ANSWER >> 20} MiB")
        return answered

    def _exchange(self, body):
        self._http.request("POST", self._path, body, {"Content-Type": "application/json"})
        response = self._http.getresponse()
        return response.status, response.read(MAX_ANSWER + 1)

    def _raise(self, status, told):
        address = self.address
        said = f"{address.server} answered {status}" + (f": {told}" if told else "")
        if status in (429, 502, 503):
            raise Unavailable(said)
        if status in (408, 504):
            raise TooSlow(said)
        if told is None:
            raise WrongServer(f"{said}, but not as TensorFlow Serving does")
        if status == 404:
            raise WrongModel(f"{address.server} serves no model {address.model} ({told})")
        if is_wrong_model(told):
            raise WrongModel(f"{address.server} does not serve {address.model} so ({told})")
        if status in (401, 403):
            raise WrongServer(said)
        raise Refused(plain_message(told))


def _problem(error, server):
    """Returns what an exception of the exchange means; the exception itself if nothing."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_HOST:
            return WrongServer(
                f"{server} shows another host's certificate ({error.verify_message})"
            )
        return WrongServer(
            f"{server} shows a certificate that is not trusted ({error.verify_message}): give the "
            "authority's with --ca-file"
        )
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Unavailable(f"{server} closed the connection")
    if isinstance(error, ssl.SSLError):
        return WrongServer(f"{server} speaks no TLS that fits ({error.reason})")
    # `RemoteDisconnected` is a ConnectionError and an HTTPException.
    if isinstance(error, OSError | http.client.IncompleteRead):
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Unavailable(f"no server answers at {server} ({reason})")
    if isinstance(error, http.client.HTTPException):
        return WrongServer(f"{server} speaks no HTTP (is it the gRPC port?)")
    return error


def _parsed(body):
    """Returns the JSON value of a body; `None` if it is none."""
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        return None
    except ValueError:
        # TensorFlow Serving escapes the text of an error as C does, not as JSON does.
        error = re.fullmatch(r'\s*\{\s*"error"\s*:\s*"(.*)"\s*\}\s*', text, re.DOTALL)
        return {"error": _c_unescaped(error[1])} if error else None


def _c_unescaped(text):
    """Undoes `absl::CEscape`: \\n, \\r, \\t, quotes, backslashes, and bytes in octal."""
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


class _Deadline:
    """Cuts a connection off after so many seconds, whatever trickles in meanwhile: a socket's own
    time-out begins anew with every byte."""

    def __init__(self, http_connection, seconds):
        self.passed = False
        self._connection = http_connection
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self):
        self._timer.start()
        return self

    def __exit__(self, *_):
        self._timer.cancel()

    def _cut(self):
        self.passed = True
        sock = self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def _body(inputs):
    signature, name = predictions.signature_of(inputs)
    if isinstance(inputs, Pixels):
        values = _nested(inputs)
    else:
        values = [{"b64": base64.b64encode(data).decode("ascii")} for data in inputs]
    body = {"signature_name": signature, "instances": [{name: v} for v in values]}
    return json.dumps(body).encode("ascii")


def _nested(pixels):
    """Returns pixels as lists in lists."""
    values = list(pixels.data)
    for size in reversed(pixels.shape[1:]):
        values = [values[i : i + size] for i in range(0, len(values), size)]
    return values
