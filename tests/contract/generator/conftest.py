"""One running generator service, with a generator and a dataset in its store, for all tests here."""

from collections.abc import Iterator
from typing import Any

import pytest

from defectory.api.generator.v1 import generator_pb2_grpc
from defectory.storage import ObjectStore, open_store
from tests.contract.generator.generator_requests import SPLITS
from tests.contract.running import Service
from tests.unit.generator.generator_samples import write_generator, write_images


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    return open_store(f"file://{tmp_path_factory.mktemp('generator')}/store")


@pytest.fixture(scope="package")
def manifest(store: ObjectStore) -> str:
    write_generator(store)
    return write_images(store, "parts", SPLITS)


@pytest.fixture(scope="package")
def service(store: ObjectStore, manifest: str) -> Iterator[Service]:
    with Service("services.generator", store.url) as running:
        yield running


@pytest.fixture(scope="package")
def stub(service: Service) -> Any:
    return generator_pb2_grpc.GeneratorServiceStub(service.channel)
