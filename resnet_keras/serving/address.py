"""The URL of a model on a server."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from resnet_keras.errors import UsageError

_DEFAULT_PORTS = {"http": 8501, "https": 443, "grpc": 8500, "grpcs": 443}
_FORMS = "http(s)://HOST:8501/v1/models/NAME or grpc(s)://HOST:8500/NAME"
_HOST = re.compile(r"[0-9A-Za-z_-]{1,63}(\.[0-9A-Za-z_-]{1,63})*\.?")
# TensorFlow Serving stores a version as an int64.
_MAX_VERSION = 2**63 - 1
_PATH = re.compile(r"/(?P<name>[^/:]+)(/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?/?")


@dataclass(frozen=True)
class Address:
    """A model on a server. `parse_url` creates it.

    Attributes:
        scheme: `"http"`, `"https"`, `"grpc"` or `"grpcs"`.
        host: a host name or an IP address, without brackets.
        port: the port.
        name: the name of the model.
        version: the version of the model; `None` lets the server choose.
        label: a version label such as `"stable"`, instead of a version.
        prefix: what precedes `/v1/models` in the path, for servers behind a proxy.

    Example:

    >>> Address("grpc", "::1", 8500, "resnet20-A", version=2).server
    '[::1]:8500'
    """

    scheme: str
    host: str
    port: int
    name: str
    version: int | None = None
    label: str | None = None
    prefix: str = ""

    @property
    def is_grpc(self) -> bool:
        """Whether the model is served by gRPC, not by REST."""
        return self.scheme.startswith("grpc")

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme in ("https", "grpcs")

    @property
    def server(self) -> str:
        """Host and port, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def model(self) -> str:
        """The model for messages, such as `resnet32-A, version 3`."""
        if self.version is not None:
            return f"{self.name}, version {self.version}"
        return f"{self.name}, label {self.label}" if self.label else self.name

    @property
    def is_loopback(self) -> bool:
        """Whether the server runs on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def is_url(text: str) -> bool:
    """Returns whether a command-line argument is a URL, not a path.

    Args:
        text: the argument.

    Example:

    >>> is_url("grpc://localhost/resnet20-A"), is_url("saved_models/resnet20-A")
    (True, False)
    """
    return "://" in text


def parse_url(url: str) -> Address:
    """Parses the URL of a model.

    Args:
        url: `http(s)://HOST:PORT/v1/models/NAME` or `grpc(s)://HOST:PORT/NAME`. The name may be
            followed by `/versions/N` or `/labels/LABEL`.

    Returns:
        The address of the model.

    Raises:
        UsageError: if it is not the URL of a model.

    Example:

    >>> address = parse_url("http://localhost:8501/v1/models/resnet20-A/versions/3")
    >>> address.name, address.version, address.is_grpc
    ('resnet20-A', 3, False)
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise UsageError(f"not a URL: {error}. Received: {url}") from error
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise UsageError(f"the URL of a model must be {_FORMS}. Received: {url}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(
            f"the URL of a model must not contain a user, ?query or #fragment. Received: {url}"
        )
    if port == 0:
        raise UsageError(f"a port must be from 1 to 65535. Received: {url}")
    _check_host(host, url)
    # `urlsplit` silently drops some of these characters, and HTTP cannot represent the others.
    if not re.fullmatch(r"[!-~]*", url.partition("://")[2]):
        raise UsageError(
            "a URL must not contain spaces or characters beyond ASCII: write them as %XX. "
            f"Received: {url}"
        )
    prefix, path = "", parts.path
    if parts.scheme.startswith("http"):
        prefix, found, path = path.rpartition("/v1/models")
        path = path if found else ""
    match = _PATH.fullmatch(path)
    if not match:
        raise UsageError(
            f"the URL of a model must be {_FORMS}, optionally followed by /versions/N or "
            f"/labels/LABEL. Received: {url}"
        )
    if match["version"] and int(match["version"]) > _MAX_VERSION:
        raise UsageError(f"a version must be at most {_MAX_VERSION}. Received: {url}")
    return Address(
        scheme=parts.scheme,
        host=host,
        port=port or _DEFAULT_PORTS[parts.scheme],
        name=_unquote(match["name"], url),
        version=int(match["version"]) if match["version"] else None,
        label=_unquote(match["label"], url) if match["label"] else None,
        prefix=prefix,
    )


def _check_host(host: str, url: str) -> None:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if not _HOST.fullmatch(host):
            raise UsageError(f"{host} is not a valid host name. Received: {url}") from None


def _unquote(text: str, url: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise UsageError(f"{text} does not decode to UTF-8. Received: {url}") from error
