"""The copies of runs that are kept with the results: what was run and what was measured."""

import json
from pathlib import Path

from resnet_keras.errors import UserError
from resnet_keras.reporting.runs import CONFIG, METRICS
from resnet_keras.reporting.tables import write_text


def copy_run(run_path: Path, results_dir: Path) -> Path:
    """Copies a run's `config.json` and `metrics.csv` to `results/runs/<name>/`, whole.

    Raises:
        UserError: if they cannot be read or written.
    """
    target = Path(results_dir) / "runs" / Path(run_path).name
    for name in (CONFIG, METRICS):
        try:
            text = (Path(run_path) / name).read_text(encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot copy {run_path}/{name}: {error.strerror or error}") from error
        if name == CONFIG:
            json.loads(text)
        write_text(target / name, text)
    return target
