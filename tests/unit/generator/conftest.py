"""What the generator's tests share."""

from pathlib import Path

import pytest

from defectory.storage import ObjectStore, open_store


@pytest.fixture
def folder(tmp_path: Path) -> ObjectStore:
    """A store in a folder of this test's own."""
    return open_store(f"file://{tmp_path}/store")
