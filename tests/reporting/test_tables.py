"""The numbers in tables, and text that is escaped in them."""

import math

import pandas
import pytest

from resnet_keras.reporting.groups import group_runs
from resnet_keras.reporting.tables import (
    escape_latex,
    escape_markdown,
    format_difference,
    format_results,
    results_table,
    to_html,
    to_latex,
    to_markdown,
    write_table,
)
from resnet_keras.runs.run import read_run
from tests.made_up_runs import make_run


def table(tmp_path, *specs):
    return results_table(group_runs(read_run(make_run(tmp_path, **spec)) for spec in specs))


def test_the_error_is_that_after_the_last_iteration(tmp_path):
    folder = make_run(tmp_path, "resnet20")
    lines = (folder / "metrics.csv").read_text().splitlines()
    cells = lines[-1].split(",")
    cells[5] = "9.25"
    best = lines[-2].split(",")
    best[5] = "1.0"
    lines[-2:] = [",".join(best), ",".join(cells)]
    (folder / "metrics.csv").write_text("\n".join(lines) + "\n")
    (row,) = results_table(group_runs([read_run(folder)])).to_dict("records")
    assert row["network"] == "resnet20-A"
    assert row["parameters"] == 269_722
    assert row["mean_error"] == 9.25
    assert math.isnan(row["std_error"])
    assert row["n"] == 1
    assert row["ours"] == "9.25 (1)"
    assert row["paper_error"] == 8.75
    assert row["difference"] == 0.5
    assert row["paper_source"] == "Table 6"


def test_mean_and_std_over_seeds(tmp_path):
    (row,) = table(tmp_path, {"seed": 0}, {"seed": 1}, {"seed": 2}).to_dict("records")
    assert row["n"] == 3
    assert row["ours"] == f"{row['mean_error']:.2f} ± {row['std_error']:.2f} (3)"


def test_an_unfinished_run_has_no_error(tmp_path):
    (row,) = table(tmp_path, {"fraction_done": 0.5}).to_dict("records")
    assert math.isnan(row["mean_error"])
    assert row["ours"] == "unfinished: 3,200 of 6,400"
    assert row["unfinished"] == 1


def test_other_data_sets_have_no_paper_error(tmp_path):
    (row,) = table(tmp_path, {"dataset": "digits"}).to_dict("records")
    assert math.isnan(row["paper_error"])
    assert row["paper"] == ""


def test_runs_with_held_out_images_have_no_paper_error(tmp_path):
    (row,) = table(tmp_path, {"validation_size": 5_000}).to_dict("records")
    assert row["paper"] == "" and math.isnan(row["difference"])


def test_a_run_with_a_single_row_has_no_final_training_error(tmp_path):
    specs = {"name": "one row", "eval_every": 64_000}, {"name": "rows", "precision": "float32"}
    found = table(tmp_path, *specs).set_index("precision").train_error
    assert math.isnan(found["mixed_bfloat16"])
    assert found["float32"] > 0


def test_rows_of_the_same_network_have_different_labels(tmp_path):
    names = list(table(tmp_path, {}, {"scale": 1}).network)
    assert names == ["resnet20-A (64,000 steps)", "resnet20-A (6,400 steps)"]


def test_tables_are_written_in_three_formats(tmp_path):
    numbers = table(tmp_path / "runs", {}, {"arch": "plain110", "final_error": 61})
    paths = write_table(numbers, format_results(numbers), tmp_path / "out", "x")
    assert [path.name for path in paths] == ["x.csv", "x.md", "x.tex"]
    again = pandas.read_csv(paths[0])
    assert list(again["network"]) == ["plain110", "resnet20-A"]
    assert again["mean_error"].notna().all()
    assert "\\> 60" in paths[1].read_text()
    assert "mixed\\_bfloat16" in paths[1].read_text()
    latex = paths[2].read_text()
    assert "mixed\\_bfloat16" in latex
    assert "\\textgreater{} 60" in latex


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a|b_c", "a\\|b\\_c"),
        ("<b>$x$</b>", "\\<b\\>\\$x\\$\\</b\\>"),
        ("a\nb", "a b"),
        ("[x](y)*", "\\[x\\](y)\\*"),
    ],
)
def test_escaping_for_markdown(text, expected):
    assert escape_markdown(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("50% & $1_#{}", r"50\% \& \$1\_\#\{\}"),
        ("a\\b~^", r"a\textbackslash{}b\textasciitilde{}\textasciicircum{}"),
        ("8 ± 1", r"8 $\pm$ 1"),
    ],
)
def test_escaping_for_latex(text, expected):
    assert escape_latex(text) == expected


def test_names_are_escaped_in_their_cells(tmp_path):
    formatted = format_results(table(tmp_path, {}))
    formatted.loc[0, "network"] = "<script>|&\\"
    html = to_html(formatted)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    lines = to_markdown(formatted).splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert to_latex(formatted).count(r"\\") == 2


def test_differences_have_a_sign():
    assert format_difference(1.234) == "+1.23"
    assert format_difference(-0.4) == "\N{MINUS SIGN}0.40"
    assert format_difference(math.nan) == "–"
