"""What people decide is what the expanded training uses, exactly; nothing that does not depend on it changes."""

from collections.abc import Mapping

import pytest

from bench.reviewable import write_reviewable
from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.storage.memory import MemoryStore
from orchestrator.pipeline import data_steps, review_steps
from orchestrator.pipeline.arms import DEFAULT_ARMS
from orchestrator.pipeline.known_inputs import KnownInputs
from orchestrator.pipeline.line import line_of
from orchestrator.pipeline.outputs import FILTER, INGEST, JUDGE, Outputs, Reviewed
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.pipeline.settings import PipelineSettings, resolve
from orchestrator.pipeline.step import StepContext
from orchestrator.review.decided import ACCEPTED, REJECTED, Decided
from orchestrator.review.subject import Subject, subject_of

EXPANDED = DEFAULT_ARMS[1]
DEFECT = 1  # a label as decisions name it


@pytest.fixture(scope="module")
def written() -> MemoryStore:
    store = MemoryStore()
    write_reviewable(store, "demo", 20, photographs=3, size_px=32)
    return store


@pytest.fixture
def store(written: MemoryStore) -> MemoryStore:
    store = MemoryStore()
    for info in written.list():
        store.put(info.key, written.get(info.key))
    return store


def settings(**values: object) -> PipelineSettings:
    return resolve({"name": "demo", "data": {"directory": "photos"}, **values}, {})


def context(store: MemoryStore, chosen: PipelineSettings) -> StepContext:
    record = RunRecord(store, "demo")
    outputs = Outputs({})
    for key in (INGEST, JUDGE, FILTER):
        remembered = record.step(key)
        assert remembered is not None
        outputs.add(key.step, remembered.outputs)

    def none(*_: object) -> None:
        raise AssertionError("no service is asked, and nothing is warned of")

    return StepContext(chosen, "", outputs, store, none, none, none, "review", "0", 0)  # type: ignore[arg-type]


def trained_on(
    store: MemoryStore, chosen: PipelineSettings | None = None
) -> tuple[list[ManifestLine], Mapping[str, object], Reviewed]:
    """(the expanded arm's synthetic lines, what they depend on, what was reviewed)"""
    at = context(store, chosen or settings())
    reviewed = review_steps.review(at)
    at.outputs.add("review", reviewed)
    dataset = data_steps.arm_dataset(EXPANDED)(at)
    lines = [line for line in read_manifest(store, dataset.manifest_uri) if line.origin.kind == "synthetic"]
    return lines, data_steps.arm_dataset_inputs(EXPANDED)(at), reviewed


def subject(store: MemoryStore) -> Subject:
    outputs = context(store, settings()).outputs
    return subject_of(store, "demo", outputs[INGEST], outputs[FILTER])


def decide(store: MemoryStore, *decisions: tuple[int, int, int]) -> Subject:
    of = subject(store)
    Decided(store, of).decide("Anna", "a" * 32, decisions)
    return of


def test_without_decisions_it_is_what_the_filter_accepted(store: MemoryStore) -> None:
    lines, inputs, reviewed = trained_on(store)
    accepted = {x.file.sha256 for x in subject(store).lines if x.judgement.verdict == "accepted"}
    assert {line.file.sha256 for line in lines} == accepted
    assert reviewed == Reviewed()
    assert "review" not in inputs, "a run of before the review trains nothing anew"


def test_it_is_exactly_what_people_decided_and_what_the_filter_said_of_the_rest(store: MemoryStore) -> None:
    before = subject(store).lines
    wrong = [row for row, line in enumerate(before) if line.judgement.verdict == "rejected"][:2]
    right = [row for row, line in enumerate(before) if line.judgement.verdict == "accepted" and row not in (0, 19)]
    out, moved = right[0], next(row for row in right[1:] if before[row].label == "good")
    decide(store, *((row, ACCEPTED, 0) for row in wrong), (out, REJECTED, 0), (moved, ACCEPTED, DEFECT))
    lines, inputs, reviewed = trained_on(store)

    rest = {x.file.sha256 for row, x in enumerate(before) if x.judgement.verdict == "accepted" and row != out}
    quotas = context(store, settings()).outputs[FILTER].root
    for label in ("defect", "good"):  # of each generator no more than wanted, unless people accepted more
        wanted = [x for x in lines if x.synthesis and x.synthesis.generator == f"demo.{label}.r1/1"]
        assert len(wanted) == quotas[label].quota
    shas = {line.file.sha256: line for line in lines}
    assert {before[row].file.sha256 for row in (*wrong, moved)} <= shas.keys()
    assert before[out].file.sha256 not in shas
    assert shas.keys() <= rest | {before[row].file.sha256 for row in wrong}
    assert shas[before[moved].file.sha256].label == "defect"
    assert {shas[before[row].file.sha256].judgement.reviewer for row in wrong} == {"Anna"}
    assert inputs["review"] == reviewed.documents
    (anna,) = reviewed.reviewers
    assert (anna.accepted, anna.rejected, anna.relabelled, anna.overruled) == (2, 1, 1, 3)


def test_all_that_people_accept_is_in_also_beyond_the_quota(store: MemoryStore) -> None:
    decide(store, *((row, ACCEPTED, 0) for row in range(20)))
    assert len(trained_on(store)[0]) == 20


def test_no_review_goes_on_with_the_filters_verdict(store: MemoryStore) -> None:
    before, inputs, _ = trained_on(store)
    decide(store, *((row, REJECTED, 0) for row in range(0, 20, 2)))
    lines, again, reviewed = trained_on(store, settings(review=False))
    assert (lines, again, reviewed) == (before, inputs, Reviewed())


def test_decisions_repeat_the_review_and_only_what_depends_on_it(store: MemoryStore) -> None:
    def hashed() -> str:
        return KnownInputs.of("review", review_steps.review_inputs(context(store, settings())), store.url).hash

    before = hashed()
    assert hashed() == before
    decide(store, (0, REJECTED, 0))
    assert hashed() != before
    depends = {"review"}
    for step in line_of(settings().arms):
        if depends & set(step.needs):
            depends.add(step.name)
    assert depends == {"review", "expanded-dataset", "expanded", "expanded-evaluate", "explain", "report"}


def test_an_arm_on_filtered_images_never_sees_a_review(store: MemoryStore) -> None:
    arms = ["baseline", {"name": "filtered", "trains_on": "filtered"}]
    line = line_of(settings(arms=arms).arms)
    assert "review" not in [step.name for step in line]
