"""The command `predict`."""

import json
import os
import subprocess
import sys

import pytest

from resnet_keras.cli import main
from resnet_keras.serving.errors import Refused
from resnet_keras.serving.predictions import Prediction
from tests.serving.double.harness import (
    CLASSES,
    EITHER,
    NAME,
    SCHEMES,
    encoded,
    free_port,
    models_dir,
    photo,
    server_of,
    url_of,
)  # fmt: skip


@pytest.fixture
def images(tmp_path):
    paths = []
    for index in range(3):
        paths.append(str(tmp_path / f"{index}.png"))
        (tmp_path / f"{index}.png").write_bytes(encoded(photo(seed=index)))
    return paths


def predict(*words):
    return main.main(["predict", *map(str, words)])


@EITHER
@SCHEMES
def test_text_and_json(kind, scheme, images, tmp_path, capsys):
    url = url_of(server_of(kind), scheme)
    assert predict(url, *images, "--top", 2, "--batch-size", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[::3] == images and all(" %  " in line for line in lines[1::3] + lines[2::3])
    (tmp_path / "bad").write_bytes(b"hello")
    assert predict(url, *images, tmp_path / "bad", "/absent", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert [image["path"] for image in found["images"]][:3] == images
    assert "is not a JPEG" in found["images"][3]["error"]
    assert "No such file" in found["images"][4]["error"]


def test_local_and_served_predictions_agree(images, capsys):
    predicted = []
    for model in (models_dir() / NAME, models_dir() / NAME / "2", *server_of("double").urls()):
        assert predict(model, *images, "--json") == 0
        predicted.append(json.loads(capsys.readouterr().out)["images"])
    for other in predicted[1:]:
        for local, served in zip(predicted[0], other, strict=True):
            assert [top["class"] for top in local["top"]] == [top["class"] for top in served["top"]]
            assert local["top"][0]["class"] in CLASSES
            assert local["top"][0]["probability"] == pytest.approx(
                served["top"][0]["probability"], abs=1e-5
            )


def test_a_damaged_file_does_not_affect_the_others(images, tmp_path, capsys):
    (tmp_path / "bad").write_bytes(b"hello")
    assert predict(models_dir() / NAME, images[0], tmp_path / "bad", images[1]) == 1
    out, err = capsys.readouterr()
    assert out.count(".png") == 2
    assert f"{tmp_path / 'bad'}: the image is not a JPEG" in err and "1 of 3 images" in err


@pytest.mark.parametrize(
    "flags", [["--top", "0"], ["--top", "6"], ["--batch-size", "0"], ["--timeout", "0"],
              ["--timeout", "nan"], ["--retries", "-1"]],
)  # fmt: skip
def test_wrong_values(flags, capsys):
    assert predict("grpc://127.0.0.1:1/m", "x.png", *flags) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_errors_are_one_line(images, tmp_path, capsys):
    dead = f"grpc://127.0.0.1:{free_port()}/m"
    for words, message in (
        ((dead, *images, "--retries", "0"), "no server answers"),
        (("http://x/y", *images), "the URL of a model must be"),
        ((tmp_path / "absent", *images), "does not exist"),
        ((tmp_path, *images), "is not a SavedModel"),
        ((server_of("double").rest + "x", *images), f"serves no model {NAME}x"),
    ):
        assert predict(*words) in (1, 2)
        err = capsys.readouterr().err
        assert message in err and err.count("\n") == 1


def test_predictions_of_a_server_do_not_import_tensorflow(images):
    code = (
        "import sys\nfrom resnet_keras.cli import main\n"
        "for url in sys.argv[1:3]: assert main.main(['predict', url, *sys.argv[3:]]) == 0\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", code, *server_of("double").urls(), *images]
    subprocess.run(command, check=True, timeout=120, stdout=subprocess.DEVNULL)


class Connection:
    """Predicts without a server; rejects images that begin with `x`, in an unprintable message."""

    def predict(self, images):
        if any(image.startswith(b"x") for image in images):
            raise Refused("half a character: \ud800")
        return [Prediction((("cat", 0.75),)) for _ in images]

    def close(self):
        pass


def test_file_names_that_are_not_utf_8(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("resnet_keras.cli.predict.connect", lambda *_: Connection())
    not_utf_8 = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")
    paths = [
        not_utf_8,
        str(tmp_path / "b.jpg"),
        str(tmp_path / "caf\u00e9.jpg"),
        str(tmp_path / "x"),
    ]
    for path, data in zip(paths, (b"1", b"2", b"3", b"x"), strict=True):
        with open(path, "wb") as file:
            file.write(data)
    printed = [str(tmp_path / "caf\\udce9.jpg"), *paths[1:]]
    assert predict("grpc://127.0.0.1:1/m", *paths[:3]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [line for path in printed[:3] for line in (path, "   75.00 %  cat")]
    assert predict("grpc://127.0.0.1:1/m", *paths, "--json") == 1
    found = json.loads(capsys.readouterr().out)["images"]
    assert [image["path"] for image in found] == printed
    assert [image.get("top") for image in found[:3]] == [
        [{"class": "cat", "probability": 0.75}]
    ] * 3
    assert found[3]["error"] == "half a character: \\ud800"
