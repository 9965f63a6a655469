"""The contestants, which the workers run.

Each module has `make(**arguments)`, which builds a contestant and returns `(run_steps, facts)`.
`run_steps(n)` takes n steps and returns the seconds that they took. `facts` is a JSON object about
what was built, such as its `parameters` and `precision`.
"""

from collections.abc import Callable
from typing import Any

Built = tuple[Callable[[int], float], dict[str, Any]]
