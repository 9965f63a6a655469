"""The results of a benchmark: a table, ratios next to their goals, and CSV files."""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contest import Contestant, ContestResult, Spread

SPREAD_COLUMNS = ("median", "low", "high", "rounds")


@dataclass(frozen=True)
class Comparison:
    """A ratio of speeds to report.

    Attributes:
        candidates: names of contestants. The first of them that was measured is compared.
        baseline: the contestant that it is compared with.
        goal: the ratio to reach; `None` if the ratio is only reported.
    """

    candidates: tuple[str, ...]
    baseline: str
    goal: float | None = None


@dataclass
class Report:
    """The results of a benchmark.

    Attributes:
        name: the name of the benchmark and of its files.
        turns: the rows of `<name>.csv`, one per turn.
        summary: the rows of `<name>_summary.csv`, one per contestant.
        ratios: the rows of `<name>_ratios.csv`, one per comparison.
    """

    name: str
    turns: list[dict[str, Any]] = field(default_factory=list)
    summary: list[dict[str, Any]] = field(default_factory=list)
    ratios: list[dict[str, Any]] = field(default_factory=list)

    def add(self, result: ContestResult, comparisons: list[Comparison]) -> None:
        """Adds the result of a contest, and prints it."""
        self.turns += result.turns
        print(f"\n{result.title}")
        for contestant in result.contestants:
            row = _summary_row(result, contestant)
            self.summary.append(row)
            print("  " + _summary_line(row))
        compared = set()
        for comparison in comparisons:
            pair = _candidate(result, comparison), comparison.baseline
            # A comparison without a goal is left out if the same pair has been reported already.
            if comparison.goal is not None or pair not in compared:
                compared.add(pair)
                self._add_ratio(result, comparison)

    def write(self, folder: Path, machine: dict[str, Any]) -> list[Path]:
        """Writes the CSV files and `<name>_machine.json`.

        Every row of the summary and of the ratios repeats the processor, so that it can be copied
        elsewhere without losing what it was measured on.

        Args:
            folder: created if necessary.
            machine: from `machine.describe`.

        Returns:
            The paths of the files.
        """
        folder.mkdir(parents=True, exist_ok=True)
        processor = {name: machine[name] for name in ("cpu", "cores", "bfloat16_hardware")}
        written = []
        for suffix, rows in (
            ("", self.turns),
            ("_summary", [{**row, **processor} for row in self.summary]),
            ("_ratios", [{**row, **processor} for row in self.ratios]),
        ):
            if rows:
                path = folder / f"{self.name}{suffix}.csv"
                write_csv(path, rows)
                written.append(path)
        path = folder / f"{self.name}_machine.json"
        path.write_text(json.dumps(machine, indent=1) + "\n", encoding="utf-8")
        return [*written, path]

    def _add_ratio(self, result: ContestResult, comparison: Comparison) -> None:
        name = _candidate(result, comparison)
        ratio = result.ratio(name, comparison.baseline) if name else None
        if ratio is None:
            print(f"  no ratio to {comparison.baseline}: it or its counterpart was not measured")
            return
        verdict = ""
        if comparison.goal is not None:
            reached = "reached" if ratio.median >= comparison.goal else "missed"
            verdict = f"   goal ≥ {comparison.goal}: {reached}"
        print(f"  {name} / {comparison.baseline}: {ratio}{verdict}")
        self.ratios.append(
            {
                "contest": result.title,
                "contestant": name,
                "other": comparison.baseline,
                **_spread_columns("ratio_", ratio, 3),
                "goal": "" if comparison.goal is None else comparison.goal,
            }
        )


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """Writes rows, whose keys are the columns, to a CSV file."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _candidate(result: ContestResult, comparison: Comparison) -> str | None:
    """Returns the first of the candidates that was measured."""
    return next((name for name in comparison.candidates if result.speed(name)), None)


def _summary_row(result: ContestResult, contestant: Contestant) -> dict[str, Any]:
    name = contestant.name
    speed = result.speed(name)
    facts = result.facts.get(name, {})
    row = {**contestant.labels, "contestant": name, "precision": facts.get("precision", "")}
    row["parameters"] = facts.get("parameters", "")
    row |= {f"images_per_second_{column}": "" for column in SPREAD_COLUMNS}
    if speed:
        row |= _spread_columns("images_per_second_", speed, 1)
    row["peak_mb"] = result.peak_mb(name) if speed else ""
    row["note"] = result.failures.get(name, "")
    return row


def _spread_columns(prefix: str, spread: Spread, digits: int) -> dict[str, float]:
    return {
        f"{prefix}median": round(spread.median, digits),
        f"{prefix}low": round(spread.low, digits),
        f"{prefix}high": round(spread.high, digits),
        f"{prefix}rounds": spread.rounds,
    }


def _summary_line(row: dict[str, Any]) -> str:
    if row["note"]:
        return f"{row['contestant']:<34} –  {row['note']}"
    low, high = row["images_per_second_low"], row["images_per_second_high"]
    return (
        f"{row['contestant']:<34}{row['images_per_second_median']:>10,.0f} images/s "
        f"({low:,.0f}–{high:,.0f})   {row['peak_mb']:,.0f} MB"
    )
