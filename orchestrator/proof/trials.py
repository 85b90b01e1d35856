"""What was tried on validation: every such experiment leaves what came of it, for the reports of all that follow."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, JsonValue

from defectory.datasets.manifest_line import ManifestLine
from defectory.storage.store import ObjectStore
from orchestrator.proof.judgement import Interval, Proof
from orchestrator.proof.openings import pictures_of, spec_hash
from orchestrator.proof.spec import ExperimentSpec

Figure = tuple[float, float, float]  # value, and its interval


class TriedArm(BaseModel):
    """An arm that was tried.

    Attributes:
        settings: the arm as the spec has it, where it is not the reference.
        score: its primary score. gain: less the reference's.
    """

    model_config = ConfigDict(frozen=True)

    settings: Mapping[str, JsonValue]
    score: Figure
    gain: Figure | None


class Trial(BaseModel):
    """An experiment that was judged on validation."""

    model_config = ConfigDict(frozen=True)

    experiment: str
    spec_hash: str
    tried_utc: datetime
    primary: str
    reference: str
    edits: Mapping[str, JsonValue]
    classifier: Mapping[str, JsonValue]
    arms: Mapping[str, TriedArm]


def keep_trial(
    store: ObjectStore, spec: ExperimentSpec, lines: Sequence[ManifestLine], proof: Proof, primary: str
) -> None:
    """Write down what came of an experiment on validation; the same spec again replaces what it left before."""

    def figure(scores: Mapping[str, Interval]) -> Figure:
        interval = scores[primary]
        return interval.value, interval.low, interval.high

    trial = Trial(
        experiment=spec.name,
        spec_hash=spec_hash(spec),
        tried_utc=datetime.now(UTC).replace(microsecond=0),
        primary=primary,
        reference=spec.reference,
        edits=spec.edits.model_dump(mode="json", exclude_defaults=True),
        classifier=spec.classifier.model_dump(mode="json", exclude_defaults=True),
        arms={
            arm.name: TriedArm(
                settings=arm.model_dump(mode="json", exclude_defaults=True, exclude={"title", "colour"}),
                score=figure(proof.scores[arm.name]),
                gain=figure(proof.gains[arm.name]) if arm.name in proof.gains else None,
            )
            for arm in spec.arms
        },
    )
    key = f"trials/{pictures_of(lines)}/{trial.spec_hash[:32]}.json"
    store.put(key, trial.model_dump_json(indent=1).encode())


def trials_on(store: ObjectStore, lines: Sequence[ManifestLine]) -> list[Trial]:
    """All that was tried on the validation of these photographs, in this store, the earliest first."""
    trials = [Trial.model_validate_json(store.get(info.key)) for info in store.list(f"trials/{pictures_of(lines)}/")]
    return sorted(trials, key=lambda trial: (trial.tried_utc, trial.spec_hash))
