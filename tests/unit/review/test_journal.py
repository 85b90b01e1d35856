"""Journals of reviews: nothing that was kept is lost, however servers write, read and merge beside each other."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from defectory.errors import Corrupted, NotFound
from defectory.storage.memory import MemoryStore
from orchestrator.review import journal as journals
from orchestrator.review.journal import MERGED_FROM, Change, Journal, read_journals


def change(number: int) -> Change:
    return Change(sha256=f"{number:064x}", verdict="accepted")


def ids(store: MemoryStore) -> list[str]:
    return [batch.id for batch in read_journals(store, "d").get("Anna", [])]


def objects(store: MemoryStore) -> int:
    return len(list(store.list("datasets/d/reviews/")))


def write(store: MemoryStore, numbers: range) -> Journal:
    own = Journal(store, "d", "Anna")
    for number in numbers:
        own.append(f"{number:032x}", [change(number)])
    return own


def test_batches_come_back_in_their_order_with_who_and_when() -> None:
    store = MemoryStore()
    write(store, range(5))
    Journal(store, "d", "Ánna / 安娜").append("f" * 32, [change(9)])
    both = read_journals(store, "d")
    assert sorted(both) == ["Anna", "Ánna / 安娜"]
    assert [batch.id for batch in both["Anna"]] == [f"{n:032x}" for n in range(5)]
    assert all(batch.at.tzinfo is not None and batch.by == "Anna" for batch in both["Anna"])


def test_many_objects_become_one_and_say_the_same() -> None:
    store = MemoryStore()
    write(store, range(MERGED_FROM + 3))
    before = read_journals(store, "d")  # which merges
    assert objects(store) == 1
    assert read_journals(store, "d") == before


def test_a_merge_that_ends_in_the_middle_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    write(store, range(MERGED_FROM))
    wanted = [f"{n:032x}" for n in range(MERGED_FROM)]
    for survives in (0, 1, 40):  # deletions before the process dies
        left = itertools.count()
        delete = store.delete

        def dying(key: str, left: Iterator[int] = left, survives: int = survives, delete: Callable = delete) -> None:
            if next(left) >= survives:
                raise KeyboardInterrupt
            delete(key)

        with monkeypatch.context() as patch:
            patch.setattr(store, "delete", dying)
            if objects(store) >= MERGED_FROM:
                with pytest.raises(KeyboardInterrupt):
                    read_journals(store, "d")
        assert ids(store) == wanted


def test_a_server_that_knows_an_old_journal_overwrites_nothing_of_the_merged_one() -> None:
    store = MemoryStore()
    early = write(store, range(3))  # of a server that goes on running
    late = Journal(store, "d", "Anna", early.last)
    for number in range(3, MERGED_FROM + 3):
        late.append(f"{number:032x}", [change(number)])
    read_journals(store, "d")
    early.append("e" * 32, [change(999)])
    assert sorted(ids(store)) == sorted([*(f"{n:032x}" for n in range(MERGED_FROM + 3)), "e" * 32])


def test_a_journal_that_is_merged_while_it_is_read_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    write(store, range(MERGED_FROM))
    get, calls = store.get, itertools.count()

    def merged_meanwhile(key: str) -> bytes:
        if next(calls) == 10:
            monkeypatch.setattr(store, "get", get)
            read_journals(store, "d")
            with pytest.raises(NotFound):
                get(key)
        return get(key)

    monkeypatch.setattr(store, "get", merged_meanwhile)
    assert ids(store) == [f"{n:032x}" for n in range(MERGED_FROM)]


def test_the_clock_may_be_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    own = write(store, range(2))
    assert own.last is not None
    own.last = own.last.replace(year=own.last.year + 1)
    own.append("a" * 32, [change(7)])
    assert ids(store)[-1] == "a" * 32


def test_what_is_no_journal_is_refused_with_its_place() -> None:
    store = MemoryStore()
    write(store, range(1))
    (key,) = (info.key for info in store.list("datasets/d/reviews/"))
    store.put(key, b'[{"id": "x"}]')
    with pytest.raises(Corrupted, match=r"reviews/anna-"):
        read_journals(store, "d")


def test_names_that_look_alike_have_journals_of_their_own() -> None:
    slugs = {journals.slug(name) for name in ("Anna", "anna", "An na", "../x", "安娜", "安妮")}
    assert len(slugs) == 6
    assert all("/" not in slug and not slug.startswith(".") for slug in slugs)
