"""Asking the services for generators, synthetic images and verdicts: each request is known by what it depends on."""

from collections.abc import Sequence

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2
from defectory.job_settings.filtering import Filtering
from defectory.job_settings.messages import fill
from orchestrator.pipeline.hashing import input_hash, request_id
from orchestrator.pipeline.methods import FILTER_IMAGES, SYNTHESIZE, TRAIN_GENERATOR
from orchestrator.pipeline.outputs import INGEST, TrainedGenerator
from orchestrator.pipeline.settings import GeneratorSettings
from orchestrator.pipeline.step import StepContext

SEEDS = 2**31  # first seeds of different run seeds lie in [0, SEEDS)
SEED_STRIDE = 1_000_003  # prime, so that runs with neighbouring seeds share no images


def identified(context: StepContext, part: str, request: Message) -> tuple[str, str]:
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


def train(
    context: StepContext, part: str, manifest_uri: str, labels: Sequence[str], settings: GeneratorSettings, initial: str
) -> generator_pb2.Generator:
    """Train on a dataset's images of one label, or one class-conditional generator on those of several.

    Args:
        part: what the generator, and the work on it, are called by.
        initial: "name" or "name/version" to start from, or starter; empty: from nothing.
    """
    if not initial:  # there is nothing yet that were worth keeping
        settings = settings.model_copy(update={"freeze_d": 0})
    request = generator_pb2.TrainGeneratorRequest(
        manifest_uri=manifest_uri,
        label=labels[0] if len(labels) == 1 else "",
        labels=labels if len(labels) > 1 else [],
        name=context.name(part),
        settings=fill(generator_pb2.TrainingSettings(), settings),
        seed=context.settings.seed,
        initial_model=initial,
    )
    request.request_id = identified(context, part, request)[0]
    return context.services.operate(TRAIN_GENERATOR, request, context.reporting(part)).generator


def synthesise(
    context: StepContext, label: str, model: str, number: int, synthesised: int, count: int, kind: str = ""
) -> str:
    """Make a round's images of a label, or crops of one kind of its defects; returns their manifest's URI.

    Args:
        number: of the round. synthesised: images of the rounds before, which took the seeds below.
    """
    request = generator_pb2.SynthesizeRequest(
        model=model,
        count=count,
        first_seed=(context.settings.seed * SEED_STRIDE) % SEEDS + synthesised,
        class_label=kind,
    )
    request = fill(request, context.settings.synthesis)
    parts = [label, kind] if kind else [label]
    request.request_id, digest = identified(context, f"synthesise {' '.join(parts)} {number}", request)
    request.dataset = context.name(*parts, f"r{number}", digest)  # rounds of other settings keep theirs
    return context.services.operate(SYNTHESIZE, request, context.reporting(*parts)).manifest_uri


def judge(
    context: StepContext,
    parts: Sequence[str],
    number: int,
    synthetic_uri: str,
    real_uri: str,
    judge_model: str,
    accepted_uris: Sequence[str],
    rules: Filtering,
) -> filter_pb2.FilterImagesResponse:
    """Have a round's images judged.

    Args:
        parts: label, and kind of crops of a defect: what the images are called by.
        accepted_uris: of the rounds before, with verdicts.
    """
    request = filter_pb2.FilterImagesRequest(
        manifest_uri=synthetic_uri,
        real_manifest_uri=real_uri,
        judge_model=judge_model,
        accepted_manifest_uris=accepted_uris,
    )
    request = fill(request, rules)
    request.request_id, digest = identified(context, f"judge {' '.join(parts)} {number}", request)
    request.dataset = context.name(*parts, f"r{number}", "judged", digest)
    judged = context.services.operate(FILTER_IMAGES, request, context.reporting(*parts))
    for warning in judged.warnings:
        context.warn(warning)  # at once: the same words stand among the run's doubts
    return judged
