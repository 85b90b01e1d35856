"""The steps of an experiment: the photographs once, then in every fold the line's own steps, then the proof."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from pydantic import BaseModel

from orchestrator.pipeline.arms import ArmSettings
from orchestrator.pipeline.classifier_steps import evaluate, evaluate_inputs, steps_per_epoch
from orchestrator.pipeline.data_steps import arm_dataset
from orchestrator.pipeline.edit_settings import EditSettings
from orchestrator.pipeline.edit_steps import edits as make_edits
from orchestrator.pipeline.line import arm_steps, ingest_step
from orchestrator.pipeline.outputs import (
    FILTER,
    GENERATORS,
    INGEST,
    JUDGE,
    REVIEW,
    Key,
    OfStep,
    Outputs,
    dataset_of,
    edits_of,
    evaluated,
    trained,
)
from orchestrator.pipeline.settings import PipelineSettings
from orchestrator.pipeline.step import Inputs, Line, Step, StepContext, StepInputs
from orchestrator.pipeline.synthetic_steps import generators
from orchestrator.proof.arms import Memory, MoreReal, SetDefects
from orchestrator.proof.fold import Fold, fold, fold_inputs, more_photographs, more_photographs_inputs
from orchestrator.proof.keys import FOLD, OF_DEFECTS, prefix_of, validated_by
from orchestrator.proof.memory_steps import memory_step
from orchestrator.proof.proven import PROOF, prove, prove_inputs
from orchestrator.proof.spec import ExperimentSpec

OF_A_VIEW = frozenset(key.step for key in (JUDGE, GENERATORS, FILTER, REVIEW))  # what is there once for each view


def experiment_line(spec: ExperimentSpec) -> Line:
    """All steps, the proof last. All folds are divided first: what is wrong with one shows before hours of another."""
    numbers = range(1, spec.folds + 1)
    steps: list[Step[BaseModel]] = [ingest_step(), *(_dividing(spec, number) for number in numbers)]
    for number in numbers:
        steps += _fold_steps(spec, number)
    needs = tuple(step.name for step in steps)
    return (*steps, Step(PROOF, needs, prove_inputs(spec), prove(spec)))


def _dividing(spec: ExperimentSpec, number: int) -> Step[Fold]:
    """The step that writes a fold's documents."""
    return Step(
        Key(prefix_of(number) + FOLD.step, Fold), (INGEST.step,), fold_inputs(spec, number), fold(spec, number), "data"
    )


def _fold_steps(spec: ExperimentSpec, number: int) -> Iterator[Step[BaseModel]]:
    arms = spec.pipeline.arms
    trained_ones = [arm for arm in arms if not isinstance(arm, Memory)]
    on_test = {evaluated(arm.name).step for arm in arms} if spec.judged_on == "validation" else set()
    steps = _arm_steps([arm for arm in trained_ones if not isinstance(arm, SetDefects)], spec.edits)
    for step in [*steps, *_steps_of_defects(trained_ones)]:
        if step.name not in on_test:
            yield in_fold(step, number)
    for arm in trained_ones:
        inputs, work = evaluate_inputs(arm, "validation"), evaluate(arm, "validation")
        yield in_fold(Step(validated_by(arm.name), (FOLD.step, trained(arm.name).step), inputs, work), number)
    for arm in arms:
        if isinstance(arm, Memory):
            yield in_fold(memory_step(spec, arm), number)


def _arm_steps(arms: Sequence[ArmSettings], edits: EditSettings | None = None) -> Iterator[Step[BaseModel]]:
    """The line's steps of the arms, save how some get what they are trained on, and that one that lacks it goes on."""
    by_dataset = {dataset_of(arm.name).step: arm for arm in arms}
    edited = {edits_of(arm).step: arm.edits or edits for arm in arms if arm.takes_edited}
    for step in arm_steps(arms, edits):
        arm = by_dataset.get(step.name)
        if isinstance(arm, MoreReal):
            work = more_photographs(arm, FOLD)
            yield replace(step, inputs=more_photographs_inputs(arm, FOLD), work=work, needs=(FOLD.step,))
        elif arm is not None and arm.takes_synthetic:
            yield replace(step, work=arm_dataset(arm, may_lack=True))
        elif of_edits := edited.get(step.name):
            yield replace(step, work=make_edits(step.name, of_edits, may_lack=True))
        elif step.name == GENERATORS.step:
            yield replace(step, work=generators(may_lack=True))
        else:
            yield step


def _steps_of_defects(arms: Sequence[ArmSettings]) -> Iterator[Step[BaseModel]]:
    """Steps of the arms on defects that are set into real parts: generators, a judge and a filter of their own."""
    own = [arm for arm in arms if isinstance(arm, SetDefects)]
    if own:
        first = {trained(arms[0].name).step, evaluated(arms[0].name).step, dataset_of(arms[0].name).step}
        yield from (_of_defects(step) for step in _arm_steps([arms[0], *own]) if step.name not in first)


def _of_defects(step: Step[OfStep]) -> Step[OfStep]:
    """A step of the line whose generators learn defects, whatever the experiment's do."""

    def seen(context: StepInputs) -> tuple[PipelineSettings, Outputs]:
        settings, generator = context.settings, context.settings.generator.model_copy(update={"view": "defect"})
        edits = settings.edits.model_copy(update={"for_generators": False})
        name = settings.name if step.name not in OF_A_VIEW else f"{settings.name}-{OF_DEFECTS.rstrip('-')}"
        changed = settings.model_copy(update={"generator": generator, "edits": edits, "name": name})
        return changed, context.outputs.preferring(OF_DEFECTS)

    return _through(step, _in_view, seen)


def _in_view(step: str) -> str:
    return OF_DEFECTS + step if step in OF_A_VIEW else step


def in_fold(step: Step[OfStep], number: int) -> Step[OfStep]:
    """A step of the line that sees a fold's outputs only, as if there were no others."""
    prefix = prefix_of(number)
    return _through(
        step,
        lambda name: prefix + name,
        lambda context: (_settings(context, number), context.outputs.below(prefix)),
    )


def _through(
    step: Step[OfStep],
    called: Callable[[str], str],
    seen: Callable[[StepInputs], tuple[PipelineSettings, Outputs]],
) -> Step[OfStep]:
    """A step under another name, which sees other settings and outputs.

    Args:
        called: a step's name in the line -> the name here.
    """

    def inputs(context: StepInputs) -> Inputs:
        settings, outputs = seen(context)
        return step.inputs(StepInputs(settings, context.weights, outputs, context.store))

    def work(context: StepContext) -> OfStep:
        settings, outputs = seen(context)
        return step.work(replace(context, settings=settings, outputs=outputs))

    needs = tuple(map(called, step.needs))
    return Step(Key(called(step.name), step.key.model), needs, inputs, work, step.section, step.beside)


def _settings(context: StepInputs, number: int) -> PipelineSettings:
    """The line's settings in a fold: its name, and as many optimiser steps as show the largest training set once."""
    settings = context.settings.model_copy(update={"name": f"{context.settings.name}-f{number}"})
    outputs = context.outputs.below(prefix_of(number))
    classifier = settings.classifier
    if classifier.steps_per_epoch or FOLD not in outputs:
        return settings
    steps = steps_per_epoch(StepInputs(settings, context.weights, outputs, context.store))
    for arm in settings.arms:
        if isinstance(arm, MoreReal):
            steps = max(steps, math.ceil(outputs[FOLD].trained_on(arm) / classifier.batch))
    return settings.model_copy(update={"classifier": classifier.model_copy(update={"steps_per_epoch": steps})})
