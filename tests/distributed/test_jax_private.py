"""The private functions of JAX that this program uses still work as expected.

If one of these tests fails after an upgrade of JAX, its message says where to look.
"""

import dataclasses
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_keras.distributed import jax_private
from resnet_keras.distributed.jax_coordinator import CoordinatorProcess
from resnet_keras.processes import child_environment
from tests.distributed.local_processes import free_address

jax = pytest.importorskip("jax")

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.search(r"^jax==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)[1]
HINT = (
    f"resnet_keras/distributed/jax_private.py was written for JAX {PINNED} (requirements.txt), "
    f"installed is JAX {jax.__version__}. Compare the two versions of "
)
DETECTION = f"{HINT}jax/_src/clusters/cluster.py, and adapt `detect_cluster`"
SERVICE = (
    f"{HINT}jax/_src/distributed.py (State.initialize and its call of "
    "get_distributed_runtime_service), and adapt `replace_coordination_service`"
)

# Calls `jax.distributed.initialize` as process 0, and prints what it passes to the service.
INITIALIZE = """
import json
import jax
from resnet_keras.distributed.jax_private import replace_coordination_service

class Stop(Exception):
    pass

def start(*args, **settings):
    print(json.dumps([args, settings]))
    raise Stop

jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.config.update("jax_enable_preemption_service", False)
jax.config.update("jax_enable_recoverability", True)
with replace_coordination_service(start):
    try:
        jax.distributed.initialize(
            "127.0.0.1:5701", 2, 0, local_device_ids=None, cluster_detection_method="deactivate"
        )
    except Stop:
        pass
"""


def test_only_one_module_uses_private_functions_of_jax():
    using = [
        path.name
        for path in (ROOT / "resnet_keras").rglob("*.py")
        if re.search(r"^\s*(from|import) jax\._src", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert using == ["jax_private.py"]


def test_cluster_detection_takes_the_expected_arguments():
    try:
        from jax._src.clusters import ClusterEnv

        parameters = inspect.signature(ClusterEnv.auto_detect_unset_distributed_params).parameters
    except (ImportError, AttributeError) as error:
        pytest.fail(f"{error}. {DETECTION}")
    assert set(parameters) == {
        "coordinator_address",
        "num_processes",
        "process_id",
        "local_device_ids",
        "cluster_detection_method",
        "initialization_timeout",
    }, DETECTION


def test_cluster_detection_finds_a_slurm_job(monkeypatch):
    for name, value in {
        "SLURM_JOB_ID": "4242",
        "SLURM_STEP_NODELIST": "node[007-010]",
        "SLURM_NTASKS": "4",
        "SLURM_PROCID": "3",
        "SLURM_LOCALID": "1",
        "SLURM_STEP_NUM_NODES": "2",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        found = dataclasses.astuple(jax_private.detect_cluster(None, 10))
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {error}. {DETECTION}")
    assert found[0].startswith("node007:") and found[1:] == (4, 3, [1]), DETECTION


@pytest.fixture(scope="module")
def service_call():
    """The arguments that `jax.distributed.initialize` passes to its coordination service."""
    done = subprocess.run(
        [sys.executable, "-c", INITIALIZE],
        env=child_environment(JAX_PLATFORMS="cpu"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0 and done.stdout, f"{done.stderr[-2000:]}\n{SERVICE}"
    return json.loads(done.stdout)


def test_initialize_starts_the_service_that_replaces_its_own(service_call):
    (address, count), settings = service_call
    assert address.endswith(":5701") and count == 2, SERVICE
    assert settings["recoverable"] is True, SERVICE


def test_the_service_starts_in_a_process_of_its_own_with_these_arguments(service_call):
    (_, count), settings = service_call
    try:
        coordinator = CoordinatorProcess(free_address(), count, **settings)
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {error}. {SERVICE}")
    coordinator.shutdown()
