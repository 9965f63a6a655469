"""The description of the machine."""

from benchmarks import machine


def test_the_description_does_not_identify_the_machine():
    description = machine.describe()
    assert description["cpu"]
    assert description["cores"] >= 1
    assert {"memory_gb", "flags", "bfloat16_hardware", "tensorflow", "keras"} <= description.keys()
    assert not any("/" in str(value) for key, value in description.items() if "family" not in key)


def test_the_faster_precision_comes_first(monkeypatch):
    monkeypatch.setattr(machine, "has_bfloat16", lambda: True)
    assert machine.by_preference(bfloat16="b", float32="f") == ("b", "f")
    monkeypatch.setattr(machine, "has_bfloat16", lambda: False)
    assert machine.by_preference(bfloat16="b", float32="f") == ("f", "b")


def test_gpu_names_come_from_nvidia_smi(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.gpu() == ""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'A GPU, 1.2'\necho 'A GPU, 1.2'\n")
    program.chmod(0o755)
    assert machine.gpu() == "A GPU, driver 1.2; A GPU, driver 1.2"
