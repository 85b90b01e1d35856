"""Whose an operation is: one owner at a time, followed at once where it is seen to be dead, else after a while."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from defectory.serving.operations import leases
from defectory.serving.operations.leases import LEASE_S, Leases
from defectory.storage import ObjectStore


class World:
    """Processes on machines, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine, self.pid, self.now = "a", 1, 0.0
        self.alive = {1, 2}
        monkeypatch.setattr(leases, "_machine", lambda: self.machine)
        monkeypatch.setattr(leases, "_started", lambda pid: "7" if pid in self.alive else "")
        monkeypatch.setattr(leases.os, "getpid", lambda: self.pid)
        monkeypatch.setattr(leases.time, "monotonic", lambda: self.now)

    def on(self, machine: str, pid: int, call: Callable[[str], bool]) -> bool:
        """What the call of a process says of operation x."""
        self.machine, self.pid = machine, pid
        return call("x")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_the_dead_of_this_machine_are_followed_at_once(store: ObjectStore, world: World) -> None:
    first, second = Leases(store, "s"), Leases(store, "s")
    assert world.on("a", 1, first.take)
    assert world.on("a", 1, first.take)
    assert not world.on("a", 2, second.take)
    world.alive.remove(1)
    assert world.on("a", 2, second.take)
    assert world.on("a", 2, second.renew)
    assert not world.on("a", 1, first.renew)
    assert len(list(store.list())) == 1


def test_the_dead_of_another_machine_are_followed_when_they_have_been_silent(store: ObjectStore, world: World) -> None:
    first, second = Leases(store, "s"), Leases(store, "s")
    assert world.on("a", 1, first.take)
    for _ in range(10):  # alive all along
        assert not world.on("b", 1, second.take)
        world.now += LEASE_S - 1
        assert world.on("a", 1, first.renew)
    assert not world.on("b", 1, second.take)
    world.now += LEASE_S
    assert world.on("b", 1, second.take)
    assert not world.on("a", 1, first.renew)


def test_what_is_released_is_free(store: ObjectStore, world: World) -> None:
    first, second = Leases(store, "s"), Leases(store, "s")
    world.on("a", 1, first.take)
    first.release("x")
    assert list(store.list()) == []
    assert world.on("b", 1, second.take)
    assert not world.on("a", 1, first.take)


def test_one_of_many_wins(store: ObjectStore) -> None:
    many = [Leases(store, "s") for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda each: each.take("x"), many)) >= 1
    assert sum(each.renew("x") for each in many) == 1
