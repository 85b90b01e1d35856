"""A run that can be reviewed, written once and copied for every test."""

import pytest

from bench.reviewable import write_reviewable
from defectory.datasets.manifest import DEFAULT_READING
from defectory.storage.memory import MemoryStore
from orchestrator.review.subject import Subject, read_subject


@pytest.fixture(scope="session")
def written() -> MemoryStore:
    store = MemoryStore()
    write_reviewable(store, "demo", 20, photographs=5, size_px=32)
    return store


@pytest.fixture
def store(written: MemoryStore) -> MemoryStore:
    """The run "demo": 20 synthetic images, the first ten of defects; 5 photographs of each label."""
    store = MemoryStore()
    for info in written.list():
        store.put(info.key, written.get(info.key))
    return store


@pytest.fixture
def subject(store: MemoryStore) -> Subject:
    return read_subject(store, "demo", DEFAULT_READING)
