"""A service that only trains keeps no framework in memory that its workers have already."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.bundle import put_classifier
from defectory.storage import open_store
from tests.contract.running import ROOT


@pytest.mark.parametrize(
    ("service", "framework"), [("classifier", "tensorflow"), ("explainer", "tensorflow"), ("filter", "tensorflow")]
)
def test_a_service_starts_without_its_framework(service: str, framework: str) -> None:
    code = f"import sys, services.{service}.__main__; sys.exit(int({framework!r} in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("engine", ["auto", "onnxruntime"])
def test_a_classifier_answers_without_tensorflow(engine: str, tmp_path: Path) -> None:
    """To import it takes longer than all else before the first answer."""
    store = open_store(f"file://{tmp_path}")
    put_classifier(store, "parts")
    code = (
        "import sys; from defectory.storage import open_store; from services.classifier.serving.loading import Loader; "
        f"Loader(open_store({store.url!r}), {engine!r}, 1)('parts'); sys.exit(int('tensorflow' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
