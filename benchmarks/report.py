"""What a benchmark says at its end: a table, ratios beside the goals, csv files."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.alternation import Spread
from benchmarks.contest import Outcome

SPREAD_COLUMNS = ("median", "low", "high", "rounds")


@dataclass(frozen=True)
class Goal:
    """A ratio of speeds to be reached.

    Attributes:
        ours: a contestant, or several of which the first that took part counts.
        other: whom it is compared with.
        at_least: the ratio; `None` where the ratio is only told.
    """

    ours: tuple[str, ...]
    other: str
    at_least: float | None = None


@dataclass
class Report:
    """What came out of a benchmark.

    Attributes:
        name: of the benchmark, and of its files.
        turns: rows of `<name>.csv`: every turn of every contestant.
        summary: rows of `<name>_summary.csv`: every contestant's median.
        ratios: rows of `<name>_ratios.csv`.
    """

    name: str
    turns: list[dict] = field(default_factory=list)
    summary: list[dict] = field(default_factory=list)
    ratios: list[dict] = field(default_factory=list)

    def add(self, outcome: Outcome, goals: list[Goal], say: Callable[[str], None] = print) -> None:
        """Takes a contest in, and prints it."""
        self.turns += outcome.turns
        say(f"\n{outcome.title}")
        for one in outcome.contestants:
            row = self._summarize(outcome, one)
            self.summary.append(row)
            say("  " + _told(row))
        told = set()
        for goal in goals:
            pair = self._pair(outcome, goal)
            # What has a goal is also listed among those that are told anyway.
            if goal.at_least is not None or pair not in told:
                told.add(pair)
                self._compare(outcome, goal, say)

    def write(self, folder: Path, machine: dict) -> list[Path]:
        """Writes the csv files, and `<name>_machine.json` beside them; returns their paths.

        Every summary and ratio repeats the processor, so that a row taken elsewhere still says
        what it was measured on.
        """
        folder.mkdir(parents=True, exist_ok=True)
        short = {name: machine[name] for name in ("cpu", "cores", "bfloat16_hardware")}
        written = []
        for suffix, rows in (
            ("", self.turns),
            ("_summary", [{**row, **short} for row in self.summary]),
            ("_ratios", [{**row, **short} for row in self.ratios]),
        ):
            if rows:
                path = folder / f"{self.name}{suffix}.csv"
                _write_csv(path, rows)
                written.append(path)
        path = folder / f"{self.name}_machine.json"
        path.write_text(json.dumps(machine, indent=1) + "\n", encoding="utf-8")
        return [*written, path]

    def _summarize(self, outcome, one):
        speed = outcome.speed(one.name)
        facts = outcome.facts.get(one.name, {})
        row = {**one.labels, "contestant": one.name, "precision": facts.get("precision", "")}
        row["parameters"] = facts.get("parameters", "")
        row |= {f"images_per_second_{key}": "" for key in SPREAD_COLUMNS}
        if speed:
            row |= _columns("images_per_second_", speed, 1)
        row["peak_mb"] = outcome.peak_mb(one.name) if speed else ""
        row["note"] = outcome.failures.get(one.name, "")
        return row

    @staticmethod
    def _pair(outcome, goal):
        """Who is compared: the first of ours that ran, and the other."""
        return next((name for name in goal.ours if outcome.speed(name)), None), goal.other

    def _compare(self, outcome, goal, say):
        name, _ = self._pair(outcome, goal)
        ratio = outcome.ratio(name, goal.other) if name else None
        if ratio is None:
            say(f"  no ratio to {goal.other}: it or this program's side is missing")
            return
        verdict = ""
        if goal.at_least is not None:
            reached = "reached" if ratio.median >= goal.at_least else "missed"
            verdict = f"   goal ≥ {goal.at_least}: {reached}"
        say(f"  {name} / {goal.other}: {ratio}{verdict}")
        self.ratios.append(
            {
                "contest": outcome.title,
                "contestant": name,
                "other": goal.other,
                **_columns("ratio_", ratio, 3),
                "goal": "" if goal.at_least is None else goal.at_least,
            }
        )


def _columns(prefix, values: Spread, digits):
    return {
        f"{prefix}median": round(values.median, digits),
        f"{prefix}low": round(values.low, digits),
        f"{prefix}high": round(values.high, digits),
        f"{prefix}rounds": values.rounds,
    }


def _told(row):
    if row["note"]:
        return f"{row['contestant']:<34} –  {row['note']}"
    low, high = row["images_per_second_low"], row["images_per_second_high"]
    return (
        f"{row['contestant']:<34}{row['images_per_second_median']:>10,.0f} images/s "
        f"({low:,.0f}–{high:,.0f})   {row['peak_mb']:,.0f} MB"
    )


def _write_csv(path, rows):
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
