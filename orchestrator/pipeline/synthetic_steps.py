"""Steps that make synthetic images: one generator a label, then rounds of synthesis and filtering to the quotas."""

import math
from collections.abc import Sequence

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.datasets.manifest import content_hash, read_manifest, write_dataset
from defectory.errors import InvalidInput
from defectory.job_settings.messages import fill
from defectory.settings import reading_from_environment
from orchestrator.edits.making import combined
from orchestrator.pipeline.accepted import warnings_of
from orchestrator.pipeline.hashing import input_hash, request_id
from orchestrator.pipeline.methods import FILTER_IMAGES, SYNTHESIZE, TRAIN_GENERATOR
from orchestrator.pipeline.outputs import (
    EDITS,
    GENERATORS,
    INGEST,
    JUDGE,
    Filtered,
    FilteredLabel,
    Generators,
    Round,
    TrainedGenerator,
)
from orchestrator.pipeline.settings import PipelineSettings
from orchestrator.pipeline.step import Inputs, StepContext, StepInputs

MIN_ACCEPTANCE = 0.1  # rounds are not planned for less: a generator that bad is not saved by asking for more
MAX_ROUND = 4  # largest round, in multiples of the quota
SEEDS = 2**31  # first seeds of different run seeds lie in [0, SEEDS)
SEED_STRIDE = 1_000_003  # prime, so that runs with neighbouring seeds share no images


def labels_of(context: StepInputs) -> list[str]:
    """Labels that get a generator.

    Raises:
        InvalidInput: the settings name a label that no training image has.
    """
    return check_labels_of(context.settings, sorted(context.outputs[INGEST].counts.get("train", {})))


def check_labels_of(settings: PipelineSettings, present: Sequence[str]) -> list[str]:
    """Labels that get a generator, of those that training images have.

    Raises:
        InvalidInput: the settings name another one.
    """
    wanted = list(settings.generator.labels or present)
    unknown = sorted({*wanted, *settings.synthesis.quotas, *settings.generator.initial_models} - set(present))
    if unknown:
        right = f"the training images have {', '.join(present)}"
        raise InvalidInput(
            f"there are no training images of {', '.join(unknown)}: {right}", {"generator.labels": right}
        )
    return wanted


def start_label(context: StepInputs) -> str:
    """The label that is trained first and that the others start from; empty: each starts from nothing.

    Few images of a defect do not show what a part looks like; the many of good ones do.
    """
    labels, wanted = labels_of(context), context.settings.generator.start_label
    check_start_label(context.settings, labels)
    if wanted != "auto":
        return wanted
    counts = context.outputs[INGEST].counts["train"]
    return max(labels, key=lambda label: counts[label])


def check_start_label(settings: PipelineSettings, labels: Sequence[str]) -> None:
    """InvalidInput where the label that the others shall start from gets no generator."""
    wanted = settings.generator.start_label
    if wanted and wanted != "auto" and wanted not in (settings.generator.labels or labels):
        right = f"use auto, nothing, or one of {', '.join(labels)}"
        raise InvalidInput(f"start_label {wanted!r} gets no generator: {right}", {"generator.start_label": right})


def quota(context: StepInputs, label: str) -> int:
    """Accepted images wanted of a label."""
    return context.settings.synthesis.quotas.get(label, context.settings.synthesis.quota)


def generators_inputs(context: StepInputs) -> Inputs:
    """The training images, labels, settings and seed."""
    edited: Inputs = {"edits": context.outputs[EDITS].content_hash} if context.settings.edits.for_generators else {}
    return {
        **edited,
        "real": context.outputs[INGEST].content_hash,
        "manifest": context.outputs[INGEST].manifest_uri,
        "labels": labels_of(context),
        "settings": context.settings.generator.model_dump(exclude={"labels"}),
        "seed": context.settings.seed,
    }


def generators(context: StepContext) -> Generators:
    """Train one generator a label."""
    outputs: dict[str, TrainedGenerator] = {}
    given = context.settings.generator.initial_models
    first = start_label(context)
    manifest_uri = _learnt_from(context)
    for label in sorted(labels_of(context), key=lambda label: label != first):  # sorted is stable: only `first` moves
        settings = context.settings.generator
        initial = given.get(label, "")
        if first in outputs and not initial:
            initial = outputs[first].full_name
            settings = settings.model_copy(update={"kimg": settings.transfer_kimg or settings.kimg})
        initial = initial or settings.start
        if not initial:  # there is nothing yet that were worth keeping
            settings = settings.model_copy(update={"freeze_d": 0})
        request = generator_pb2.TrainGeneratorRequest(
            manifest_uri=manifest_uri,
            label=label,
            name=context.name(label),
            settings=fill(generator_pb2.TrainingSettings(), settings),
            seed=context.settings.seed,
            initial_model=initial,
        )
        request.request_id = _identified(context, label, request)[0]
        generator = context.services.operate(TRAIN_GENERATOR, request, context.reporting(label)).generator
        for leak in generator.leaks:
            context.warn(f"{label}: an augmentation leaked into its images, {leak}")
        outputs[label] = trained_generator(generator)
    return Generators(outputs)


