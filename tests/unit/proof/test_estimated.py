"""The time before an experiment follows its own schedule, and what runs have shown."""

from pathlib import Path

import pytest

from defectory.storage.memory import MemoryStore
from orchestrator.pipeline import pace
from orchestrator.pipeline.durations import Duration
from orchestrator.pipeline.estimate import in_short
from orchestrator.pipeline.schedule import HIDDEN, elapsed_s
from orchestrator.proof.line import experiment_line
from orchestrator.proof.preview import called_in_a_run, preview
from tests.unit.proof.test_experiment import FOLDS, photographs, spec_of

__all__ = ["photographs"]


def test_generators_of_all_folds_are_trained_one_by_one_beside_the_classifiers(photographs: Path) -> None:
    line = experiment_line(spec_of(photographs, "real", "augmented", "more-real", "filtered"))
    generators = {f"fold{fold}-generators": 1000.0 for fold in range(1, FOLDS + 1)}
    classifiers = {f"fold{fold}-{arm}": 60.0 for fold in range(1, FOLDS + 1) for arm in ("real", "augmented", "judge")}
    last = {f"fold{FOLDS}-filtered": 500.0}
    # All classifiers that need none go on beside the first generators, and what waits for the last one comes behind it.
    expected = 3 * 1000 + (1 - HIDDEN) * 9 * 60 + 500
    assert elapsed_s(line, generators | classifiers | last) == pytest.approx(expected)
    assert elapsed_s(line, classifiers | last) == 9 * 60 + 500, "nothing is beside anything"
    assert elapsed_s(line, generators) == 3000, "one at a time"


def test_what_runs_recorded_on_this_machine_counts_in_every_fold(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CLASSIFIER", "GENERATOR", "FILTER", "EXPLAINER"):
        monkeypatch.delenv(f"DEFECTORY_{name}_ADDRESS", raising=False)
    monkeypatch.setattr(pace, "has_gpu", lambda: False)
    monkeypatch.setattr(pace, "measure", lambda: pace.Speed(values=1.0, macs=1.0))
    monkeypatch.setattr(pace, "slowed", lambda: 1.0)
    generator = {"resolution_px": 32, "kimg": 20, "labels": ["defect"]}
    spec = spec_of(photographs, "real", "augmented", "more-real", "filtered", "defects", generator=generator)
    store = MemoryStore()
    first = preview(store, spec, weights="starter", weights_content="starter").estimate
    of_one = first.seconds["fold1-generators"]
    assert first.total_s < sum(first.seconds.values()) - 100, "classifiers are trained meanwhile"
    assert first.total_s > sum(first.seconds[f"fold{fold}-generators"] for fold in range(1, FOLDS + 1))
    pace.remember(store, "a", {"generators": Duration(of_one, 0)}, {"generators": 3 * of_one}, pace.machine())
    later = preview(store, spec, weights="starter", weights_content="starter").estimate
    assert later.seconds["fold2-generators"] > 1.5 * first.seconds["fold2-generators"]
    assert later.seconds["fold2-set-generators"] > 1.5 * first.seconds["fold2-set-generators"]
    assert in_short(later).count("generators by earlier runs on this machine, the rest by a measurement of it") == 1


def test_what_a_gpu_computes_is_not_guessed_by_the_processor(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "has_gpu", lambda: True)
    spec = spec_of(photographs, "real", "augmented", "more-real", "filtered", generator={"kimg": 20})
    estimate = preview(MemoryStore(), spec, weights="starter", weights_content="starter").estimate
    assert estimate.unknown == [f"fold{fold}-generators" for fold in range(1, FOLDS + 1)]
    assert in_short(estimate).endswith(f"how long {FOLDS} more steps take is not known before")


def test_a_memory_looks_and_trains_nothing_and_the_photographs_are_read_once(photographs: Path) -> None:
    spec = spec_of(photographs, "real", "augmented", "more-real", "memory")
    seconds = preview(MemoryStore(), spec, weights="starter", weights_content="starter").estimate.seconds
    assert seconds["fold1-memory"] < seconds["fold1-real"] / 2
    assert "fold1-ingest" not in seconds
    assert seconds["ingest"] > 0
    assert seconds["fold3-real-validate"] == seconds["fold3-real-evaluate"]


def test_what_generators_would_lose_is_said_only_where_there_are_some(photographs: Path) -> None:
    def concerns(*arms: str) -> str:
        spec = spec_of(photographs, *arms, generator={"resolution_px": 64})
        said = preview(MemoryStore(), spec, weights="starter", weights_content="starter").concerns
        return " ".join(concern.text for concern in said)

    assert "generators make 64 px" in concerns("real", "augmented", "more-real", "filtered")
    assert "generators" not in concerns("real", "augmented", "more-real")


@pytest.mark.parametrize(
    ("step", "called"),
    [("ingest", "ingest"), ("fold12-judge", "judge"), ("fold2-set-filter", "filter"), ("fold3-real", "real")],
)
def test_steps_are_known_by_what_runs_call_them(step: str, called: str) -> None:
    assert called_in_a_run(step) == called
