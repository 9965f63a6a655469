"""Where a model is served: what a URL says."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from resnet_keras.errors import UsageError

PORTS = {"http": 8501, "https": 443, "grpc": 8500, "grpcs": 443}
FORMS = "http(s)://HOST:8501/v1/models/NAME or grpc(s)://HOST:8500/NAME"
_HOST = re.compile(r"[0-9A-Za-z_-]{1,63}(\.[0-9A-Za-z_-]{1,63})*\.?")
# A version is an int64 in TensorFlow Serving's messages.
_MAX_VERSION = 2**63 - 1
_PATH = re.compile(r"/(?P<name>[^/:]+)(/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?/?")


@dataclass(frozen=True)
class Address:
    """A model on a server.

    Attributes:
        scheme: `"http"`, `"https"`, `"grpc"` or `"grpcs"`.
        host: a name or an IP address, without brackets.
        port: its number.
        prefix: what stands in front of `/v1/models`, for servers behind a proxy.
        name: the model's.
        version: its number; `None` lets the server choose.
        label: instead of a version, such as `"stable"`.
    """

    scheme: str
    host: str
    port: int
    name: str
    version: int | None = None
    label: str | None = None
    prefix: str = ""

    @property
    def rpc(self) -> bool:
        """Whether it is reached by gRPC, not by REST."""
        return self.scheme.startswith("grpc")

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme in ("https", "grpcs")

    @property
    def server(self) -> str:
        """Host and port, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def model(self) -> str:
        """The model in words: `resnet32-A`, its version or label behind it."""
        if self.version is not None:
            return f"{self.name}, version {self.version}"
        return f"{self.name}, label {self.label}" if self.label else self.name

    @property
    def loopback(self) -> bool:
        """Whether the server is on this very machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def is_url(text: str) -> bool:
    """Returns whether `text` is meant as a URL, not as a path."""
    return "://" in text


def parse(url: str) -> Address:
    """Reads the URL of a model.

    Raises:
        UsageError: if it is none that a model could have.
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as error:
        raise UsageError(f"{url} is no URL: {error}") from error
    if parts.scheme not in PORTS or not host:
        raise UsageError(f"a model's URL is {FORMS}. Received: {url}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(f"a model's URL has neither user, ?query nor #fragment. Received: {url}")
    if port == 0:
        raise UsageError(f"a port is a number from 1 to 65535. Received: {url}")
    _check_host(host, url)
    # `urlsplit` quietly drops some of these, and a request line cannot hold the others.
    if not re.fullmatch(r"[!-~]*", url.partition("://")[2]):
        raise UsageError(
            f"a URL has neither spaces nor letters beyond ASCII: write them as %XX. Received: {url}"
        )
    prefix, path = "", parts.path
    if parts.scheme.startswith("http"):
        prefix, found, path = path.rpartition("/v1/models")
        path = path if found else ""
    match = _PATH.fullmatch(path)
    if not match:
        raise UsageError(
            f"a model's URL is {FORMS}, with /versions/N or /labels/LABEL behind it if need be. "
            f"Received: {url}"
        )
    if match["version"] and int(match["version"]) > _MAX_VERSION:
        raise UsageError(f"a version is a number up to {_MAX_VERSION}. Received: {url}")
    return Address(
        scheme=parts.scheme,
        host=host,
        port=port or PORTS[parts.scheme],
        name=_unquoted(match["name"], url),
        version=int(match["version"]) if match["version"] else None,
        label=_unquoted(match["label"], url) if match["label"] else None,
        prefix=prefix,
    )


def _check_host(host, url):
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if not _HOST.fullmatch(host):
            raise UsageError(f"{host} is no name of a host. Received: {url}") from None


def _unquoted(text, url):
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise UsageError(f"{text} is no UTF-8 once its %XX are read. Received: {url}") from error
