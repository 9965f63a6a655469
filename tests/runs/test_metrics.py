"""`metrics.csv`: appending, truncating and reading rows, also of incomplete or damaged files."""

import csv

import numpy
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resnet_keras.errors import UserError
from resnet_keras.runs.metrics import COLUMNS, Row, append_row, read_rows, read_table, truncate

HEADER = (
    "step,learning_rate,loss,train_error,validation_error,test_error,seconds,images_per_second\n"
)
ROWS = "100,0.1,2.1,80.5,,75.25,12.5,1024\n200,0.1,1.5,60,,,25,1024\n"


def make_row(step, **changes):
    values = {
        "learning_rate": 0.1, "loss": 1.25, "train_error": 50.0, "validation_error": None,
        "test_error": 60.5, "seconds": 12.34, "images_per_second": 1000.06,
    }  # fmt: skip
    return Row(step, **{**values, **changes})


def write(tmp_path, content):
    path = tmp_path / "metrics.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# Appending.


def test_the_header_and_the_rows_are_written(tmp_path):
    path = tmp_path / "metrics.csv"
    append_row(path, make_row(500))
    append_row(path, make_row(1000, test_error=None, validation_error=7.5, learning_rate=0.1 * 0.1))
    assert path.read_text().splitlines() == [
        HEADER.strip(),
        "500,0.1,1.25,50,,60.5,12.3,1000.1",
        "1000,0.01,1.25,50,7.5,,12.3,1000.1",
    ]
    assert ",".join(COLUMNS) == HEADER.strip()


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
def test_what_was_written_can_be_read(tmp_path, rows):
    path = tmp_path / "metrics.csv"
    path.unlink(missing_ok=True)
    for row in rows:
        append_row(path, row)
    table = pandas.read_csv(path)
    assert list(table.columns) == list(COLUMNS)
    assert table["step"].tolist() == [row.step for row in rows]
    for name in COLUMNS[1:]:
        rounded = 0.06 if name in ("seconds", "images_per_second") else 0
        read = [getattr(row, name) for row in read_rows(path)]
        for from_pandas, from_rows, row in zip(table[name], read, rows, strict=True):
            value = getattr(row, name)
            if value is None:
                assert pandas.isna(from_pandas) and from_rows is None
            else:
                expected = pytest.approx(value, rel=1e-8, abs=rounded or 1e-12)
                assert from_pandas == expected and from_rows == expected


def test_a_file_that_cannot_be_written_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*metrics\.csv"):
        append_row(tmp_path / "none" / "metrics.csv", make_row(1))


# Truncating.


@pytest.mark.parametrize(
    "step, remaining", [(0, []), (99, []), (100, [100]), (250, [100, 200]),
                        (300, [100, 200, 300]), (10**9, [100, 200, 300])],
)  # fmt: skip
def test_truncating_removes_later_rows(tmp_path, step, remaining):
    path = tmp_path / "metrics.csv"
    for number in (100, 200, 300):
        append_row(path, make_row(number))
    before = path.read_text().splitlines()
    assert truncate(path, step) == (remaining[-1] if remaining else None)
    assert path.read_text().splitlines() == before[: 1 + len(remaining)]
    assert [entry.name for entry in tmp_path.iterdir()] == ["metrics.csv"]
    append_row(path, make_row(999))
    with open(path, newline="") as file:
        assert [int(line["step"]) for line in csv.DictReader(file)] == [*remaining, 999]


def test_truncating_removes_an_incomplete_last_line(tmp_path):
    # A crash can leave the file with any number of bytes.
    complete = tmp_path / "complete.csv"
    for number in (100, 200):
        append_row(complete, make_row(number))
    data = complete.read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    path = tmp_path / "metrics.csv"
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        remaining = sum(end <= length for end in ends[1:])
        assert truncate(path, 10**9) == ([None, 100, 200][remaining])
        assert path.read_bytes() == data[: ends[remaining]]


def test_truncating_without_a_file_does_nothing(tmp_path):
    assert truncate(tmp_path / "metrics.csv", 5) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["no number,0.1\n", "\n", ",,,\n", "1.5,0.1\n", "\xff\n"])
def test_truncating_a_damaged_file_is_a_user_error_and_leaves_it_unchanged(tmp_path, text):
    path = tmp_path / "metrics.csv"
    append_row(path, make_row(100))
    with open(path, "ab") as file:
        file.write(text.encode("latin-1"))
    before = path.read_bytes()
    try:
        assert truncate(path, 10**9) == 100
    except UserError as error:
        assert "metrics.csv" in str(error) and path.read_bytes() == before


# Reading.


def test_a_table_has_numbers_and_nan_where_nothing_was_measured(tmp_path):
    table = read_table(write(tmp_path, HEADER + ROWS))
    assert list(table.columns) == list(COLUMNS)
    assert table["step"].tolist() == [100, 200] and table["step"].dtype == "int64"
    assert table["train_error"].tolist() == [80.5, 60.0]
    assert table["test_error"][0] == 75.25 and numpy.isnan(table["test_error"][1])
    assert table["validation_error"].isna().all()


@pytest.mark.parametrize("tail", ["300,0.1,1.2", "300,0.1,1.2,50.1,,48,37,10", "3", "\0\0\0"])
def test_an_incomplete_last_line_is_ignored(tmp_path, tail):
    table = read_table(write(tmp_path, HEADER + ROWS + tail))
    assert table["step"].tolist() == [100, 200]


def test_nul_bytes_after_a_crash_are_ignored(tmp_path):
    assert len(read_table(write(tmp_path, HEADER + ROWS + "\0\0\0\n"))) == 2


def test_windows_line_ends_and_a_byte_order_mark(tmp_path):
    text = "\ufeff" + (HEADER + ROWS).replace("\n", "\r\n")
    assert read_table(write(tmp_path, text))["step"].tolist() == [100, 200]


def test_the_last_of_several_rows_for_a_step_counts(tmp_path):
    again = "100,0.1,2.0,79,,74,12,1000\n"
    table = read_table(write(tmp_path, HEADER + ROWS + again))
    assert table["step"].tolist() == [100, 200]
    assert table["train_error"].tolist() == [79.0, 60.0]


def test_additional_columns_are_read(tmp_path):
    text = HEADER.strip() + ",loss_scale\n100,0.1,2.1,80.5,,75,12.5,1024,8\n"
    assert read_table(write(tmp_path, text))["loss_scale"].tolist() == [8.0]


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "is empty"),
        ("step,lear", "is empty"),
        (HEADER, "no row yet"),
        (HEADER + "100,0.1", "no row yet"),
        ("network,split\nresnet20,test\n", "lacks the columns step"),
        (HEADER + "100,0.1\n" + ROWS, "line 2 .* has 2 cells"),
        (HEADER + ROWS.replace("60", "sixty"), "not a number"),
        (HEADER + ",0.1,1,1,1,1,1,1\n", "no step"),
        (HEADER + "inf,0.1,1,1,1,1,1,1\n", "no step"),
        (HEADER + "1,0.1,1,1,1,1,,1\n", "no seconds"),
        (b"\x80\x81\xff\n", "lacks the columns"),
    ],
)
def test_the_error_for_a_damaged_file_names_it(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_or_a_folder_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.csv does not exist\. Name the metrics\.csv"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="cannot read"):
        read_table(tmp_path)
