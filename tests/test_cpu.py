"""What is read from /proc/cpuinfo."""

from pathlib import Path

import pytest

from resnet_keras import cpu

CPUINFO = """processor\t: 0
model name\t: A Processor @ 2.50GHz
flags\t\t: fpu avx2 avx512_bf16 amx_bf16

processor\t: 1
model name\t: Another Processor
flags\t\t: fpu
"""


@pytest.fixture
def cpuinfo(monkeypatch):
    """Replaces the text of /proc/cpuinfo; `None` stands for a missing file."""

    def install(text):
        def read_text(path, encoding):
            assert path == Path("/proc/cpuinfo")
            if text is None:
                raise FileNotFoundError
            return text

        monkeypatch.setattr(Path, "read_text", read_text)

    return install


def test_the_first_processor_is_described(cpuinfo):
    cpuinfo(CPUINFO)
    assert cpu.cpu_info()["processor"] == "0"
    assert cpu.cpu_name() == "A Processor @ 2.50GHz"
    assert cpu.bfloat16_flags() == ("amx_bf16", "avx512_bf16")


def test_without_bfloat16_there_are_no_flags(cpuinfo):
    cpuinfo(CPUINFO.replace("_bf16", "f"))
    assert cpu.bfloat16_flags() == ()


def test_other_systems_have_a_name_but_no_flags(cpuinfo, monkeypatch):
    cpuinfo(None)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert cpu.cpu_info() == {}
    assert cpu.cpu_name() == "arm64"
    assert cpu.bfloat16_flags() == ()
