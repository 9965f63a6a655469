"""A contest: several contestants that do the same work, each in its own process, in turns."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.alternation import Spread, speed_ratio, spread, turns
from benchmarks.process import Worker, WorkerFailed


@dataclass(frozen=True)
class Contestant:
    """Someone to be measured.

    Attributes:
        name: what tables call it.
        module: of `benchmarks.contestants`, without the package.
        arguments: of its `make`.
        images: images a step.
        needs: a package that has to be installed.
        labels: more columns, such as network and batch size.
        environment: variables of its process.
    """

    name: str
    module: str
    arguments: dict
    images: int
    needs: str | None = None
    labels: dict = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


@dataclass
class Outcome:
    """What a contest gave.

    Attributes:
        title: what it was about.
        contestants: all who were entered.
        speeds: images a second, by name and round.
        turns: a dict a turn, for the csv file.
        facts: by name, what was built.
        failures: by name, why one is missing.
    """

    title: str
    contestants: list[Contestant]
    speeds: dict[str, dict[int, float]] = field(default_factory=dict)
    turns: list[dict] = field(default_factory=list)
    facts: dict[str, dict] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def speed(self, name: str) -> Spread | None:
        """Returns a contestant's images a second; `None` if it is missing."""
        values = list(self.speeds.get(name, {}).values())
        return spread(values) if values else None

    def ratio(self, name: str, other: str) -> Spread | None:
        """Returns how many times as fast as `other` it is; `None` if either is missing."""
        return speed_ratio(self.speeds.get(name, {}), self.speeds.get(other, {}))

    def check_same_network(self) -> None:
        """Makes sure that all trained the same network.

        Raises:
            RuntimeError: if their numbers of parameters differ.
        """
        sizes = {name: facts["parameters"] for name, facts in self.facts.items()}
        if len(set(sizes.values())) > 1:
            raise RuntimeError(f"the contestants do not train the same network: {sizes}")

    def peak_mb(self, name: str) -> float:
        """Returns the most memory a contestant's process ever had."""
        return max(turn["peak_mb"] for turn in self.turns if turn["contestant"] == name)


def hold(
    title: str,
    contestants: list[Contestant],
    rounds: int,
    steps: int | dict[str, int],
    say: Callable[[str], None] = print,
) -> Outcome:
    """Builds all contestants, one after the other, warms them up, and lets them take turns.

    One that cannot be built, or dies, is reported and left out; the others go on.

    Args:
        title: what it is about.
        contestants: who takes part, in the order of their turns.
        rounds: turns of each.
        steps: steps a turn, for all or by name.
        say: takes a line for people.
    """
    outcome = Outcome(title, contestants)
    workers: dict[str, Worker] = {}

    def attempt(contestant, act):
        try:
            return act(workers[contestant.name])
        except WorkerFailed as failure:
            outcome.failures[contestant.name] = str(failure)
            say(f"  {contestant.name}: left out, {failure}")
            workers.pop(contestant.name).close()
            return None

    try:
        for one in contestants:
            if one.needs and importlib.util.find_spec(one.needs) is None:
                outcome.failures[one.name] = f"{one.needs} is not installed"
                say(f"  {one.name}: skipped, {one.needs} is not installed")
                continue
            workers[one.name] = Worker(
                f"benchmarks.contestants.{one.module}", one.arguments, environment=one.environment
            )
            facts = attempt(one, lambda worker: worker.build())
            # The first steps are slower: graphs are traced, memory is taken, kernels are made.
            if facts is not None and attempt(one, lambda worker: worker.steps(2)) is not None:
                outcome.facts[one.name] = facts
        by_name = {one.name: one for one in contestants}
        for number, name in turns([one.name for one in contestants], rounds):
            if name in workers:
                count = steps if isinstance(steps, int) else steps[name]
                answer = attempt(by_name[name], lambda worker, n=count: worker.steps(n))
                if answer is not None:
                    _note(outcome, by_name[name], number, count, answer)
    finally:
        for worker in workers.values():
            worker.close()
    return outcome


def _note(outcome, contestant, number, steps, answer):
    speed = steps * contestant.images / answer["seconds"]
    outcome.speeds.setdefault(contestant.name, {})[number] = speed
    outcome.turns.append(
        {
            **contestant.labels,
            "contestant": contestant.name,
            "precision": outcome.facts[contestant.name].get("precision", ""),
            "round": number,
            "steps": steps,
            "seconds": round(answer["seconds"], 5),
            "images_per_second": round(speed, 1),
            "peak_mb": answer["peak_mb"],
            "resident_mb": answer["resident_mb"],
            "idle_cpu_seconds": round(answer["idle_cpu_seconds"], 3),
        }
    )
