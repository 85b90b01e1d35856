"""Decodes and computes the images of many callers in batches: no waiting on an idle core, full batches on none."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from services.classifier.serving.decided import Decided, Finish
from services.classifier.serving.engine_interface import Engine
from services.classifier.serving.metrics import QUEUED, Timings

Images = np.ndarray  # uint8 or float32 (N, H, W, 3) in [0, 255]


@dataclass
class _Work:
    count: int  # images
    images: Callable[[], Images]  # decodes them
    future: Future[Sequence[Decided]]
    expires: float | None  # of time.monotonic
    arrived: float = field(default_factory=time.monotonic)


class Lane:
    """What waits for one model's engine. Made anew for every version; a lane nobody holds is gone with its engine."""

    def __init__(self, engine: Engine, finish: Finish, name: str, version: str) -> None:
        self.engine = engine
        self.finish = finish
        self.waiting: deque[_Work] = deque()
        self.images = 0  # in `waiting`
        self.running = 0
        self.names = (name, version)
        self.timings = Timings(name, version)


@dataclass
class _Batch:
    """What one thread decodes and computes."""

    lane: Lane
    works: list[_Work]
    alone: bool  # nobody else computes


class Batcher:
    """Threads, one a core, decode and compute what waits; the lane whose first work has waited longest comes first.

    A core that decodes the images that it then computes keeps them in its cache, and no more threads work than there
    are cores: with the decoding in the calls' own threads, an image cost more core time (docs/decisions/0009).
    """

    def __init__(self, threads: int) -> None:
        self._changed = threading.Condition()
        self._lanes: list[Lane] = []  # with work waiting
        self._threads = threads
        self._idle = threads
        self._closed = False
        self._workers = [threading.Thread(target=self._work, name=f"compute-{i}", daemon=True) for i in range(threads)]
        for worker in self._workers:
            worker.start()

    def submit(self, lane: Lane, images: Images, expires: float | None = None) -> list[Future[Sequence[Decided]]]:
        """Hand in images; their decisions come in one future a part of at most the engine's batch.

        A future that is cancelled, or whose deadline `expires` (time.monotonic) has passed, is dropped before it is
        computed.
        """
        return self._submit(lane, _parts(lane, images, expires))

    def submit_encoded(
        self, lane: Lane, decoders: Sequence[Callable[[], Images]], expires: float | None = None
    ) -> list[Future[Sequence[Decided]]]:
        """As `submit`, with a future an image.

        Args:
            decoders: each gives one image, uint8 (1, H, W, 3); what it raises is that future's alone.
        """
        return self._submit(lane, [_Work(1, decode, Future(), expires) for decode in decoders])

    def close(self) -> None:
        """Compute what waits, then stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _submit(self, lane: Lane, works: Sequence[_Work]) -> list[Future[Sequence[Decided]]]:
        with self._changed:
            if not lane.waiting:
                self._lanes.append(lane)
            lane.waiting.extend(works)
            count = sum(work.count for work in works)
            lane.images += count
            QUEUED.inc(count)
            self._changed.notify(len(works))
        return [work.future for work in works]

    def _work(self) -> None:
        buffer = _Buffer()
        while (batch := self._take()) is not None:
            try:
                _compute(batch, buffer)
            finally:
                with self._changed:
                    self._idle += 1
                    batch.lane.running -= 1
                    if self._lanes:
                        self._changed.notify()
            del batch  # a drained version must not be kept by an idle thread

    def _take(self) -> _Batch | None:
        """The next batch; None when closed and done."""
        with self._changed:
            while (lane := self._next()) is None:
                if self._closed and not self._lanes:
                    return None
                self._changed.wait()
            idle = min(self._idle, lane.engine.parallel - lane.running)
            share = -(-lane.images // idle)  # other idle threads get their part of it
            works = self._pop(lane, min(lane.engine.batch, share))
            alone = self._idle == self._threads and not self._lanes
            self._idle -= 1
            lane.running += 1
            return _Batch(lane, works, alone)

    def _next(self) -> Lane | None:
        ready = [lane for lane in self._lanes if lane.running < lane.engine.parallel]
        return min(ready, key=lambda lane: lane.waiting[0].arrived, default=None)

    def _pop(self, lane: Lane, limit: int) -> list[_Work]:
        works: list[_Work] = []
        count, now = 0, time.monotonic()
        while lane.waiting and (not works or count + lane.waiting[0].count <= limit):
            work = lane.waiting.popleft()
            lane.images -= work.count
            QUEUED.dec(work.count)
            if work.expires is not None and now > work.expires:
                work.future.cancel()
            if not work.future.set_running_or_notify_cancel():
                lane.timings.dropped_images.inc(work.count)
                continue
            lane.timings.queue_s.observe(now - work.arrived)
            works.append(work)
            count += work.count
        if not lane.waiting:
            self._lanes.remove(lane)
        return works


class _Buffer:
    """Float32 memory for a batch at a time: allocated once, not page by page for every batch."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.float32)

    def fill(self, parts: Sequence[Images]) -> np.ndarray:
        """The parts behind one another."""
        first = parts[0]
        if len(parts) == 1 and first.dtype == np.float32:
            return first
        count = sum(len(part) for part in parts)
        shape = (count, *first.shape[1:])
        size = int(np.prod(shape))
        if self._memory.size < size:
            self._memory = np.empty(size, np.float32)
        return np.concatenate(parts, out=self._memory[:size].reshape(shape), casting="safe")


def _parts(lane: Lane, images: Images, expires: float | None) -> list[_Work]:
    size = lane.engine.batch
    parts = [images[i : i + size] for i in range(0, len(images), size)]
    return [_Work(len(part), lambda part=part: part, Future(), expires) for part in parts]  # type: ignore[misc]


def _decode(works: Sequence[_Work]) -> tuple[list[_Work], list[Images]]:
    """Those that could be decoded, and their images."""
    decoded, parts = [], []
    for work in works:
        try:
            parts.append(work.images())
            decoded.append(work)
        except Exception as error:
            work.future.set_exception(error)
    return decoded, parts


def _compute(batch: _Batch, buffer: _Buffer) -> None:
    lane = batch.lane
    works, parts = _decode(batch.works)
    if not works:
        return
    started = time.monotonic()
    try:
        decided = lane.finish(lane.engine.run(buffer.fill(parts), batch.alone))
    except Exception as error:
        for work in works:
            work.future.set_exception(error)
        return
    lane.timings.compute_s.observe(time.monotonic() - started)
    lane.timings.batch_images.observe(len(decided))
    at = 0
    for work in works:
        work.future.set_result(decided[at : at + work.count])
        at += work.count
