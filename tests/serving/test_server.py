"""Client and load test against a server: the double, or a real one with `-m tf_serving`."""

import contextlib
import socket
import subprocess
import threading
import time

import pytest

from resnet_keras.errors import UsageError, UserError
from resnet_keras.serving.address import parse_url
from resnet_keras.serving.client import classify_files, connect, with_retries
from resnet_keras.serving.errors import Refused, TooSlow, Unavailable, WrongModel, WrongServer
from resnet_keras.serving.load_test import load_test
from resnet_keras.serving.predictions import Pixels, sample_image
from tests.serving.double.harness import (
    EITHER,
    NAME,
    SCHEMES,
    SIZE,
    encoded,
    free_port,
    models_dir,
    photo,
    server_of,
    start_double,
    url_of,
)

GOOD = [encoded(photo(seed=i)) for i in range(5)]
BAD = encoded(photo(90, 90), "JPEG")[:700]


def connection(url, timeout=60.0, **options):
    return connect(parse_url(url), timeout, **options)


@EITHER
@SCHEMES
def test_predictions(kind, scheme):
    server = server_of(kind)
    found = connection(url_of(server, scheme)).predict(GOOD)
    assert len(found) == 5 and all(1 <= len(prediction.top) <= 5 for prediction in found)
    for prediction in found:
        values = [probability for _, probability in prediction.top]
        assert values == sorted(values, reverse=True) and 0 < sum(values) <= 1 + 1e-5
    alone = connection(url_of(server, scheme)).predict(GOOD[3:4])[0]
    assert alone.top[0][0] == found[3].top[0][0]


@EITHER
@SCHEMES
def test_the_predictions_are_those_of_the_local_saved_model(kind, scheme):
    from resnet_keras.export.local_client import load_predict_function

    server = server_of(kind)
    if server.process is None:
        pytest.skip("the server has a model of its own")
    for suffix, version in (("", "2"), ("/versions/1", "1"), ("/labels/stable", "1")):
        given = connection(url_of(server, scheme) + suffix).predict(GOOD)
        wanted = load_predict_function(models_dir() / NAME / version)(GOOD)
        for mine, theirs in zip(given, wanted, strict=True):
            assert [name for name, _ in mine.top] == [name for name, _ in theirs.top]
            for (_, a), (_, b) in zip(mine.top, theirs.top, strict=True):
                assert a == pytest.approx(b, abs=1e-5)


@EITHER
@SCHEMES
def test_errors_name_the_image(kind, scheme):
    client = connection(url_of(server_of(kind), scheme))
    with pytest.raises(Refused, match=r"^image_bytes\[1\] is damaged or cut short$"):
        client.predict([GOOD[0], BAD])
    with pytest.raises(Refused, match=r"image_bytes\[0\] is not a JPEG"):
        client.predict([b"hello"])
    # The connection can still be used.
    assert len(client.predict(GOOD)) == 5


@EITHER
@SCHEMES
def test_raw_images(kind, scheme):
    server = server_of(kind)
    if server.process is None:
        pytest.skip("the server has a model of its own")
    client = connection(url_of(server, scheme))
    pixels = photo(*SIZE)
    assert len(client.predict(Pixels(pixels.tobytes(), (1, *SIZE, 3)))) == 1
    with pytest.raises(
        Refused, match="images has the shape 1x8x32x3, but this network takes Nx16x16x3"
    ):
        client.predict(Pixels(pixels.tobytes(), (1, 8, 32, 3)))


@EITHER
@SCHEMES
def test_a_wrong_name_version_or_label(kind, scheme):
    url = url_of(server_of(kind), scheme)
    base = url.partition("/versions/")[0].partition("/labels/")[0]
    with pytest.raises(WrongModel, match="serves no model absent"):
        connection(f"{base.rpartition('/')[0]}/absent").predict(GOOD)
    with pytest.raises(WrongModel, match="version 4711"):
        connection(f"{base}/versions/4711").predict(GOOD)
    with pytest.raises(WrongModel, match="label absent"):
        connection(f"{base}/labels/absent").predict(GOOD)


@EITHER
@SCHEMES
def test_one_bad_file_among_many(kind, scheme, tmp_path):
    client = connection(url_of(server_of(kind), scheme))
    paths = []
    for index, data in enumerate([*GOOD, BAD, *GOOD]):
        paths.append(tmp_path / str(index))
        paths[-1].write_bytes(data)
    result = classify_files(client.predict, paths, 8)
    assert result.errors == {5: "the image is damaged or cut short"}
    assert len(result.predictions) == 10 and result.predictions[0].top[0] == pytest.approx(
        result.predictions[0].top[0]
    )


