"""A contest: several contestants do the same work in turns, each in its own process.

The speed of a machine varies: other programs run on it, and processors throttle. Therefore the
contestants take turns, A B C A B C …, and are compared within a round, during which the machine was
about equally fast for all of them. The median over the rounds is reported with the lowest and the
highest value, which show how reliable it is.
"""

import importlib.util
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.worker import Worker, WorkerFailed


@dataclass(frozen=True)
class Spread:
    """The median of values over rounds, and their range.

    Attributes:
        median: the median.
        low: the lowest value.
        high: the highest value.
        rounds: the number of values.
    """

    median: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Returns the spread of values.

        Raises:
            ValueError: if there are no values.
        """
        if not values:
            raise ValueError("the spread of no values is not defined")
        return cls(statistics.median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}–{self.high:.2f})"


@dataclass(frozen=True)
class Contestant:
    """What is measured.

    Attributes:
        name: its name in tables.
        module: a module of `benchmarks.contestants`, without the name of that package.
        arguments: the arguments of its function `make`.
        images: images per step.
        needs: a package that has to be installed.
        labels: additional columns, such as the network and the batch size.
        environment: additional environment variables of its process.
    """

    name: str
    module: str
    arguments: dict[str, Any]
    images: int
    needs: str | None = None
    labels: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class ContestResult:
    """What a contest measured.

    Attributes:
        title: what was measured.
        contestants: all of them, also those that failed.
        speeds: images per second, by name and round.
        turns: one row per turn for the CSV file.
        facts: what was built, by name.
        failures: why a contestant is missing, by name.
    """

    title: str
    contestants: list[Contestant]
    speeds: dict[str, dict[int, float]] = field(default_factory=dict)
    turns: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def speed(self, name: str) -> Spread | None:
        """Returns the images per second of a contestant; `None` if it is missing."""
        values = list(self.speeds.get(name, {}).values())
        return Spread.of(values) if values else None

    def ratio(self, name: str, other: str) -> Spread | None:
        """Returns the speed of one contestant relative to another; `None` if either is missing."""
        return speed_ratio(self.speeds.get(name, {}), self.speeds.get(other, {}))

    def check_same_network(self) -> None:
        """Checks that all contestants trained networks of the same size.

        Raises:
            RuntimeError: if the numbers of parameters differ.
        """
        sizes = {name: facts["parameters"] for name, facts in self.facts.items()}
        if len(set(sizes.values())) > 1:
            raise RuntimeError(f"the contestants do not train the same network: {sizes}")

    def peak_mb(self, name: str) -> float:
        """Returns the peak memory of a contestant's process in MB."""
        return max(turn["peak_mb"] for turn in self.turns if turn["contestant"] == name)


def turns(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Yields `(round, name)`: in each round, all names in the same order. Rounds start at 0."""
    for number in range(rounds):
        for name in names:
            yield number, name


def speed_ratio(ours: dict[int, float], theirs: dict[int, float]) -> Spread | None:
    """Returns how many times as fast `ours` is as `theirs`.

    Args:
        ours: images per second by round.
        theirs: likewise.

    Returns:
        The spread of the ratios over the rounds that both completed; `None` if there are none.
    """
    both = sorted(ours.keys() & theirs.keys())
    return Spread.of([ours[number] / theirs[number] for number in both]) if both else None


def run_contest(
    title: str, contestants: list[Contestant], rounds: int, steps: int | dict[str, int]
) -> ContestResult:
    """Builds all contestants, one after the other, warms them up, and lets them take turns.

    A contestant that cannot be built or dies is reported and left out; the others continue.

    Args:
        title: what is measured.
        contestants: in the order of their turns.
        rounds: the number of turns of each contestant.
        steps: the number of steps per turn, the same for all contestants or by name.
    """
    result = ContestResult(title, contestants)
    workers: dict[str, Worker] = {}

    def attempt(name: str, count: int | None = None) -> dict[str, Any] | None:
        """Builds a contestant, or takes `count` steps; returns `None` if that fails."""
        worker = workers[name]
        try:
            return worker.build() if count is None else worker.run_steps(count)
        except WorkerFailed as failure:
            result.failures[name] = str(failure)
            print(f"  {name}: left out, {failure}")
            workers.pop(name).close()
            return None

    try:
        for contestant in contestants:
            name, package = contestant.name, contestant.needs
            if package and importlib.util.find_spec(package) is None:
                result.failures[name] = f"{package} is not installed"
                print(f"  {name}: skipped, {package} is not installed")
                continue
            workers[name] = Worker(
                f"benchmarks.contestants.{contestant.module}",
                contestant.arguments,
                environment=contestant.environment,
            )
            facts = attempt(name)
            # The first steps are slower: they trace graphs, allocate memory and compile kernels.
            if facts is not None and attempt(name, 2) is not None:
                result.facts[name] = facts
        by_name = {contestant.name: contestant for contestant in contestants}
        for number, name in turns(list(by_name), rounds):
            if name not in workers:
                continue
            count = steps if isinstance(steps, int) else steps[name]
            reply = attempt(name, count)
            if reply is not None:
                _record_turn(result, by_name[name], number, count, reply)
    finally:
        for worker in workers.values():
            worker.close()
    return result


def _record_turn(
    result: ContestResult, contestant: Contestant, number: int, steps: int, reply: dict[str, Any]
) -> None:
    speed = steps * contestant.images / reply["seconds"]
    result.speeds.setdefault(contestant.name, {})[number] = speed
    result.turns.append(
        {
            **contestant.labels,
            "contestant": contestant.name,
            "precision": result.facts[contestant.name].get("precision", ""),
            "round": number,
            "steps": steps,
            "seconds": round(reply["seconds"], 5),
            "images_per_second": round(speed, 1),
            "peak_mb": reply["peak_mb"],
            "resident_mb": reply["resident_mb"],
            "idle_cpu_seconds": round(reply["idle_cpu_seconds"], 3),
        }
    )
