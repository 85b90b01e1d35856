"""The sample service on a store that takes seconds to answer each call."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from defectory.api.generator.v1 import generator_pb2
from defectory.serving import service
from defectory.serving.service import ServiceDefinition, run_service
from defectory.storage.check import open_checked
from defectory.storage.store import ObjectInfo, ObjectStore
from tests.contract.sample_service import SampleSettings, add

CALL_S = 5.0


class SlowStore:
    """A store as it is, seconds later."""

    def __init__(self, store: ObjectStore, call_s: float) -> None:
        self._store = store
        self._call_s = call_s
        self.url = store.url

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """Later."""
        time.sleep(self._call_s)
        return self._store.put(key, data, if_absent=if_absent)

    def get(self, key: str) -> bytes:
        """Later."""
        time.sleep(self._call_s)
        return self._store.get(key)

    def stream(self, key: str) -> Iterator[bytes]:
        """Later."""
        time.sleep(self._call_s)
        yield from self._store.stream(key)

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """Later."""
        time.sleep(self._call_s)
        return self._store.put_file(key, path)

    def get_file(self, key: str, path: Path) -> None:
        """Later."""
        time.sleep(self._call_s)
        self._store.get_file(key, path)

    def head(self, key: str) -> ObjectInfo:
        """Later."""
        time.sleep(self._call_s)
        return self._store.head(key)

    def exists(self, key: str) -> bool:
        """Later."""
        time.sleep(self._call_s)
        return self._store.exists(key)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Later."""
        time.sleep(self._call_s)
        yield from self._store.list(prefix)

    def delete(self, key: str) -> None:
        """Later."""
        time.sleep(self._call_s)
        self._store.delete(key)

    def uri(self, key: str) -> str:
        """At once: nothing is asked."""
        return self._store.uri(key)

    def key(self, uri: str) -> str:
        """At once: nothing is asked."""
        return self._store.key(uri)


def main() -> int:
    """Serve on the slow store; workers open the store by its URL, and have it as it is."""
    service.open_checked = lambda url: SlowStore(open_checked(url), CALL_S)  # type: ignore[assignment]
    return run_service(ServiceDefinition("sample", SampleSettings, generator_pb2.DESCRIPTOR, add))


if __name__ == "__main__":
    sys.exit(main())
