"""What Slurm, Open MPI and Kubernetes tell a process of the others."""

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


def within(monkeypatch, variables):
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
        # One task, a shell inside an allocation, a pod that is no indexed job's: alone.
        ({**SLURM, "SLURM_NTASKS": "1"}, None),
        ({name: SLURM[name] for name in ("SLURM_JOB_ID", "SLURM_NTASKS")}, None),
        ({name: SLURM[name] for name in ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_PROCID")}, None),
        ({**OPEN_MPI, "OMPI_COMM_WORLD_SIZE": "1"}, None),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None),
    ],
)
def test_which_launcher_started_several(variables, name):
    assert launchers.launcher(variables) == name


def test_a_place_under_slurm(monkeypatch):
    within(monkeypatch, SLURM)
    place = launchers.place("Slurm", 10)
    host, port = place.coordinator.split(":")
    assert host == "node007" and 61440 <= int(port) < 65536
    assert (place.count, place.index, place.local_devices) == (4, 3, [1])


def test_a_task_that_sees_its_own_gpu_alone_says_so(monkeypatch):
    within(monkeypatch, {**SLURM, "JAX_LOCAL_DEVICE_IDS": "0"})
    assert launchers.place("Slurm", 10).local_devices == [0]
    monkeypatch.setenv("JAX_LOCAL_DEVICE_IDS", "2,3")
    assert launchers.place("Slurm", 10).local_devices == [2, 3]
    monkeypatch.setenv("JAX_LOCAL_DEVICE_IDS", "first")
    with pytest.raises(UserError, match=r"first.*--coordinator"):
        launchers.place("Slurm", 10)


def test_a_place_under_open_mpi(monkeypatch):
    within(monkeypatch, OPEN_MPI)
    place = launchers.place("Open MPI", 10)
    assert place.coordinator.startswith("10.96.0.1:")
    assert (place.count, place.index, place.local_devices) == (2, 1, [0])


def test_what_cannot_be_found_out_is_said_with_what_would_work(monkeypatch):
    within(monkeypatch, {**OPEN_MPI, "OMPI_MCA_orte_hnp_uri": "1531576320.0;usock"})
    with pytest.raises(UserError, match=r"Open MPI started this process.*--coordinator HOST:PORT"):
        launchers.place("Open MPI", 10)


def test_kubernetes_without_its_package_is_said(monkeypatch):
    within(monkeypatch, KUBERNETES)
    with pytest.raises(UserError, match=r"Kubernetes started this process.*--coordinator"):
        launchers.place("Kubernetes", 10)


def test_a_name_that_is_not_known_yet_is_waited_for(monkeypatch):
    tries = []

    def detected(wait):
        tries.append(wait)
        if len(tries) < 3:
            raise RuntimeError("Retry failed") from OSError("Name or service not known")
        return launchers.Place("resnet-0.jobs:55527", 2, 1)

    monkeypatch.setattr(launchers, "_detected", detected)
    monkeypatch.setattr(launchers.time, "sleep", lambda seconds: None)
    assert launchers.place("Kubernetes", 60).index == 1
    tries.clear()
    with pytest.raises(UserError, match="Retry failed"):
        launchers.place("Kubernetes", 0)
