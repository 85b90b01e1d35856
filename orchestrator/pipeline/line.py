"""The line: its steps in their order, made from its arms.

The steps' modules import what their work needs when it begins: commands that only list runs ask for steps' names.
"""

from collections.abc import Iterator, Sequence

from pydantic import BaseModel

from orchestrator.pipeline import classifier_steps, data_steps, edit_steps, review_steps, synthetic_steps
from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.edit_settings import EditSettings
from orchestrator.pipeline.outputs import (
    EDITS,
    EXPLAIN,
    FILTER,
    GENERATORS,
    INGEST,
    JUDGE,
    REPORT,
    REVIEW,
    Edited,
    Ingested,
    Key,
    Reported,
    dataset_of,
    edits_of,
    evaluated,
    trained,
)
from orchestrator.pipeline.report_keys import page_key
from orchestrator.pipeline.step import Inputs, Line, Step, StepContext, StepInputs


def line_of(arms: Sequence[ArmSettings], edits: EditSettings | None = None) -> Line:
    """The steps of a run with these arms: arms on real images, edits, synthesis where an arm takes it, others, report.

    Args:
        arms: the first is what the others are compared with; it takes no synthetic images.
        edits: which edited pictures there are to be; None: none.
    """
    steps: list[Step[BaseModel]] = [ingest_step(), *arm_steps(arms, edits)]
    explained = (INGEST.step, *(arm.name for arm in arms))
    steps.append(Step(EXPLAIN, explained, classifier_steps.explain_inputs, classifier_steps.explain, "explain"))
    return (*steps, Step(REPORT, tuple(step.name for step in steps), _report_inputs, _report))


def ingest_step() -> Step[Ingested]:
    """The step that reads the photographs."""
    return Step(INGEST, (), data_steps.ingest_inputs, data_steps.ingest, "data")


def arm_steps(arms: Sequence[ArmSettings], edits: EditSettings | None = None) -> list[Step[BaseModel]]:
    """What is between photographs and comparison: arms on real images, edits, synthesis where an arm takes it, others.

    Args:
        arms, edits: see `line_of`.
    """
    first = arms[0]
    steps: list[Step[BaseModel]] = []
    for arm in arms:
        if not arm.takes_synthetic and not arm.takes_edited:
            steps += _arm(arm, first)
    if edits is not None and edits.wanted:
        steps.append(_edits(EDITS, edits, first))
    steps += [_edits(edits_of(arm), arm.edits, first) for arm in arms if arm.edits is not None]
    for arm in arms:
        if arm.takes_edited and not arm.takes_synthetic:
            steps += _arm(arm, first)
    if any(arm.takes_synthetic for arm in arms):
        judged = (INGEST.step, first.name, JUDGE.step, GENERATORS.step)
        learnt = (INGEST.step, EDITS.step) if edits is not None and edits.for_generators else (INGEST.step,)
        steps += [
            Step(JUDGE, (INGEST.step, first.name), classifier_steps.judge_inputs, classifier_steps.judge, "classifier"),
            Step(
                GENERATORS,
                learnt,
                synthetic_steps.generators_inputs,
                synthetic_steps.generators(),
                "generator",
                beside=True,
            ),
            Step(FILTER, judged, synthetic_steps.filter_inputs, synthetic_steps.synthesise_and_filter),
        ]
    if any(arm.trains_on == "reviewed" for arm in arms):
        needs = (INGEST.step, FILTER.step)
        steps.append(Step(REVIEW, needs, review_steps.review_inputs, review_steps.review))
    for arm in arms:
        if arm.takes_synthetic:
            steps += _arm(arm, first)
    return steps


def _edits(key: Key[Edited], settings: EditSettings, first: ArmSettings) -> Step[Edited]:
    needs = (INGEST.step, first.name) if settings.around == "heat" else (INGEST.step,)
    return Step(key, needs, edit_steps.edits_inputs(settings), edit_steps.edits(key.step, settings), "edits")


def _arm(arm: ArmSettings, first: ArmSettings) -> Iterator[Step[BaseModel]]:
    """An arm's own steps: its training images where they are others, its classifier, and how good that is."""
    needs = [INGEST.step] if arm is first or arm.has_own_start else [INGEST.step, first.name]
    if arm.has_own_dataset:
        images = dataset_of(arm.name)
        added = [FILTER.step] * arm.takes_synthetic + [edits_of(arm).step] * arm.takes_edited
        added += [REVIEW.step] * (arm.trains_on == "reviewed")
        yield Step(images, (INGEST.step, *added), data_steps.arm_dataset_inputs(arm), data_steps.arm_dataset(arm))
        needs.append(images.step)
    classifier = trained(arm.name)
    yield Step(classifier, tuple(needs), classifier_steps.train_inputs(arm), classifier_steps.train(arm), "classifier")
    yield Step(
        evaluated(arm.name),
        (INGEST.step, classifier.step),
        classifier_steps.evaluate_inputs(arm),
        classifier_steps.evaluate(arm),
    )


def _report_inputs(context: StepInputs) -> Inputs:
    return {
        "settings": context.settings.model_dump(mode="json", exclude={"data": {"directory", "groups"}}),
        **context.outputs.as_json(),
    }


def _report(context: StepContext) -> Reported:
    from orchestrator.report import replace_report

    report, earlier_uri = replace_report(context.store, context.run)
    report_uri = context.store.uri(page_key(context.run))
    return Reported(report_uri=report_uri, summary=report.summary, earlier_uri=earlier_uri)
