"""Before an experiment: what would run, how long it takes, and what its design can never show."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from defectory.datasets.layouts.summary import label_of, summarise
from defectory.datasets.manifest import read_manifest
from defectory.errors import FailedPrecondition, InvalidInput
from defectory.settings import reading_from_environment
from defectory.storage.store import ObjectStore
from orchestrator.pipeline.checks import Concern, concerns, of_synthesis
from orchestrator.pipeline.data_steps import check_labels, recognised
from orchestrator.pipeline.durations import durations, of_looking
from orchestrator.pipeline.estimate import Estimate, estimate
from orchestrator.pipeline.outputs import INGEST, Counts, evaluated
from orchestrator.pipeline.plan import Decision, make_plan
from orchestrator.pipeline.run_record import RunRecord
from orchestrator.proof.arms import Memory, SetDefects
from orchestrator.proof.keys import OF_DEFECTS, prefix_of, validated_by
from orchestrator.proof.line import experiment_line
from orchestrator.proof.proven import design_of
from orchestrator.proof.spec import ExperimentSpec
from orchestrator.proof.verdict import Design, limits


@dataclass(frozen=True)
class Preview:
    """What is known of an experiment before it starts.

    Attributes:
        source: what was recognised at the photographs; see `layouts.summary.summarise`.
        trainings: classifiers that are still to be trained.
        estimate: what all steps take that are still to be done.
    """

    source: Mapping[str, JsonValue]
    plan: Sequence[Decision]
    concerns: Sequence[Concern]
    trainings: int
    estimate: Estimate
    limits: Sequence[str]


def record_of(store: ObjectStore, spec: ExperimentSpec) -> RunRecord:
    """What the experiment remembers.

    Raises:
        FailedPrecondition: a run has the name, and with it the dataset.
    """
    if store.exists(f"runs/{spec.name}/pipeline.json"):
        right = "give the experiment another name"
        raise FailedPrecondition(f"a run is called {spec.name!r}, and its dataset is named alike: {right}")
    return RunRecord(store, spec.name, "experiments")


def preview(store: ObjectStore, spec: ExperimentSpec, *, weights: str, weights_content: str) -> Preview:
    """Look at everything that seconds are enough for.

    Args:
        weights: file that a person named, "starter", or empty. weights_content: what stands for it in a step's inputs.

    Raises:
        InvalidInput, NotFound: there are no photographs that can be compared on.
    """
    settings, record = spec.pipeline, record_of(store, spec)
    source = recognised(spec.data)
    summary = summarise(source, spec.data.labels)
    check_labels(summary["becomes"], 2)
    line = experiment_line(spec)
    plan = make_plan(line, settings, record, store, first="", weights=weights_content)
    labels = Counter(label_of(file.label, source.good, spec.data.labels) for file in source.files)
    if spec.good not in labels:
        right = f"use one of {', '.join(sorted(labels))}, or say with data.good which photographs are good"
        raise InvalidInput(f"no photograph is labelled {spec.good!r}: {right}", {"classifier.good_label": right})
    counts = _fold_counts(spec, labels)
    wanted = {decision.step for decision in plan if decision.action != "skip"}
    of_fold, said = durations(settings, counts), concerns(store, settings, source, counts, weights, in_folds=True)
    if any(isinstance(arm, SetDefects) for arm in spec.arms):
        of_view = settings.generator.model_copy(update={"view": "defect"})
        of_defects = settings.model_copy(update={"generator": of_view})
        of_fold |= {OF_DEFECTS + step: duration for step, duration in durations(of_defects, counts).items()}
        said += [x for x in of_synthesis(of_defects, source, counts, in_folds=True) if x not in said]
    for arm in spec.arms:
        if isinstance(arm, Memory):
            images = sum(sum(of_split.values()) for of_split in counts.values())
            of_fold[arm.name] = of_looking(arm.classifier_settings(settings.classifier), images)
        else:  # as many photographs validate as are tested
            of_fold[validated_by(arm.name).step] = of_fold[evaluated(arm.name).step]
    expected = {INGEST.step: of_fold.pop(INGEST.step)} | {
        prefix_of(number) + step: duration
        for number in range(1, spec.folds + 1) for step, duration in of_fold.items()
    }  # fmt: skip
    trainings = {
        prefix_of(number) + arm.name
        for number in range(1, spec.folds + 1) for arm in spec.arms if not isinstance(arm, Memory)
    }  # fmt: skip
    return Preview(
        source=summary,
        plan=plan,
        concerns=said,
        trainings=spec.seeds * len(wanted & trainings),
        estimate=estimate(store, settings, expected, line, plan, called_in_a_run),
        limits=limits(spec, _design(store, spec, record, labels)),
    )


def called_in_a_run(step: str) -> str:
    """What a run calls a step of an experiment."""
    return re.sub(rf"^fold\d+-({OF_DEFECTS})?", "", step)


def _fold_counts(spec: ExperimentSpec, labels: Mapping[str, int]) -> Counts:
    """split -> label -> images of one fold, as far as it can be known before: the largest training set there is."""
    held_out = {label: round(count / spec.folds) for label, count in labels.items()}
    rest = {label: count - 2 * held_out[label] for label, count in labels.items()}
    return {"train": rest, "validation": held_out, "test": held_out}


def _design(store: ObjectStore, spec: ExperimentSpec, record: RunRecord, labels: Mapping[str, int]) -> Design:
    """The test as ingested; before that every photograph may be a part of its own."""
    ingested = record.step(INGEST)
    if ingested is not None:
        lines = read_manifest(store, ingested.outputs.manifest_uri, reading_from_environment())
        return design_of(spec, lines)
    defective = sum(count for label, count in labels.items() if label != spec.good)
    return Design(sum(labels.values()), sum(labels.values()), defective, spec.primary_of(defective))
