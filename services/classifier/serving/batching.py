"""Puts the images of many callers into batches: no waiting while a core is idle, full batches while none is."""

import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from services.classifier.serving.engine import Engine
from services.classifier.serving.metrics import BATCH_IMAGES, COMPUTE_SECONDS, DROPPED, QUEUE_SECONDS, QUEUED

Images = np.ndarray  # uint8 or float32 (N, H, W, 3) in [0, 255]


@dataclass
class _Work:
    images: Images
    future: Future[np.ndarray]
    expires: float | None  # of time.monotonic
    arrived: float = field(default_factory=time.monotonic)


class Lane:
    """What waits for one model's engine. Made anew for every version; a lane nobody holds is gone with its engine."""

    def __init__(self, engine: Engine, name: str, version: str) -> None:
        self.engine = engine
        self.waiting: deque[_Work] = deque()
        self.images = 0  # in `waiting`
        self.running = 0
        self.names = (name, version)


class Batcher:
    """Threads, one a core, compute what waits in lanes; the lane whose first work has waited longest comes first."""

    def __init__(self, threads: int) -> None:
        self._changed = threading.Condition()
        self._lanes: list[Lane] = []  # with work waiting
        self._threads = threads
        self._busy = 0
        self._closed = False
        self._workers = [threading.Thread(target=self._work, name=f"compute-{i}", daemon=True) for i in range(threads)]
        for worker in self._workers:
            worker.start()

    def submit(self, lane: Lane, images: Images, expires: float | None = None) -> list[Future[np.ndarray]]:
        """Hand in images; their probabilities come in one future a part of at most the engine's batch.

        A future that is cancelled, or whose deadline `expires` (time.monotonic) has passed, is dropped before it is
        computed.
        """
        size = lane.engine.batch
        parts = [_Work(images[i : i + size], Future(), expires) for i in range(0, len(images), size)]
        with self._changed:
            if not lane.waiting:
                self._lanes.append(lane)
            lane.waiting.extend(parts)
            lane.images += len(images)
            QUEUED.inc(len(images))
            self._changed.notify(len(parts))
        return [part.future for part in parts]

    def close(self) -> None:
        """Compute what waits, then stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        buffer = _Buffer()
        while (taken := self._take()) is not None:
            lane, works, alone = taken
            try:
                if works:
                    _compute(lane, works, alone, buffer)
            finally:
                with self._changed:
                    self._busy -= 1
                    lane.running -= 1
                    if lane.waiting:
                        self._changed.notify()
            del taken, lane, works  # a drained version must not be kept by an idle thread

    def _take(self) -> tuple[Lane, list[_Work], bool] | None:
        """The next batch; None when closed and done."""
        with self._changed:
            while (lane := self._next()) is None:
                if self._closed and not self._lanes:
                    return None
                self._changed.wait()
            idle = self._threads - self._busy
            share = -(-lane.images // min(idle, lane.engine.parallel))  # idle threads get their part of it
            works = self._pop(lane, min(lane.engine.batch, share))
            alone = self._busy == 0 and not self._lanes
            self._busy += 1
            lane.running += 1
            return lane, works, alone

    def _next(self) -> Lane | None:
        ready = [lane for lane in self._lanes if lane.running < lane.engine.parallel]
        return min(ready, key=lambda lane: lane.waiting[0].arrived, default=None)

    def _pop(self, lane: Lane, limit: int) -> list[_Work]:
        works: list[_Work] = []
        count, now = 0, time.monotonic()
        while lane.waiting and (not works or count + len(lane.waiting[0].images) <= limit):
            work = lane.waiting.popleft()
            lane.images -= len(work.images)
            QUEUED.dec(len(work.images))
            if work.expires is not None and now > work.expires:
                work.future.cancel()
            if not work.future.set_running_or_notify_cancel():
                DROPPED.labels(*lane.names).inc(len(work.images))
                continue
            QUEUE_SECONDS.labels(*lane.names).observe(now - work.arrived)
            works.append(work)
            count += len(work.images)
        if not lane.waiting:
            self._lanes.remove(lane)
        return works


class _Buffer:
    """A thread's own float32 memory for batches: allocated once, not page by page for every batch."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.float32)

    def fill(self, works: list[_Work]) -> np.ndarray:
        first = works[0].images
        if len(works) == 1 and first.dtype == np.float32:
            return first
        count = sum(len(work.images) for work in works)
        shape = (count, *first.shape[1:])
        size = int(np.prod(shape))
        if self._memory.size < size:
            self._memory = np.empty(size, np.float32)
        batch = self._memory[:size].reshape(shape)
        at = 0
        for work in works:
            batch[at : at + len(work.images)] = work.images
            at += len(work.images)
        return batch


def _compute(lane: Lane, works: list[_Work], alone: bool, buffer: _Buffer) -> None:
    started = time.monotonic()
    try:
        batch = buffer.fill(works)
        probabilities = lane.engine.run(batch, alone)
    except Exception as error:
        for work in works:
            work.future.set_exception(error)
        return
    COMPUTE_SECONDS.labels(*lane.names).observe(time.monotonic() - started)
    BATCH_IMAGES.labels(*lane.names).observe(len(probabilities))
    at = 0
    for work in works:
        work.future.set_result(probabilities[at : at + len(work.images)])
        at += len(work.images)
