"""The cost model, compared with calculations by hand."""

import dataclasses

import pytest

from benchmarks.scaling import Cluster, gradient_bytes, main, step_times

FAST = Cluster(images_per_second=1000, batch=100, gradient_bytes=1e8)


def test_one_device_exchanges_nothing():
    alone = step_times(FAST, 1)
    assert (alone.exchange, alone.exposed, alone.efficiency) == (0, 0, 1)
    assert alone.seconds == alone.compute == 0.1


def test_all_reduce_within_a_machine_and_between_machines():
    eight, sixteen = step_times(FAST, 8), step_times(FAST, 16)
    assert eight.exchange == pytest.approx(2 * 7 / 8 * 1e8 / 200e9)
    assert sixteen.exchange == pytest.approx(eight.exchange + 2 * 1 / 2 * 1e8 / 25e9)


def test_the_part_of_the_exchange_that_does_not_overlap_costs_time():
    slow = dataclasses.replace(FAST, between=1e9)
    parts = step_times(slow, 16)
    hidden = 0.8 * 2 / 3 * 0.1
    assert parts.exposed == pytest.approx(parts.exchange - hidden)
    assert parts.efficiency == pytest.approx(0.1 / (0.1 + parts.exposed))


@pytest.mark.parametrize(
    "change, seconds", [({"storage": 1e8}, 8 * 100 * 110e3 / 1e8), ({"cores": 4}, 800 * 2e-3 / 4)]
)
def test_the_slowest_part_determines_the_step(change, seconds):
    parts = step_times(dataclasses.replace(FAST, **change), 8)
    assert parts.seconds == pytest.approx(seconds)
    assert parts.efficiency == pytest.approx(0.1 / seconds)


def test_gradients_of_resnet_50():
    assert gradient_bytes("resnet50") == 4 * 25_557_032


def test_the_command_prints_a_table(capsys):
    assert main(["--images-per-second", "3.3", "--batch", "32"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[-1].startswith("| 64 |") and lines[-1].endswith("100 % |")
