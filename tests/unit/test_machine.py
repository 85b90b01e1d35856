"""Machines that compute differently have different names."""

import platform
from pathlib import Path

import pytest

from defectory import machine


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n\nprocessor\t: 1\n",
         "AMD EPYC (family 25, model 17)"),
        ("model name\t: One of one\n", "One of one"),
        ("processor\t: 0\nBogoMIPS\t: 2100.00\n", platform.machine()),  # as on ARM
        (None, platform.machine()),
    ],
)  # fmt: skip
def test_the_processor_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, name: str
) -> None:
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    if content is not None:
        machine.CPUINFO.write_text(content)
    assert machine.processor() == name