@EITHER
@SCHEMES
def test_load(kind, scheme):
    address = parse_url(url_of(server_of(kind), scheme))
    result = load_test(address, [sample_image(20, 30)] * 2, concurrency=3, seconds=0.5, timeout=60)
    values = result.to_json()
    assert values["requests"] >= 3 and not values["errors"] and values["batch_size"] == 2
    assert 0 < values["p50_ms"] <= values["p95_ms"] <= values["p99_ms"]
    assert values["images_per_second"] == pytest.approx(2 * values["requests_per_second"], rel=0.01)
    assert "p99" in result.summary() and "errors 0" in result.summary()
    with pytest.raises(Refused):
        load_test(address, [b"no image"], concurrency=1, seconds=0.5, timeout=60)


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"concurrency": 1000}, {"seconds": 0}, {"seconds": 1e6},
                {"seconds": float("nan")}, {"inputs": []}],
)  # fmt: skip
def test_the_values_of_a_load_test_are_limited(options):
    values = {"inputs": [b"x"], "concurrency": 1, "seconds": 1.0, "timeout": 1.0, **options}
    with pytest.raises(UsageError):
        load_test(parse_url("grpc://127.0.0.1:1/m"), **values)


@SCHEMES
def test_no_server(scheme):
    path = "/v1/models/m" if scheme == "http" else "/m"
    url = f"{scheme}://127.0.0.1:{free_port()}{path}"
    with pytest.raises(Unavailable, match=r"no server answers at .*refused"):
        connection(url).predict(GOOD)
    with pytest.raises(Unavailable):
        load_test(parse_url(url), GOOD, concurrency=1, seconds=1, timeout=5)


@SCHEMES
def test_a_server_that_does_not_answer(scheme):
    path = "/v1/models/m" if scheme == "http" else "/m"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}{path}"
        began = time.monotonic()
        with pytest.raises(TooSlow, match=r"within 0\.5 s"):
            connection(url, timeout=0.5).predict(GOOD)
        assert time.monotonic() - began < 30


