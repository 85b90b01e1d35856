"""Decisions of several reviewers: what counts, what is taken back, and the documents that say so."""

import numpy as np
import pytest

from defectory.datasets.decisions import list_decisions
from defectory.datasets.manifest import DEFAULT_READING, read_manifest
from defectory.errors import FailedPrecondition, InvalidInput, NotFound
from defectory.storage.memory import MemoryStore
from orchestrator.review.decided import ACCEPTED, REJECTED, UNDECIDED, Decided, final
from orchestrator.review.folding import write_documents
from orchestrator.review.subject import Subject, read_subject

DEFECT, GOOD = 1, 2  # labels as decisions name them


def test_a_runs_subject_is_what_its_filter_judged(subject: Subject) -> None:
    assert len(subject.lines) == 20
    assert [one.name for one in subject.datasets] == ["demo.defect.r1.judged", "demo.good.r1.judged"]
    assert all(line.origin.kind == "synthetic" for line in subject.lines)
    assert all(line.judgement.nearest_real in subject.real for line in subject.lines)


def test_a_name_of_nothing_and_a_run_that_is_not_so_far_are_refused(store: MemoryStore) -> None:
    with pytest.raises(NotFound, match="neither a run nor a dataset"):
        read_subject(store, "nothing", DEFAULT_READING)
    store.delete("runs/demo/steps/filter.json")
    with pytest.raises(FailedPrecondition, match="no judged synthetic images yet"):
        read_subject(store, "demo", DEFAULT_READING)
    assert len(read_subject(store, "demo", DEFAULT_READING, as_dataset=True).lines) == 10


def test_the_latest_decision_counts_and_one_that_is_taken_back_is_none(store: MemoryStore, subject: Subject) -> None:
    decided = Decided(store, subject)
    decided.decide("Anna", "a" * 32, [(0, ACCEPTED, 0), (1, ACCEPTED, 0), (2, REJECTED, 0)])
    decided.decide("Ben", "b" * 32, [(1, REJECTED, 0), (2, ACCEPTED, GOOD)])
    decided.decide("Anna", "c" * 32, [(2, UNDECIDED, 0)])
    for known in (decided, Decided(store, subject)):  # in memory, and as a new server reads it
        counts = final(known.reviewers(), 20)
        assert counts.verdict[:4].tolist() == [ACCEPTED, REJECTED, ACCEPTED, UNDECIDED]
        assert counts.label[:3].tolist() == [0, 0, GOOD]
        assert [counts.names[by] for by in counts.by[:3]] == ["Anna", "Ben", "Ben"]


def test_a_batch_is_undone_whole_to_what_was_before(store: MemoryStore, subject: Subject) -> None:
    decided = Decided(store, subject)
    decided.decide("Anna", "a" * 32, [(0, REJECTED, 0), (15, ACCEPTED, DEFECT)])
    decided.decide("Anna", "b" * 32, [(0, ACCEPTED, 0), (1, ACCEPTED, 0), (15, REJECTED, 0)])  # of two datasets
    assert sorted(decided.undo("Anna", "c" * 32)) == [(0, REJECTED, 0), (1, UNDECIDED, 0), (15, ACCEPTED, DEFECT)]
    again = Decided(store, subject)  # after a restart the rest can be undone as well
    assert sorted(again.undo("Anna", "d" * 32)) == [(0, UNDECIDED, 0), (15, UNDECIDED, 0)]
    with pytest.raises(FailedPrecondition, match="nothing to undo"):
        again.undo("Anna", "e" * 32)
    assert Decided(store, subject).reviewer("Anna").verdict.max() == UNDECIDED


