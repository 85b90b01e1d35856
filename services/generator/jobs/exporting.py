"""Writing a generator as one file, as a job."""

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import InvalidInput
from defectory.serving.operations.context import JobContext
from services.generator import bundle
from services.generator.exporting import safetensors_file
from services.generator.jobs.messages import require, write_file
from services.generator.training.device import set_up

FORMATS = ("safetensors", "onnx")


def plan_export(request: generator_pb2.ExportGeneratorRequest) -> None:
    """Check a request; InvalidInput names the field that is wrong."""
    require(request.model, "model")
    if request.format not in FORMATS:
        right = f"use {' or '.join(FORMATS)}"
        raise InvalidInput(f"format is {request.format!r}: {right}", {"format": right})


def export_generator(
    request: generator_pb2.ExportGeneratorRequest, job: JobContext
) -> generator_pb2.ExportGeneratorResponse:
    """Write the file, once it is known to be right."""
    plan_export(request)
    set_up(job.settings)
    job.report("reading the model", 0, 1, "files")
    generator, card = bundle.load(job.store, request.model)
    job.report("exporting", 0, 1, "files")
    off = 0
    if request.format == "onnx":
        from services.generator.exporting import onnx_model  # loads ONNX Runtime, which nothing else needs

        data, off = onnx_model.export(generator, card)
    else:
        data = safetensors_file.export(generator, card)
    uri, sha256 = write_file(job, f"{card.name}-{card.version}.{request.format}", data)
    job.report("exporting", 1, 1, "files")
    return generator_pb2.ExportGeneratorResponse(file_uri=uri, sha256=sha256, size_bytes=len(data), grey_levels_off=off)
