"""Synthesis as a job, a dataset of a generator's images; and what a preview of a few of them asks for."""

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import InvalidInput
from defectory.serving.operations.context import JobContext
from services.generator import bundle, synthesis
from services.generator.jobs.messages import arithmetic_of, require, truncation_of
from services.generator.training.device import on_best_device, set_up

MAX_PREVIEW = 64


def plan_synthesis(request: generator_pb2.SynthesizeRequest) -> synthesis.SynthesisSettings:
    """Check a request; InvalidInput names every field that is wrong."""
    require(request.model, "model")
    precision, half_resolutions = arithmetic_of(request)
    psi, cutoff = truncation_of(request)
    chosen = synthesis.SynthesisSettings(
        count=request.count or len(request.seeds),
        seeds=tuple(request.seeds),
        first_seed=request.first_seed,
        truncation_psi=psi,
        truncation_cutoff=cutoff,
        noise_mode=request.noise_mode or "random",  # type: ignore[arg-type]  # checked in the next line
        label=request.class_label,
        restore_size=request.restore_size,
        precision=precision,
        half_resolutions=half_resolutions,
    )
    synthesis.check(chosen, request.dataset)
    return chosen


def plan_preview(request: generator_pb2.PreviewRequest) -> synthesis.SynthesisSettings:
    """Check a request; InvalidInput names every field that is wrong."""
    precision, half_resolutions = arithmetic_of(request)
    psi, cutoff = truncation_of(request)
    chosen = synthesis.SynthesisSettings(
        count=len(request.seeds),
        seeds=tuple(request.seeds),
        truncation_psi=psi,
        truncation_cutoff=cutoff,
        noise_mode=request.noise_mode or "const",  # type: ignore[arg-type]  # checked in the next line
        label=request.class_label,
        precision=precision,
        half_resolutions=half_resolutions,
    )
    wrong = synthesis.problems_of(chosen)
    if not 1 <= chosen.count <= MAX_PREVIEW:
        wrong["seeds"] = f"{chosen.count} seeds: 1 to {MAX_PREVIEW}"
    elif not all(0 <= seed < synthesis.SEED_LIMIT for seed in chosen.seeds):
        wrong["seeds"] = "each from 0 to 2^32 - 1"
    if not request.model:
        wrong["model"] = "required"
    if wrong:
        raise InvalidInput("; ".join(f"{name}: {why}" for name, why in wrong.items()), wrong)
    return chosen


def synthesize(request: generator_pb2.SynthesizeRequest, job: JobContext) -> generator_pb2.SynthesizeResponse:
    """Make the images and write them as a dataset."""
    chosen = plan_synthesis(request)
    generator, card = bundle.load(job.store, request.model)

    def progress(done: int, total: int) -> None:
        job.report("synthesising", done, total, "images")

    uri = synthesis.synthesize(
        job.store, on_best_device(generator, set_up(job.settings)), card, chosen, request.dataset, progress
    )
    return generator_pb2.SynthesizeResponse(manifest_uri=uri, count=chosen.count)