def _learnt_from(context: StepContext) -> str:
    """The manifest that generators learn from: the photographs, and where it is wanted the edited pictures."""
    real_uri = context.outputs[INGEST].manifest_uri
    if not context.settings.edits.for_generators:
        return real_uri
    lines, _ = combined(context.store, real_uri, [context.outputs[EDITS].manifest_uri])
    card = {"run": context.run, "parents": [context.outputs[INGEST].dataset], "purpose": GENERATORS.step}
    return write_dataset(context.store, context.name(GENERATORS.step, context.input_hash[:8]), lines, card)


def _identified(context: StepContext, part: str, request: Message) -> tuple[str, str]:
    """(id, short digest) of an operation by what it depends on: a setting of something else does not repeat it."""
    asked = MessageToDict(request, preserving_proto_field_name=True)
    inputs = {"real": context.outputs[INGEST].content_hash, "request": asked}
    hash_ = input_hash(context.step, inputs, context.store.url)
    return request_id(context.step, hash_, part, context.forced), hash_[:8]


def trained_generator(generator: generator_pb2.Generator) -> TrainedGenerator:
    """What a run remembers of a generator."""
    return TrainedGenerator(
        name=generator.name,
        version=generator.version,
        kimg=generator.kimg,
        augment_p=generator.augment_p,
        sample_uri=generator.sample_uri,
        shipped_kimg=generator.shipped_kimg,
        shipped_reason=generator.shipped_reason,
        leaks=list(generator.leaks),
        weights_sha256=generator.weights_sha256,
        card_uri=generator.card_uri,
    )


def filter_inputs(context: StepInputs) -> Inputs:
    """The generators, the judge, quotas and rules."""
    return {
        "real": context.outputs[INGEST].content_hash,
        "manifest": context.outputs[INGEST].manifest_uri,
        "judge": context.outputs[JUDGE].identity(),
        "generators": {label: generator.identity() for label, generator in context.outputs[GENERATORS].root.items()},
        "synthesis": context.settings.synthesis.model_dump(),
        "filter": context.settings.filter.model_dump(exclude={"judge_cycles"}),
        "seed": context.settings.seed,
    }


def synthesise_and_filter(context: StepContext) -> Filtered:
    """For every label: make images, have them judged, and make more until the quota is met."""
    outputs: dict[str, FilteredLabel] = {}
    for label, generator in context.outputs[GENERATORS].root.items():
        filtered = outputs[label] = _rounds(context, label, generator.full_name, quota(context, label))
        for warning in warnings_of(label, filtered):
            context.warn(warning)
    return Filtered(outputs)


def _rounds(context: StepContext, label: str, model: str, wanted: int) -> FilteredLabel:
    rounds: list[Round] = []
    accepted = synthesised = 0
    while accepted < wanted and len(rounds) < context.settings.synthesis.max_rounds:
        count = round_size(wanted, accepted, synthesised, context.settings.synthesis.surplus)
        number = len(rounds) + 1
        synthetic_uri = _synthesise(context, label, model, number, synthesised, count)
        judged = _judge(context, label, number, synthetic_uri, [one.manifest_uri for one in rounds])
        lines = read_manifest(context.store, judged.manifest_uri, reading_from_environment())
        rounds.append(
            Round(
                synthetic_manifest_uri=synthetic_uri,
                manifest_uri=judged.manifest_uri,
                content_hash=content_hash(lines),
                verdicts=dict(judged.verdicts),
                reasons=dict(judged.reasons),
                curve_uri=judged.curve_uri,
            )
        )
        synthesised += count
        accepted += judged.verdicts.get("accepted", 0)
    return FilteredLabel(rounds=rounds, quota=wanted, accepted=accepted)


def round_size(wanted: int, accepted: int, synthesised: int, surplus: float) -> int:
    """Images to make in the next round: with surplus at first, then what the acceptance so far says, a tenth more."""
    if synthesised == 0:
        return math.ceil(wanted * surplus)
    acceptance = max(accepted / synthesised, MIN_ACCEPTANCE)
    return min(math.ceil(1.1 * (wanted - accepted) / acceptance), MAX_ROUND * wanted)


def _synthesise(context: StepContext, label: str, model: str, number: int, synthesised: int, count: int) -> str:
    request = generator_pb2.SynthesizeRequest(
        model=model, count=count, first_seed=(context.settings.seed * SEED_STRIDE) % SEEDS + synthesised
    )
    request = fill(request, context.settings.synthesis)
    request.request_id, digest = _identified(context, f"synthesise {label} {number}", request)
    request.dataset = context.name(label, f"r{number}", digest)  # rounds of other settings keep theirs
    return context.services.operate(SYNTHESIZE, request, context.reporting(label)).manifest_uri


def _judge(
    context: StepContext, label: str, number: int, synthetic_uri: str, accepted_uris: list[str]
) -> filter_pb2.FilterImagesResponse:
    request = filter_pb2.FilterImagesRequest(
        manifest_uri=synthetic_uri,
        real_manifest_uri=context.outputs[INGEST].manifest_uri,
        judge_model=context.outputs[JUDGE].full_name,
        accepted_manifest_uris=accepted_uris,
    )
    request = fill(request, context.settings.filter)
    request.request_id, digest = _identified(context, f"judge {label} {number}", request)
    request.dataset = context.name(label, f"r{number}", "judged", digest)
    judged = context.services.operate(FILTER_IMAGES, request, context.reporting(label))
    for warning in judged.warnings:
        context.warn(warning)
    return judged
