"""The URLs of models."""

import pytest

from resnet_keras.errors import UsageError
from resnet_keras.serving.address import Address, is_url, parse_url


@pytest.mark.parametrize(
    "url, expected",
    [
        ("http://h:8501/v1/models/m", Address("http", "h", 8501, "m")),
        ("http://h/v1/models/m/", Address("http", "h", 8501, "m")),
        ("https://h/p/q/v1/models/m/versions/3",
         Address("https", "h", 443, "m", version=3, prefix="/p/q")),
        ("http://[::1]:9/v1/models/a%2Fb/labels/stable",
         Address("http", "::1", 9, "a/b", label="stable")),
        ("grpc://h/m", Address("grpc", "h", 8500, "m")),
        ("grpcs://h:1/m/versions/2", Address("grpcs", "h", 1, "m", version=2)),
        ("grpc://h:1/m/labels/stable", Address("grpc", "h", 1, "m", label="stable")),
    ],
)  # fmt: skip
def test_valid_urls(url, expected):
    assert is_url(url) and parse_url(url) == expected


@pytest.mark.parametrize(
    "url",
    ["ftp://h/m", "http://h", "http://h/m", "http://h/v1/models/", "grpc://h", "grpc:///m",
     "grpc://h:99999/m", "grpc://h:x/m", "grpc://h/m/versions/x", "grpc://h/m/n", "://",
     "http://u:p@h/v1/models/m", "http://h/v1/models/m?x=1", "http://h/v1/models/m:predict",
     "http://[::1/v1/models/m", "grpc://h:0/m", "grpc://h/m/versions/99999999999999999999",
     "http://a..b/v1/models/m", "http://ho st/v1/models/m", "http://h/\u00fc/v1/models/m",
     "http://h/a b/v1/models/m", "http://h/v1/models/a\tb", "grpc://h/%ff", "grpc://-\u00fc/m"],
)  # fmt: skip
def test_other_urls_are_rejected(url):
    with pytest.raises(UsageError) as caught:
        parse_url(url)
    assert url in str(caught.value)


@pytest.mark.parametrize(
    "host, expected",
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("[::1]", True),
     ("example.org", False), ("10.0.0.1", False), ("127.0.0.1.example.org", False),
     ("localhost.example.org", False)],
)  # fmt: skip
def test_loopback(host, expected):
    assert parse_url(f"grpc://{host}/m").is_loopback is expected
