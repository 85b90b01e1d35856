"""From a caller's images to a model's decisions: admit, fetch, decode, queue, compute; in time or not at all."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

import numpy as np

from defectory.errors import Cancelled, Expired, InvalidInput
from defectory.storage.store import ObjectStore
from services.classifier.serving.admission import Admission
from services.classifier.serving.batching import Batcher
from services.classifier.serving.decided import Decided
from services.classifier.serving.registry import ModelRegistry, Served

MAX_IMAGES = 256  # of a call


class Caller(Protocol):
    """Who waits for an answer, and for how long."""

    def remaining_s(self) -> float | None:
        """Seconds to the caller's deadline; None without one."""

    def on_end(self, callback: Callable[[], None]) -> bool:
        """Call back when the caller has gone, or has been answered; False when it has gone already."""


@dataclass(frozen=True)
class Source:
    """One image: bytes of a file, or a URI under the store's root. `field` is how the caller calls it."""

    field: str
    content: bytes = b""
    uri: str = ""


@dataclass(frozen=True)
class Answer:
    """A version's decisions on a call's images, in their order."""

    served: Served
    decided: Sequence[Decided]


class Answering:
    """Answers calls from many threads at once.

    Args:
        threads: images that are decoded at once.
    """

    def __init__(
        self, store: ObjectStore, registry: ModelRegistry, batcher: Batcher, admission: Admission, threads: int
    ) -> None:
        self._store = store
        self._registry = registry
        self._batcher = batcher
        self._admission = admission
        self._slots: SimpleQueue[None] = SimpleQueue()  # a semaphore that costs a tenth of threading's
        for _ in range(threads):
            self._slots.put(None)
        self._helpers = ThreadPoolExecutor(max(8, threads), thread_name_prefix="images")  # of calls with several

    def images(self, name: str, version: str, sources: Sequence[Source], caller: Caller) -> Answer:
        """Decide on encoded images.

        Raises:
            InvalidInput: one is no image that can be read; names it. NotFound: model, version, label or object.
            Refused: a URI outside the store. Exhausted: too many wait. Expired, Cancelled: the caller's time is over.
        """
        _check_count(len(sources))
        expires = _deadline(caller)
        with self._admission.admitted(len(sources)):
            served = self._registry.get(name, version)

            def prepare(source: Source) -> np.ndarray:
                return self._prepare(served, source, expires)

            several = len(sources) > 1
            prepared = list(self._helpers.map(prepare, sources)) if several else [prepare(sources[0])]
            return self._decide(served, np.stack(prepared) if several else prepared[0][None], caller, expires)

    def tensor(
        self, name: str, version: str, read: Callable[[Served], np.ndarray], count: int, caller: Caller
    ) -> Answer:
        """Decide on images that are arrays already.

        Args:
            read: float32 (count, H, W, 3) in [0, 255], as the version takes it.

        Raises:
            InvalidInput: from `read`, else as `images`.
        """
        _check_count(count)
        expires = _deadline(caller)
        with self._admission.admitted(count):
            served = self._registry.get(name, version)
            return self._decide(served, read(served), caller, expires)

    def close(self) -> None:
        """End the helpers."""
        self._helpers.shutdown()

    def _prepare(self, served: Served, source: Source, expires: float | None) -> np.ndarray:
        timings = served.lane.timings
        content = source.content
        if source.uri:
            started = time.monotonic()
            content = self._store.get(self._store.key(source.uri))
            timings.fetch_s.observe(time.monotonic() - started)
        self._slots.get()
        try:
            started = time.monotonic()
            if expires is not None and started > expires:
                raise Expired("the deadline passed before the image was decoded")
            card = served.card
            pixels = card.preprocessing.input_of(content, card.architecture.input_px)
        except InvalidInput as error:
            raise InvalidInput(f"{source.field}: {error}", {source.field: str(error)}) from error
        finally:
            self._slots.put(None)
        timings.decode_s.observe(time.monotonic() - started)
        return pixels

    def _decide(self, served: Served, images: np.ndarray, caller: Caller, expires: float | None) -> Answer:
        futures = self._batcher.submit(served.lane, images, expires)
        if not caller.on_end(lambda: _cancel(futures)):
            _cancel(futures)
        try:
            rows = [future.result(None if expires is None else expires - time.monotonic()) for future in futures]
        except (TimeoutError, CancelledError) as error:
            _cancel(futures)
            if expires is not None and time.monotonic() >= expires:
                raise Expired("the deadline passed before the images were computed") from error
            raise Cancelled("the caller has gone") from error
        return Answer(served, rows[0] if len(rows) == 1 else [one for part in rows for one in part])


def _check_count(images: int) -> None:
    if not 1 <= images <= MAX_IMAGES:
        right = f"send 1 to {MAX_IMAGES}"
        raise InvalidInput(f"{images} images: {right}", {"images": right})


def _deadline(caller: Caller) -> float | None:
    remaining = caller.remaining_s()
    if remaining is None:
        return None
    if remaining <= 0:
        raise Expired("the deadline had passed when the call's turn came")
    return time.monotonic() + remaining


def _cancel(futures: Sequence[Future[Sequence[Decided]]]) -> None:
    for future in futures:
        future.cancel()
