"""A service that only trains keeps no framework in memory that its workers have already."""

import subprocess
import sys

import pytest

from tests.contract.running import ROOT


@pytest.mark.parametrize(
    ("service", "framework"), [("classifier", "tensorflow"), ("explainer", "tensorflow"), ("filter", "tensorflow")]
)
def test_a_service_starts_without_its_framework(service: str, framework: str) -> None:
    code = f"import sys, services.{service}.__main__; sys.exit(int({framework!r} in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
