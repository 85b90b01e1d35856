"""The step of an arm that trains nothing: good parts are remembered, and others scored by their distance."""

from collections.abc import Callable

from google.protobuf.json_format import MessageToDict

from defectory.api.classifier.v1 import classifier_pb2
from defectory.job_settings.messages import fill
from orchestrator.pipeline.classifier_steps import first_start, training_settings
from orchestrator.pipeline.methods import SCORE_ANOMALIES
from orchestrator.pipeline.outputs import ScoredByMemory, trained
from orchestrator.pipeline.step import Inputs, Step, StepContext, StepInputs
from orchestrator.proof.arms import Memory
from orchestrator.proof.keys import FOLD, remembered
from orchestrator.proof.spec import ExperimentSpec


def memory_step(spec: ExperimentSpec, arm: Memory) -> Step[ScoredByMemory]:
    """Its needs are a fold's photographs, and the first arm, whose base's weights it has."""
    needs = (FOLD.step, trained(spec.arms[0].name).step)
    return Step(remembered(arm.name), needs, _inputs(spec, arm), _work(spec, arm))


def _splits(spec: ExperimentSpec) -> list[str]:
    """A trial never looks at the test."""
    return ["validation"] if spec.judged_on == "validation" else ["validation", "test"]


def _request(spec: ExperimentSpec, arm: Memory, context: StepInputs) -> classifier_pb2.ScoreAnomaliesRequest:
    """All that the scores depend on, and where they are written."""
    request = classifier_pb2.ScoreAnomaliesRequest(
        manifest_uri=context.outputs[FOLD].manifest_uri,
        splits=_splits(spec),
        settings=training_settings(arm.classifier_settings(context.settings.classifier), 0, first_start(context)),
        cycles=spec.seeds,
        seed=context.settings.seed,
        output_prefix=f"anomalies/{context.settings.name}.{arm.name}",
    )
    return fill(request, spec.memory)


def _inputs(spec: ExperimentSpec, arm: Memory) -> Callable[[StepInputs], Inputs]:
    def inputs(context: StepInputs) -> Inputs:
        request = _request(spec, arm, context)
        return {
            **MessageToDict(request, preserving_proto_field_name=True),
            "dataset": context.outputs[FOLD].content_hash,
            "start": {"as": first_start(context), "file": context.weights},
        }

    return inputs


def _work(spec: ExperimentSpec, arm: Memory) -> Callable[[StepContext], ScoredByMemory]:
    def work(context: StepContext) -> ScoredByMemory:
        request = _request(spec, arm, context)
        request.request_id = context.request_id()
        response = context.services.operate(SCORE_ANOMALIES, request, context.on_report)
        return ScoredByMemory(evaluation_uris=dict(response.evaluation_uris))

    return work
