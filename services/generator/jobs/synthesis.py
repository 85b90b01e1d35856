"""Synthesis as a job: a dataset of a generator's images."""

from defectory.api.generator.v1 import generator_pb2
from defectory.serving.operations.context import JobContext
from services.generator import bundle, synthesis
from services.generator.jobs.messages import psi_of, require
from services.generator.training.device import on_best_device


def plan_synthesis(request: generator_pb2.SynthesizeRequest) -> synthesis.SynthesisSettings:
    """Check a request; InvalidInput names every field that is wrong."""
    require(request.model, "model")
    chosen = synthesis.SynthesisSettings(
        count=request.count or len(request.seeds),
        seeds=tuple(request.seeds),
        first_seed=request.first_seed,
        truncation_psi=psi_of(request),
        noise_mode=request.noise_mode or "random",  # type: ignore[arg-type]  # checked in the next line
        label=request.class_label,
        restore_size=request.restore_size,
    )
    synthesis.check(chosen, request.dataset)
    return chosen


def synthesize(request: generator_pb2.SynthesizeRequest, job: JobContext) -> generator_pb2.SynthesizeResponse:
    """Make the images and write them as a dataset."""
    chosen = plan_synthesis(request)
    generator, card = bundle.load(job.store, request.model)

    def progress(done: int, total: int) -> None:
        job.report("synthesising", done, total, "images")

    uri = synthesis.synthesize(job.store, on_best_device(generator), card, chosen, request.dataset, progress)
    return generator_pb2.SynthesizeResponse(manifest_uri=uri, count=chosen.count)
