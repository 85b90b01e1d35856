"""The last step of an experiment: the judgement over all folds, its report and the files beside it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from defectory.datasets.manifest import read_manifest
from defectory.datasets.manifest_line import ManifestLine
from defectory.settings import reading_from_environment
from orchestrator.pipeline.outputs import INGEST, Key, Output, Outputs
from orchestrator.pipeline.step import Inputs, StepContext, StepInputs
from orchestrator.proof import scores
from orchestrator.proof.arms import MoreReal
from orchestrator.proof.judgement import Outcome, Proof, Rules, judge
from orchestrator.proof.keys import folds_of
from orchestrator.proof.openings import open_test, openings_of
from orchestrator.proof.outcomes import ArmOutcome
from orchestrator.proof.reading import read_arms
from orchestrator.proof.spec import ExperimentSpec
from orchestrator.proof.trials import keep_trial, trials_on
from orchestrator.proof.verdict import CAUGHT, COST, Design, Protocol, sentences

OVERKILL = 0.02  # at which the recall is told
PRIMARY: dict[str, scores.Score] = {
    "macro-F1": scores.macro_f1,
    "AUROC": scores.auroc,
    "PR-AUC": scores.average_precision,
}


class Proven(Output):
    """What the experiment says.

    Attributes:
        outcomes: arm -> what may be said of it; all but the reference.
        files: name -> URI, of everything beside the report.
    """

    report_uri: str
    verdict: list[str]
    can_tell: bool
    primary: str
    outcomes: dict[str, Outcome]
    scores: dict[str, dict[str, tuple[float, float, float]]]
    files: dict[str, str]


PROOF = Key("proof", Proven)


def prove_inputs(spec: ExperimentSpec) -> Callable[[StepInputs], Inputs]:
    """The whole spec, and all that was measured."""
    said = spec.model_dump(mode="json", exclude={"data": {"directory", "groups"}})
    return lambda context: {"spec": said, "outputs": context.outputs.as_json()}


def prove(spec: ExperimentSpec) -> Callable[[StepContext], Proven]:
    """Read what all classifiers answered, judge, and write it down."""

    def work(context: StepContext) -> Proven:
        from orchestrator.proof.page import write_report

        store, outputs = context.store, context.outputs
        lines = read_manifest(store, outputs[INGEST].manifest_uri, reading_from_environment())
        openings = open_test(store, spec, lines) if spec.judged_on == "test" else openings_of(store, lines)
        arms = read_arms(store, spec, outputs)
        design = as_tested(design_of(spec, lines), arms[0])
        proof = judged(spec, design, arms, photographs_of(spec, outputs))
        if spec.judged_on == "validation":
            keep_trial(store, spec, lines, proof, design.primary)
        protocol = Protocol(spec, design, openings, trials_on(store, lines), _trained_on(spec, outputs))
        verdict = sentences(proof, protocol)
        files = write_report(store, f"experiments/{spec.name}/", proof, protocol, verdict, outputs[INGEST].drawn)
        return Proven(
            report_uri=files.pop("report.html"),
            verdict=verdict,
            can_tell=proof.can_tell,
            primary=design.primary,
            outcomes={arm: difference.outcome for arm, difference in proof.differences.items()},
            scores={
                arm: {name: (figure.value, figure.low, figure.high) for name, figure in own.items()}
                for arm, own in proof.scores.items()
            },
            files=files,
        )

    return work


def design_of(spec: ExperimentSpec, lines: Sequence[ManifestLine]) -> Design:
    """What is known of the test before anything is trained."""
    good = spec.good
    own = [line for line in lines if not line.origin.augmentation]
    defective = {line.part for line in own if line.label != good}
    return Design(
        photographs=len(own),
        parts=len({line.part for line in own}),
        defective_parts=len(defective),
        primary=spec.primary_of(len(defective)),
    )


def as_tested(design: Design, arm: ArmOutcome) -> Design:
    """The design with the photographs that were really tested: with a shift those of a fold's level."""
    return replace(
        design,
        photographs=sum(len(fold.truth) for fold in arm.folds),
        parts=sum(fold.groups for fold in arm.folds),
        defective_parts=sum(len(np.unique(fold.group[fold.truth > 0])) for fold in arm.folds),
    )


def photographs_of(spec: ExperimentSpec, outputs: Outputs) -> dict[str, float]:
    """Arm of the learning curve -> training photographs, the mean over folds; only arms that have more than another."""
    more = {arm.name: arm for arm in spec.arms if isinstance(arm, MoreReal)}
    folds = [outputs[key] for _, key in folds_of(spec)]
    photographs: dict[str, float] = {}
    for name in spec.learning_curve:
        count = float(np.mean([fold.trained_on(more.get(name)) for fold in folds]))
        if count > max(photographs.values(), default=0):
            photographs[name] = count
    return photographs if len(photographs) > 1 else {}


def judged(spec: ExperimentSpec, design: Design, arms: Sequence[ArmOutcome], photographs: Mapping[str, float]) -> Proof:
    """The judgement, by what the spec fixed.

    Args:
        photographs: see `photographs_of`.
    """
    kinds = sorted({str(kind) for fold in arms[0].folds for kind in fold.kind} - {""})
    wanted: dict[str, scores.Score] = {
        **PRIMARY,
        "macro-F1 at 1/2": scores.macro_f1_of_most_probable,
        "accuracy": scores.accuracy,
        f"recall at {OVERKILL:.0%} overkill": scores.recall_at_overkill(OVERKILL),
        "escape": scores.escape_rate,
        "overkill": scores.overkill_rate,
        COST: scores.cost_of(spec.costs),
        **{CAUGHT + kind: scores.caught_of(kind) for kind in kinds},
    }
    rules = Rules(design.primary, spec.reference, spec.instrument, spec.smallest_gain, spec.controls, photographs)
    return judge(arms, wanted, rules, spec.seed)


def _trained_on(spec: ExperimentSpec, outputs: Outputs) -> list[dict[str, int]]:
    """Photographs of every kind that the arms were trained on, a fold each."""
    return [outputs[key].kinds for _, key in folds_of(spec)]
