"""The processes that Slurm, Open MPI and Kubernetes start."""

import pytest

from resnet_keras.distributed import launchers
from resnet_keras.errors import UserError

SLURM = {
    "SLURM_JOB_ID": "4242",
    "SLURM_STEP_NODELIST": "node[007-010]",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NUM_NODES": "2",
}
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_RANK": "0",
}
KUBERNETES = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "1"}


def set_environment(monkeypatch, variables):
    for name in {**SLURM, **OPEN_MPI, **KUBERNETES, "JAX_LOCAL_DEVICE_IDS": ""}:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({}, None),
        (SLURM, "Slurm"),
        (OPEN_MPI, "Open MPI"),
        (KUBERNETES, "Kubernetes"),
        # A single task, a shell in an allocation, a pod that belongs to no indexed job.
        ({**SLURM, "SLURM_NTASKS": "1"}, None),
        ({name: SLURM[name] for name in ("SLURM_JOB_ID", "SLURM_NTASKS")}, None),
        ({name: SLURM[name] for name in ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_PROCID")}, None),
        ({**OPEN_MPI, "OMPI_COMM_WORLD_SIZE": "1"}, None),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None),
    ],
)
def test_detect_launcher(variables, name):
    assert launchers.detect_launcher(variables) == name


def test_slurm(monkeypatch):
    set_environment(monkeypatch, SLURM)
    spec = launchers.process_spec("Slurm", 10)
    host, port = spec.address.split(":")
    assert host == "node007" and 61440 <= int(port) < 65536
    assert (spec.count, spec.index, spec.local_devices) == (4, 3, [1])


def test_the_visible_gpus_can_be_set_by_a_variable(monkeypatch):
    set_environment(monkeypatch, {**SLURM, "JAX_LOCAL_DEVICE_IDS": "0"})
    assert launchers.process_spec("Slurm", 10).local_devices == [0]
    monkeypatch.setenv("JAX_LOCAL_DEVICE_IDS", "2,3")
    assert launchers.process_spec("Slurm", 10).local_devices == [2, 3]
    monkeypatch.setenv("JAX_LOCAL_DEVICE_IDS", "first")
    with pytest.raises(UserError, match=r"first.*--coordinator"):
        launchers.process_spec("Slurm", 10)


def test_open_mpi(monkeypatch):
    set_environment(monkeypatch, OPEN_MPI)
    spec = launchers.process_spec("Open MPI", 10)
    assert spec.address.startswith("10.96.0.1:")
    assert (spec.count, spec.index, spec.local_devices) == (2, 1, [0])


def test_incomplete_variables_are_reported_with_the_flags_that_help(monkeypatch):
    set_environment(monkeypatch, {**OPEN_MPI, "OMPI_MCA_orte_hnp_uri": "1531576320.0;usock"})
    with pytest.raises(UserError, match=r"Open MPI started this process.*--coordinator HOST:PORT"):
        launchers.process_spec("Open MPI", 10)


def test_kubernetes_without_its_package_is_reported(monkeypatch):
    set_environment(monkeypatch, KUBERNETES)
    with pytest.raises(UserError, match=r"Kubernetes started this process.*--coordinator"):
        launchers.process_spec("Kubernetes", 10)


def test_a_host_name_that_cannot_be_resolved_yet_is_retried(monkeypatch):
    tries = []

    def detect(timeout):
        tries.append(timeout)
        if len(tries) < 3:
            raise RuntimeError("Retry failed") from OSError("Name or service not known")
        return launchers.ProcessSpec("resnet-0.jobs:55527", 2, 1)

    monkeypatch.setattr(launchers, "_detect", detect)
    monkeypatch.setattr(launchers.time, "sleep", lambda seconds: None)
    assert launchers.process_spec("Kubernetes", 60).index == 1
    tries.clear()
    with pytest.raises(UserError, match="Retry failed"):
        launchers.process_spec("Kubernetes", 0)
