"""From a caller's images to a model's decisions: admit, fetch, decode, queue, compute; in time or not at all."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import numpy as np

from defectory.errors import Cancelled, Expired, InvalidInput
from defectory.imaging import Opened, read_header
from defectory.memory import memory_for
from defectory.serving.admission import Admission, megapixels
from defectory.storage.fetching import fetched
from defectory.storage.store import ObjectStore
from services.classifier.serving.batching import Batcher
from services.classifier.serving.decided import Decided
from services.classifier.serving.registry import ModelRegistry, Served

Result = TypeVar("Result")

MAX_IMAGES = 256  # of a call
LARGE, LARGE_AT_ONCE = 16, 128  # megapixels of an image; of those that have more, decoded at once. 12 bytes a pixel
FETCHERS = 32  # objects of the store that are read at once


class Caller(Protocol):
    """Who waits for an answer, and for how long."""

    def remaining_s(self) -> float | None:
        """Seconds to the caller's deadline, None without one; Cancelled where he has gone before it."""

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
    """Answers calls from many threads at once."""

    def __init__(self, store: ObjectStore, registry: ModelRegistry, batcher: Batcher, admission: Admission) -> None:
        self._store = store
        self._registry = registry
        self._batcher = batcher
        self._admission = admission
        self._large = Admission(LARGE_AT_ONCE, "megapixels of large images")
        # No call reads the store itself: it could not leave when its deadline has passed.
        self._fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="fetch")

    def images(self, name: str, version: str, sources: Sequence[Source], caller: Caller) -> Answer:
        """Decide on encoded images.

        Raises:
            InvalidInput: one is no image that can be read; names it. NotFound: model, version, label or object.
            Refused: a URI outside the store. Exhausted: too many wait, or too large ones. Expired, Cancelled: the
            caller's time is over.
        """
        check_count(len(sources))
        expires = _deadline(caller)
        served = self._registry.get(name, version, caller.remaining_s)
        with self._admission.admitted(len(sources)):
            contents = self._contents(served, sources, caller, expires)
            decoders = [
                self._decoder(served, source.field, content, caller)
                for source, content in zip(sources, contents, strict=True)
            ]
            return _decided(served, self._batcher.submit_encoded(served.lane, decoders, expires), caller, expires)

    def tensor(
        self, name: str, version: str, read: Callable[[Served], np.ndarray], count: int, caller: Caller
    ) -> Answer:
        """Decide on images that are arrays already.

        Args:
            read: float32 (count, H, W, 3) in [0, 255], as the version takes it.

        Raises:
            InvalidInput: from `read`, else as `images`.
        """
        check_count(count)
        expires = _deadline(caller)
        served = self._registry.get(name, version, caller.remaining_s)
        with self._admission.admitted(count):
            return _decided(served, self._batcher.submit(served.lane, read(served), expires), caller, expires)

    def close(self) -> None:
        """End the threads that fetch."""
        self._fetchers.shutdown()

    def _contents(
        self, served: Served, sources: Sequence[Source], caller: Caller, expires: float | None
    ) -> Sequence[bytes]:
        named = [source for source in sources if source.uri]
        if not named:
            return [source.content for source in sources]
        futures = [self._fetchers.submit(self._fetched, served, source) for source in named]
        fetched = iter(_awaited(futures, caller, expires))
        return [next(fetched) if source.uri else source.content for source in sources]

    def _fetched(self, served: Served, source: Source) -> bytes:
        started = time.monotonic()
        content = fetched(self._store, source.uri, source.field)
        served.lane.timings.fetch_s.observe(time.monotonic() - started)
        return content

    def _decoder(self, served: Served, field: str, content: bytes, caller: Caller) -> Callable[[], np.ndarray]:
        """What a core is to do before it computes an image. A large one is decoded now, alone of its call's images.

        So all that is decoded at once takes so much memory and no more, and no core stands still for seconds.
        """
        with _of(field):
            image = read_header(content)
        decode = partial(_decode, served, field, image)
        size = megapixels(image.width, image.height)
        if size <= LARGE:
            return decode
        with self._large.admitted(size):
            _deadline(caller)
            pixels = decode()
        return lambda: pixels


def _decode(served: Served, field: str, image: Opened) -> np.ndarray:
    started = time.monotonic()
    with _of(field), memory_for(f"{field}, an image of {image.width}x{image.height} pixels"):
        pixels = served.card.preprocessing.input_of(image, served.card.architecture.input_px)
    served.lane.timings.decode_s.observe(time.monotonic() - started)
    served.watch.see(pixels)
    return pixels[None]


@contextmanager
def _of(field: str) -> Iterator[None]:
    """What is wrong with an image is told of the caller's field."""
    try:
        yield
    except InvalidInput as error:
        raise InvalidInput(f"{field}: {error}", {field: str(error)}) from error


def _decided(
    served: Served, futures: Sequence[Future[Sequence[Decided]]], caller: Caller, expires: float | None
) -> Answer:
    decided = [one for part in _awaited(futures, caller, expires) for one in part]
    for one in decided:
        served.lane.timings.confidence.observe(float(one.probabilities.max()))
    return Answer(served, decided)


def _awaited(futures: Sequence[Future[Result]], caller: Caller, expires: float | None) -> list[Result]:
    """What comes of the futures; those that wait yet are cancelled when one fails or the caller's time is over."""
    if not caller.on_end(lambda: _cancel(futures)):
        _cancel(futures)
    try:
        return [future.result(None if expires is None else expires - time.monotonic()) for future in futures]
    except (TimeoutError, CancelledError) as error:
        if expires is not None and time.monotonic() >= expires:
            raise Expired("the deadline passed before the images were computed") from error
        raise Cancelled("the caller has gone") from error
    finally:
        _cancel(futures)


def check_count(images: int) -> None:
    """InvalidInput where a call has no image, or more than MAX_IMAGES."""
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


def _cancel(futures: Sequence[Future[Result]]) -> None:
    for future in futures:
        future.cancel()
