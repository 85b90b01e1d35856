"""Batches of many callers' images: what is put together, what is dropped, who comes first."""

import threading
import time
from concurrent.futures import CancelledError

import numpy as np
import pytest

from services.classifier.serving.batching import Batcher, Lane
from tests.patience import PATIENT_S


class Doubling:
    """An engine with a known answer, the first pixel. It waits until it is let go, and remembers its batches."""

    name = "doubling"

    def __init__(self, batch: int = 4, parallel: int = 1, held: bool = False) -> None:
        self.batch = batch
        self.parallel = parallel
        self.go = threading.Event()
        self.batches: list[tuple[int, bool]] = []
        if not held:
            self.go.set()

    def run(self, images: np.ndarray, alone: bool) -> np.ndarray:
        self.batches.append((len(images), alone))
        self.go.wait(PATIENT_S)
        if (images == 99).any():
            raise ValueError("99")
        assert images.dtype == np.float32
        return images[:, 0, 0, :1]


def doubled(answers: np.ndarray) -> list[float]:
    """What becomes of an engine's answers."""
    return [2 * float(answer) for answer in answers[:, 0]]


def images(*values: float) -> np.ndarray:
    return np.array(values, np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


@pytest.fixture
def batcher():
    batcher = Batcher(threads=1)
    yield batcher
    batcher.close()


def start_held(batcher: Batcher, batch: int = 4) -> tuple[Lane, Doubling]:
    """A lane whose first image is being computed, and will be until the engine is let go."""
    engine = Doubling(batch, held=True)
    lane = Lane(engine, doubled, "m", "1")
    batcher.submit(lane, images(1))
    while not engine.batches:
        time.sleep(0.001)
    return lane, engine


def test_everybody_gets_their_own_answer(batcher: Batcher) -> None:
    lane, engine = start_held(batcher)
    futures = [batcher.submit(lane, images(*range(n, n + 3)))[0] for n in (10, 20, 30)]
    engine.go.set()
    for n, future in zip((10, 20, 30), futures, strict=True):
        np.testing.assert_array_equal(future.result(PATIENT_S), [2 * n, 2 * n + 2, 2 * n + 4])


def test_what_waits_is_put_together_up_to_the_engines_batch(batcher: Batcher) -> None:
    lane, engine = start_held(batcher)
    futures = [batcher.submit(lane, images(n))[0] for n in range(10)]
    engine.go.set()
    for future in futures:
        future.result(PATIENT_S)
    assert [size for size, _ in engine.batches] == [1, 4, 4, 2]


def test_a_lone_image_does_not_wait_and_has_all_cores(batcher: Batcher) -> None:
    engine = Doubling()
    batcher.submit(Lane(engine, doubled, "m", "1"), images(3))[0].result(PATIENT_S)
    assert engine.batches == [(1, True)]


def test_a_large_call_is_cut_into_batches(batcher: Batcher) -> None:
    engine = Doubling()
    futures = batcher.submit(Lane(engine, doubled, "m", "1"), images(*range(11)))
    assert [len(future.result(PATIENT_S)) for future in futures] == [4, 4, 3]


def test_idle_threads_share_what_waits() -> None:
    engine = Doubling(batch=8, parallel=2, held=True)
    lane, batcher = Lane(engine, doubled, "m", "1"), Batcher(threads=2)
    for future in [batcher.submit(lane, images(n))[0] for n in range(6)]:
        engine.go.set()
        future.result(PATIENT_S)
    assert max(size for size, _ in engine.batches) < 6
    batcher.close()


def test_cancelled_and_expired_work_is_dropped_before_it_is_computed(batcher: Batcher) -> None:
    lane, engine = start_held(batcher)
    gone, late, kept = (batcher.submit(lane, images(n), expires)[0]
                        for n, expires in ((1, None), (2, time.monotonic()), (3, time.monotonic() + 60)))  # fmt: skip
    gone.cancel()
    time.sleep(0.01)
    engine.go.set()
    assert kept.result(PATIENT_S)[0] == 6
    with pytest.raises(CancelledError):
        late.result(PATIENT_S)
    assert [size for size, _ in engine.batches] == [1, 1]


def test_a_failure_is_its_batchs_and_nobody_elses(batcher: Batcher) -> None:
    engine = Doubling()
    lane = Lane(engine, doubled, "m", "1")
    with pytest.raises(ValueError, match="99"):
        batcher.submit(lane, images(99))[0].result(PATIENT_S)
    assert batcher.submit(lane, images(4))[0].result(PATIENT_S)[0] == 8


def test_the_lane_that_has_waited_longest_comes_first(batcher: Batcher) -> None:
    busy, engine = start_held(batcher)
    first, second = Lane(Doubling(), doubled, "first", "1"), Lane(Doubling(), doubled, "second", "1")
    order: list[str] = []
    for lane in (first, second):
        name = lane.names[0]
        batcher.submit(lane, images(1))[0].add_done_callback(lambda _, name=name: order.append(name))
    last = batcher.submit(busy, images(1))[0]
    engine.go.set()
    last.result(PATIENT_S)
    assert order == ["first", "second"]


def test_closing_computes_what_waits() -> None:
    batcher = Batcher(threads=1)
    lane, engine = start_held(batcher)
    future = batcher.submit(lane, images(5))[0]
    threading.Timer(0.05, engine.go.set).start()
    batcher.close()
    assert future.result(0)[0] == 10


def test_an_image_that_cannot_be_decoded_fails_alone_in_its_batch(batcher: Batcher) -> None:
    lane, engine = start_held(batcher)

    def broken() -> np.ndarray:
        raise ValueError("broken")

    bad, good = batcher.submit_encoded(lane, [broken, lambda: images(5)])
    engine.go.set()
    assert good.result(PATIENT_S)[0] == 10
    with pytest.raises(ValueError, match="broken"):
        bad.result(PATIENT_S)
    assert [size for size, _ in engine.batches] == [1, 1]
