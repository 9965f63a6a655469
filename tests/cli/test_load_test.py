"""The command `load-test`."""

import json

import pytest

from resnet_keras.cli import main
from tests.serving.double.harness import SIZE, encoded, free_port, photo, server_of


def load(*words):
    return main.main(["load-test", *map(str, words)])


@pytest.mark.landing
def test_a_synthetic_image_a_file_and_raw_images(tmp_path, capsys):
    rest, rpc = server_of("double").urls()
    (tmp_path / "a.png").write_bytes(encoded(photo()))
    size = "x".join(map(str, SIZE))
    for words in (
        (rest,),
        (rpc, "--image", tmp_path / "a.png"),
        (rpc, "--raw", size),
        (rest, "--raw", size),
    ):
        assert load(*words, "--duration", 0.3, "--concurrency", 2, "--batch-size", 3, "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert found["requests"] > 0 and found["errors"] == {} and found["batch_size"] == 3
        assert found["p50_ms"] <= found["p99_ms"]
    assert load(rpc, "--duration", 0.3) == 0
    out = capsys.readouterr().out
    assert all(word in out for word in ("p50", "p95", "p99", "images/s", "errors 0"))


def test_other_machines_need_allow_remote(capsys):
    assert load("grpc://192.0.2.1:8500/m") == 2
    assert "--allow-remote" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags", [["--raw", "32"], ["--raw", "0x3"], ["--concurrency", "0"], ["--duration", "-1"],
              ["--batch-size", "0"], ["--raw", "9999x9999"], ["--image", "/absent"]],
)  # fmt: skip
def test_wrong_values(flags, capsys):
    assert load("grpc://127.0.0.1:1/m", *flags) in (1, 2)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_wrong_image_size_and_no_server(capsys):
    assert load(server_of("double").grpc, "--raw", "5x7") == 1
    assert "images has the shape 1x5x7x3" in capsys.readouterr().err
    assert load(f"grpc://127.0.0.1:{free_port()}/m") == 1
    assert "no server answers" in capsys.readouterr().err
