"""Reading `metrics.csv`, whole, growing or broken."""

import numpy
import pytest

from resnet_keras.errors import UserError
from resnet_keras.runs.metrics import COLUMNS, read_metrics

HEADER = ",".join(COLUMNS) + "\n"
ROWS = "100,0.1,2.1,80.5,,75.25,12.5,1024\n200,0.1,1.5,60,,,25,1024\n"


def write(tmp_path, content):
    path = tmp_path / "metrics.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_reads_numbers_and_leaves_gaps_empty(tmp_path):
    table = read_metrics(write(tmp_path, HEADER + ROWS))
    assert list(table.columns) == list(COLUMNS)
    assert table["step"].tolist() == [100, 200] and table["step"].dtype == "int64"
    assert table["train_error"].tolist() == [80.5, 60.0]
    assert table["test_error"][0] == 75.25 and numpy.isnan(table["test_error"][1])
    assert table["validation_error"].isna().all()


@pytest.mark.parametrize("tail", ["300,0.1,1.2", "300,0.1,1.2,50.1,,48,37,10", "3", "\0\0\0"])
def test_a_line_cut_short_is_left_out(tmp_path, tail):
    table = read_metrics(write(tmp_path, HEADER + ROWS + tail))
    assert table["step"].tolist() == [100, 200]


def test_nul_bytes_of_a_crash_are_left_out(tmp_path):
    assert len(read_metrics(write(tmp_path, HEADER + ROWS + "\0\0\0\n"))) == 2


def test_windows_line_ends_and_a_byte_order_mark(tmp_path):
    text = "\ufeff" + (HEADER + ROWS).replace("\n", "\r\n")
    assert read_metrics(write(tmp_path, text))["step"].tolist() == [100, 200]


def test_a_resumed_runs_last_word_counts(tmp_path):
    again = "100,0.1,2.0,79,,74,12,1000\n"
    table = read_metrics(write(tmp_path, HEADER + ROWS + again))
    assert table["step"].tolist() == [100, 200]
    assert table["train_error"].tolist() == [79.0, 60.0]


def test_further_columns_are_kept(tmp_path):
    text = HEADER.strip() + ",loss_scale\n100,0.1,2.1,80.5,,75,12.5,1024,8\n"
    assert read_metrics(write(tmp_path, text))["loss_scale"].tolist() == [8.0]


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "is empty"),
        ("step,lear", "is empty"),
        (HEADER, "no measurement yet"),
        (HEADER + "100,0.1", "no measurement yet"),
        ("network,split\nresnet20,test\n", "lacks the columns step"),
        (HEADER + "100,0.1\n" + ROWS, "line 2 .* has 2 fields"),
        (HEADER + ROWS.replace("60", "sixty"), "other than numbers"),
        (HEADER + ",0.1,1,1,1,1,1,1\n", "no step"),
        (HEADER + "inf,0.1,1,1,1,1,1,1\n", "no step"),
        (HEADER + "1,0.1,1,1,1,1,,1\n", "no seconds"),
        (b"\x80\x81\xff\n", "lacks the columns"),
    ],
)
def test_what_is_wrong_is_told_with_the_path(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=message) as caught:
        read_metrics(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_or_a_folder_is_told(tmp_path):
    with pytest.raises(UserError, match=r"no file .*nowhere\.csv\. Name the metrics\.csv"):
        read_metrics(tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="cannot read"):
        read_metrics(tmp_path)