def test_the_wrong_port():
    server = server_of("double")
    rest, rpc = (parse_url(url) for url in server.urls())
    with pytest.raises(WrongServer, match="gRPC port"):
        connection(f"http://127.0.0.1:{rpc.port}/v1/models/{NAME}").predict(GOOD)
    with pytest.raises(WrongServer, match="REST port"):
        connection(f"grpc://127.0.0.1:{rest.port}/{NAME}").predict(GOOD)
    with pytest.raises(WrongServer, match="TLS"):
        connection(f"https://127.0.0.1:{rest.port}/v1/models/{NAME}").predict(GOOD)
    with pytest.raises(WrongServer, match="TLS"):
        connection(f"grpcs://127.0.0.1:{rpc.port}/{NAME}").predict(GOOD)


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\n<a/>",
     b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
     b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1,2]",
     b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"predictions\":[1]}"[:-1] + b"}",
     b"SSH-2.0-x\r\n"],
)  # fmt: skip
def test_another_http_server(answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            client, _ = server.accept()
            client.recv(1 << 16)
            client.sendall(answer)
            client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v1/models/m"
        with pytest.raises((WrongServer, Unavailable)):
            connection(url).predict([b"x"])
        thread.join()


def answering(*parts, pause=0.0):
    """Starts a server that answers one request with these parts, pausing before each.

    Returns its URL.
    """
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        client, _ = server.accept()
        with server, client, contextlib.suppress(OSError):
            client.recv(1 << 16)
            for part in parts:
                time.sleep(pause)
                client.sendall(part)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/v1/models/m"


@pytest.mark.parametrize("header", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"])
def test_the_timeout_applies_to_a_response_that_arrives_slowly(header):
    url = answering(header, *[b"H"] * 100, pause=0.1)
    began = time.monotonic()
    with pytest.raises(TooSlow, match=r"within 0\.5 s"):
        connection(url, timeout=0.5).predict([b"x"])
    assert time.monotonic() - began < 5


def http(status, body):
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize(
    "body, message",
    [(rb"""{ "error": "input \'images:0\' is \"bad\" \\ \303\274\n" }""",
      """input 'images:0' is "bad" \\ \u00fc"""),
     (rb'{"error": "plain"}', "plain")],
)  # fmt: skip
def test_errors_are_unescaped(body, message):
    with pytest.raises(Refused) as caught:
        connection(answering(http(400, body))).predict([b"x"])
    assert str(caught.value) == message


@pytest.mark.parametrize("status", [401, 403])
def test_a_proxy_that_denies_access(status):
    with pytest.raises(WrongServer, match=f"{status}.*who are you"):
        connection(answering(http(status, b'{"error": "who are you"}'))).predict([b"x"])


@pytest.mark.parametrize(
    "answer",
    [b"[" * 100_000, b'{"predictions": ' + b"[" * 100_000,
     b'{"predictions": [{"top_classes": ["a"], "top_probabilities": [1' + b"0" * 400 + b"]}]}"],
)  # fmt: skip
def test_malicious_responses_are_rejected(answer):
    with pytest.raises(WrongServer):
        connection(answering(http(200, answer))).predict([b"x"])


def test_single_surrogates_are_replaced():
    body = rb'{"predictions": [{"top_classes": ["\ud800"], "top_probabilities": [1.0]}]}'
    (prediction,) = connection(answering(http(200, body))).predict([b"x"])
    assert prediction.top == (("?", 1.0),)


@SCHEMES
def test_proxies_are_not_used(monkeypatch, scheme):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    client = connection(url_of(server_of("double"), scheme))
    assert len(client.predict(GOOD)) == len(GOOD)


def test_a_ca_file_without_a_certificate(tmp_path):
    (tmp_path / "x.pem").write_text("no certificate")
    for url in ("https://localhost/v1/models/m", "grpcs://localhost/m"):
        with pytest.raises(UserError, match="no certificate in it"):
            connection(url, ca_file=str(tmp_path / "x.pem"))


def test_a_missing_ca_file():
    for url in ("https://localhost/v1/models/m", "grpcs://localhost/m"):
        with pytest.raises(UserError, match="cannot read the certificates /absent"):
            connection(url, ca_file="/absent")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    names = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", *names],
            check=True, capture_output=True,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return folder


@pytest.mark.landing
def test_tls_and_a_restart(certificate):
    """One test for both, because starting a server takes seconds."""
    flags = ["--cert", str(certificate / "cert.pem"), "--key", str(certificate / "key.pem")]
    server = start_double(*flags)
    try:
        ports = {"rest_port": parse_url(server.rest).port, "grpc_port": parse_url(server.grpc).port}
        trusting = {"ca_file": str(certificate / "cert.pem")}
        named = [url.replace("127.0.0.1", "localhost") for url in server.urls()]
        clients = [connection(url, **trusting) for url in named]
        for client in clients:
            assert len(client.predict(GOOD)) == 5
        for url in named:
            with pytest.raises(WrongServer, match="--ca-file"):
                connection(url).predict(GOOD)

        for url in server.urls():
            # The certificate is only valid for localhost.
            assert "127.0.0.1" in url
            with pytest.raises(WrongServer, match="certificate for another host"):
                connection(url, **trusting).predict(GOOD)

        server.stop()
        for client in clients:
            with pytest.raises(Unavailable):
                client.predict(GOOD)
        found = {}

        def ask(client):
            found[client] = with_retries(client.predict, 100)(GOOD)

        threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
        for thread in threads:
            thread.start()
        server = start_double(*flags, **ports)
        for thread in threads:
            thread.join()
        assert [len(predictions) for predictions in found.values()] == [5, 5]
    finally:
        server.stop()


@pytest.mark.landing
def test_a_timeout_and_a_server_that_dies(tmp_path):
    """The server is killed while it computes a batch."""
    server = start_double("--slow", "1.5")
    try:
        paths = []
        for index, data in enumerate(GOOD):
            paths.append(tmp_path / str(index))
            paths[-1].write_bytes(data)
        for url in server.urls():
            with pytest.raises(TooSlow, match=r"within 0\.3 s"):
                connection(url, timeout=0.3).predict(GOOD)
        clients = [connection(url) for url in server.urls()]
        found, answered = {}, threading.Semaphore(0)

        def ask(index):
            def predict(images):
                predictions = clients[index].predict(images)
                answered.release()
                return predictions

            found[index] = classify_files(predict, paths, 2)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert answered.acquire(timeout=300)
        server.stop()
        for thread in threads:
            thread.join(300)
        for result in found.values():
            # The first batch was certainly answered, the last one certainly not.
            assert {0, 1} <= set(result.predictions) and 4 in result.errors
            assert "not classified: no server answers" in result.errors[4]
    finally:
        server.stop()
