"""The steps of an experiment: the photographs once, then in every fold the line's own steps, then the proof."""

import math
from collections.abc import Iterator
from dataclasses import replace

from pydantic import BaseModel

from orchestrator.pipeline.classifier_steps import evaluate, evaluate_inputs, steps_per_epoch
from orchestrator.pipeline.line import arm_steps, ingest_step
from orchestrator.pipeline.outputs import INGEST, Key, OfStep, dataset_of, evaluated, trained
from orchestrator.pipeline.settings import PipelineSettings
from orchestrator.pipeline.step import Inputs, Line, Step, StepContext, StepInputs
from orchestrator.proof.arms import MoreReal
from orchestrator.proof.fold import Fold, all_photographs, all_photographs_inputs, fold, fold_inputs
from orchestrator.proof.keys import FOLD, prefix_of, validated_by
from orchestrator.proof.proven import PROOF, prove, prove_inputs
from orchestrator.proof.spec import ExperimentSpec


def experiment_line(spec: ExperimentSpec) -> Line:
    """All steps, the proof last."""
    steps: list[Step[BaseModel]] = [ingest_step()]
    for number in range(1, spec.folds + 1):
        steps += _fold_steps(spec, number)
    needs = tuple(step.name for step in steps)
    return (*steps, Step(PROOF, needs, prove_inputs(spec), prove(spec)))


def _fold_steps(spec: ExperimentSpec, number: int) -> Iterator[Step[BaseModel]]:
    arms = spec.pipeline.arms
    whole = {dataset_of(arm.name).step: arm for arm in arms if isinstance(arm, MoreReal)}
    on_test = {evaluated(arm.name).step for arm in arms} if spec.judged_on == "validation" else set()
    yield Step(
        Key(prefix_of(number) + FOLD.step, Fold), (INGEST.step,), fold_inputs(spec, number), fold(spec, number), "data"
    )
    for step in arm_steps(arms, spec.edits):
        if step.name in whole:
            step = replace(step, inputs=all_photographs_inputs(FOLD), work=all_photographs(FOLD), needs=(FOLD.step,))
        if step.name not in on_test:
            yield in_fold(step, number)
    for arm in arms:
        inputs, work = evaluate_inputs(arm, "validation"), evaluate(arm, "validation")
        yield in_fold(Step(validated_by(arm.name), (FOLD.step, trained(arm.name).step), inputs, work), number)


def in_fold(step: Step[OfStep], number: int) -> Step[OfStep]:
    """A step of the line that sees a fold's outputs only, as if there were no others."""
    prefix = prefix_of(number)

    def inputs(context: StepInputs) -> Inputs:
        outputs = context.outputs.below(prefix)
        settings = _settings(context, number)
        return step.inputs(StepInputs(settings, context.weights, outputs, context.store))

    def work(context: StepContext) -> OfStep:
        settings, outputs = _settings(context, number), context.outputs.below(prefix)
        return step.work(replace(context, settings=settings, outputs=outputs))

    needs = tuple(prefix + name for name in step.needs)
    return Step(Key(prefix + step.name, step.key.model), needs, inputs, work, step.section)


def _settings(context: StepInputs, number: int) -> PipelineSettings:
    """The line's settings in a fold: its name, and as many optimiser steps as show the largest training set once."""
    settings = context.settings.model_copy(update={"name": f"{context.settings.name}-f{number}"})
    outputs = context.outputs.below(prefix_of(number))
    classifier = settings.classifier
    if classifier.steps_per_epoch or FOLD not in outputs:
        return settings
    steps = steps_per_epoch(StepInputs(settings, context.weights, outputs, context.store))
    if any(isinstance(arm, MoreReal) for arm in settings.arms):
        everything = sum(outputs[FOLD].all_counts.get("train", {}).values())
        steps = max(steps, math.ceil(everything / classifier.batch))
    return settings.model_copy(update={"classifier": classifier.model_copy(update={"steps_per_epoch": steps})})
