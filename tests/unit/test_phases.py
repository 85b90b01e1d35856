"""Where the time of a piece of work goes: every second in one phase, and none twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from defectory import phases
from defectory.phases import Spent, account_for, each, measuring, phase
from defectory.storage.memory import MemoryStore
from defectory.storage.timed import TimedStore


class Time:
    """A clock that goes by what the test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def takes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(phases, "time", clock)
    return clock


def test_what_is_inside_counts_as_the_inner_phase_and_the_rest_as_computing(time: Time) -> None:
    with measuring() as clock:
        time.takes(1)
        with phase("starting"):
            time.takes(2)
            with phase("reading"):
                time.takes(4)
            time.takes(8)
        time.takes(16)
    spent = clock.spent()
    assert spent.by_phase() == {"starting": 10, "reading": 4, "computing": 17, "writing": 0, "waiting": 0}
    assert spent.elapsed == 31


def test_an_error_ends_its_phase(time: Time) -> None:
    @phase("reading")
    def broken() -> None:
        time.takes(1)
        raise ValueError("broken")

    with measuring() as clock:
        with pytest.raises(ValueError, match="broken"):
            broken()
        time.takes(2)
    assert (clock.spent().reading, clock.spent().computing) == (1, 2)


def test_what_is_done_with_an_item_is_not_what_it_takes_to_get_it(time: Time) -> None:
    def items() -> Iterator[int]:
        for number in range(3):
            time.takes(1)
            yield number

    with measuring() as clock:
        for _ in each("reading", items()):
            time.takes(10)
    assert (clock.spent().reading, clock.spent().computing) == (3, 30)


def test_of_what_was_waited_for_it_is_known_how_it_was_spent(time: Time) -> None:
    with measuring() as clock:
        with phase("waiting"):
            time.takes(20)
        account_for(Spent(starting=3, reading=2, computing=8, writing=1, waiting=4, cores=0))
        time.takes(5)
    # 20 s were waited, of which the other worked 14 and waited 4 for others of its own: 2 are nobody's.
    assert clock.spent().by_phase() == {"starting": 3, "reading": 2, "computing": 13, "writing": 1, "waiting": 6}


def test_cores_are_those_of_the_process_and_of_what_is_accounted_for() -> None:
    with measuring() as clock:
        before = clock.spent().cores
        account_for(Spent(cores=7.0))
        while clock.spent().cores < before + 7.05:  # its own
            sum(range(10_000))
    assert clock.spent().cores < 60


def test_other_threads_are_no_phase_of_the_work() -> None:
    def read() -> str:
        with phase("reading"):
            return "read"

    with measuring() as clock, ThreadPoolExecutor(1) as pool:
        assert pool.submit(read).result() == "read"
    assert clock.spent().reading == 0


def test_nobody_need_measure(time: Time) -> None:
    account_for(Spent(computing=1))
    with phase("reading"):
        assert list(each("writing", [1, 2])) == [1, 2]


def test_a_store_reads_and_writes(time: Time) -> None:
    class Slow(MemoryStore):
        def put(self, key, data, *, if_absent=False):
            time.takes(3)
            return super().put(key, data, if_absent=if_absent)

        def get(self, key):
            time.takes(2)
            return super().get(key)

    with measuring() as clock:
        store = TimedStore(Slow())
        store.put("a", b"1")
        assert store.get("a") == b"1"
        assert [info.key for info in store.list()] == ["a"]
    assert (clock.spent().writing, clock.spent().reading, clock.spent().computing) == (3, 2, 0)