def test_a_batch_that_is_sent_twice_counts_once_also_where_half_of_it_was_kept(
    store: MemoryStore, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided = Decided(store, subject)
    batch = [(0, ACCEPTED, 0), (15, REJECTED, 0)]  # two datasets, two objects
    put = store.put

    def full(key: str, data: bytes, *, if_absent: bool = False) -> object:
        if "good" in key:
            raise OSError("the disk is gone")
        return put(key, data, if_absent=if_absent)

    with monkeypatch.context() as patch:
        patch.setattr(store, "put", full)
        with pytest.raises(OSError, match="gone"):
            decided.decide("Anna", "a" * 32, batch)
    for first in (True, False):
        known = decided if first else Decided(store, subject)
        known.decide("Anna", "a" * 32, batch)
        known.decide("Anna", "a" * 32, batch)
        assert known.reviewer("Anna").verdict[[0, 15]].tolist() == [ACCEPTED, REJECTED]
        assert len(known.reviewer("Anna").done) == 1
    assert len(list(store.list("datasets/demo.good.r1.judged/reviews/"))) == 1


@pytest.mark.parametrize("wrong", [(20, 1, 0), (-1, 1, 0), (0, 3, 0), (0, 1, 3), (0, 2, 1), (0, 0, 1), (0, -1, 0)])
def test_what_there_is_not_cannot_be_decided(store: MemoryStore, subject: Subject, wrong: tuple) -> None:
    decided = Decided(store, subject)
    with pytest.raises(InvalidInput):
        decided.decide("Anna", "a" * 32, [(1, ACCEPTED, 0), wrong])
    assert list(store.list("datasets/demo.defect.r1.judged/reviews/")) == []


def test_documents_are_the_datasets_as_decided(store: MemoryStore, subject: Subject) -> None:
    decided = Decided(store, subject)
    decided.decide("Anna", "a" * 32, [(0, ACCEPTED, 0), (1, REJECTED, 0), (2, ACCEPTED, GOOD)])
    decided.decide("Ben", "b" * 32, [(1, ACCEPTED, 0)])
    uris = write_documents(store, subject, decided)
    assert list(uris) == ["demo.defect.r1.judged"]
    before = read_manifest(store, "memory://store/datasets/demo.defect.r1.judged/manifest.jsonl")
    lines = read_manifest(store, uris["demo.defect.r1.judged"])
    assert [(x.judgement.verdict, x.judgement.reviewer, x.label) for x in lines[:3]] == [
        ("accepted", "Anna", "defect"), ("accepted", "Ben", "defect"), ("accepted", "Anna", "good"),
    ]  # fmt: skip
    assert lines[3:] == before[3:]
    kinds = [(one.kind, one.by, len(one.values)) for _, one in list_decisions(store, "demo.defect.r1.judged")]
    assert kinds == [("review", "Anna", 2), ("review", "Ben", 1), ("label", "Anna", 1)]


def test_nothing_new_writes_no_new_document_and_what_is_undone_is_in_none(store: MemoryStore, subject: Subject) -> None:
    decided = Decided(store, subject)
    decided.decide("Anna", "a" * 32, [(0, REJECTED, 0)])
    first = write_documents(store, subject, decided)
    assert write_documents(store, subject, decided) == first
    assert len(list_decisions(store, "demo.defect.r1.judged")) == 1
    decided.undo("Anna", "b" * 32)
    assert write_documents(store, subject, decided) == {}


def test_two_reviewers_at_once_lose_nothing(store: MemoryStore, subject: Subject) -> None:
    from concurrent.futures import ThreadPoolExecutor

    decided = Decided(store, subject)
    with ThreadPoolExecutor(8) as pool:
        tasks = [
            pool.submit(decided.decide, name, f"{place}{row:031x}", [(row, ACCEPTED + (row + place) % 2, 0)])
            for row in range(20)
            for place, name in enumerate(("Anna", "Ben"))
        ]
        for task in tasks:
            task.result()
    again = Decided(store, subject)
    for place, name in enumerate(("Anna", "Ben")):
        assert again.reviewer(name).verdict.tolist() == [ACCEPTED + (row + place) % 2 for row in range(20)]
    assert np.array_equal(final(again.reviewers(), 20).verdict > 0, np.ones(20, bool))
