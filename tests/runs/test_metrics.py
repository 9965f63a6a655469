"""`metrics.csv`: rows in, rows out, and cut back to a checkpoint."""

import csv

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_keras.errors import UserError
from resnet_keras.runs.metrics import COLUMNS, Row, append, cut_back

HEADER = "step,learning_rate,loss,train_error,validation_error,test_error,seconds,images_per_second"


def row(step, **changes):
    values = {
        "learning_rate": 0.1, "loss": 1.25, "train_error": 50.0, "validation_error": None,
        "test_error": 60.5, "seconds": 12.34, "images_per_second": 1000.06,
    }  # fmt: skip
    return Row(step, **{**values, **changes})


def test_header_and_rows(tmp_path):
    path = tmp_path / "metrics.csv"
    append(path, row(500))
    append(path, row(1000, test_error=None, validation_error=7.5, learning_rate=0.1 * 0.1))
    assert path.read_text().splitlines() == [
        HEADER,
        "500,0.1,1.25,50,,60.5,12.3,1000.1",
        "1000,0.01,1.25,50,7.5,,12.3,1000.1",
    ]
    assert ",".join(COLUMNS) == HEADER


NUMBER = st.floats(0, 1e6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.lists(
        st.builds(
            Row, step=st.integers(0, 10**9), learning_rate=NUMBER, loss=NUMBER, train_error=NUMBER,
            validation_error=st.none() | NUMBER, test_error=st.none() | NUMBER, seconds=NUMBER,
            images_per_second=NUMBER,
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_pandas_reads_what_was_written(tmp_path, rows):
    path = tmp_path / "metrics.csv"
    path.unlink(missing_ok=True)
    for one in rows:
        append(path, one)
    table = pandas.read_csv(path)
    assert list(table.columns) == list(COLUMNS)
    assert table["step"].tolist() == [one.step for one in rows]
    for name in COLUMNS[1:]:
        rounded = 0.06 if name in ("seconds", "images_per_second") else 0
        for read, one in zip(table[name], rows, strict=True):
            value = getattr(one, name)
            if value is None:
                assert pandas.isna(read)
            else:
                assert read == pytest.approx(value, rel=1e-8, abs=rounded or 1e-12)


@pytest.mark.parametrize(
    "step, left", [(0, []), (99, []), (100, [100]), (250, [100, 200]), (300, [100, 200, 300]),
                   (10**9, [100, 200, 300])],
)  # fmt: skip
def test_cut_back(tmp_path, step, left):
    path = tmp_path / "metrics.csv"
    for number in (100, 200, 300):
        append(path, row(number))
    before = path.read_text().splitlines()
    assert cut_back(path, step) == (left[-1] if left else None)
    assert path.read_text().splitlines() == before[: 1 + len(left)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.csv"]
    append(path, row(999))
    with open(path, newline="") as file:
        assert [int(line["step"]) for line in csv.DictReader(file)] == [*left, 999]


def test_every_cut_off_end_is_mended(tmp_path):
    # As a crash may leave the file: broken off after any number of bytes.
    whole = tmp_path / "whole.csv"
    for number in (100, 200):
        append(whole, row(number))
    data = whole.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    path = tmp_path / "metrics.csv"
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        kept = sum(end <= length for end in ends[1:])
        assert cut_back(path, 10**9) == ([None, 100, 200][kept])
        assert path.read_bytes() == data[: ends[kept]]


def test_cut_back_without_a_file(tmp_path):
    assert cut_back(tmp_path / "metrics.csv", 5) is None
    assert not list(tmp_path.iterdir())


def test_unwritable(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*metrics\.csv"):
        append(tmp_path / "none" / "metrics.csv", row(1))


@pytest.mark.parametrize("text", ["no number,0.1\n", "\n", ",,,\n", "1.5,0.1\n", "\xff\n"])
def test_an_altered_file_is_one_line(tmp_path, text):
    path = tmp_path / "metrics.csv"
    append(path, row(100))
    with open(path, "ab") as file:
        file.write(text.encode("latin-1"))
    before = path.read_bytes()
    try:
        assert cut_back(path, 10**9) == 100
    except UserError as error:
        assert "metrics.csv" in str(error) and path.read_bytes() == before
