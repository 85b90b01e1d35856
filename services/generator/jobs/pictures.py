"""Films and grids of mixtures, as jobs."""

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import InvalidInput
from defectory.imaging import encode_png
from defectory.job_settings.messages import read
from defectory.job_settings.rendering import Rendering
from defectory.serving.operations.context import JobContext
from defectory.storage import ObjectStore
from services.generator import bundle, interpolation, mixing, mp4, video
from services.generator.interpolation import InterpolationSettings
from services.generator.jobs.messages import require, write_file
from services.generator.mixing import MixSettings
from services.generator.training.device import on_best_device, set_up

FORMATS = ("webp", "mp4")
DEFAULT_FRAMES, DEFAULT_FPS = 60, 24.0


def plan_interpolation(request: generator_pb2.InterpolateRequest, store: ObjectStore) -> InterpolationSettings:
    """Check a request.

    Raises:
        InvalidInput: names every field that is wrong. NotFound: the model. FailedPrecondition: no encoder.
    """
    require(request.model, "model")
    card = bundle.read_card(store, request.model)
    rendering = read(Rendering, request)
    chosen = InterpolationSettings(
        seeds=tuple(request.seeds),
        frames=request.frames or DEFAULT_FRAMES,
        space=request.space or "w",  # type: ignore[arg-type]  # checked below
        loop=request.loop,
        classes=card.class_indices(request.class_labels, len(request.seeds), "seeds"),
        **rendering.model_dump(),
    )
    interpolation.check(chosen)
    if (request.format or "webp") not in FORMATS:
        right = f"use {' or '.join(FORMATS)}"
        raise InvalidInput(f"format is {request.format!r}: {right}", {"format": right})
    if not 0 <= request.fps <= interpolation.MAX_FPS:
        right = f"0 (for {DEFAULT_FPS:g}) to {interpolation.MAX_FPS:g}"
        raise InvalidInput(f"fps is {request.fps}: {right}", {"fps": right})
    (mp4 if request.format == "mp4" else video).check_available()
    interpolation.check_size(chosen, card.architecture.resolution_px, card.architecture.channels)
    return chosen


def interpolate(request: generator_pb2.InterpolateRequest, job: JobContext) -> generator_pb2.InterpolateResponse:
    """Make the film."""
    chosen = plan_interpolation(request, job.store)
    generator = on_best_device(bundle.load(job.store, request.model)[0], set_up(job.settings))
    frames = interpolation.interpolate(
        generator, chosen, lambda done, total: job.report("synthesising", done, total, "frames")
    )
    job.report("encoding", 0, chosen.frames, "frames")
    encode = mp4.encode_mp4 if request.format == "mp4" else video.encode_webp
    uri, sha256 = write_file(job, f"film.{request.format or 'webp'}", encode(frames, request.fps or DEFAULT_FPS))
    return generator_pb2.InterpolateResponse(file_uri=uri, sha256=sha256, frames=len(frames))


def plan_mix(request: generator_pb2.MixStylesRequest, store: ObjectStore) -> MixSettings:
    """Check a request.

    Raises:
        InvalidInput: names every field that is wrong. NotFound: the model.
    """
    require(request.model, "model")
    card = bundle.read_card(store, request.model)
    rendering = read(Rendering, request)
    chosen = MixSettings(
        rows=tuple(request.rows),
        columns=tuple(request.columns),
        styles=tuple(request.styles),
        classes=card.class_indices(request.class_labels, 2, "sides, rows and columns"),
        **rendering.model_dump(),
    )
    mixing.check(chosen)
    mixing.check_styles(chosen, card.architecture.styles)
    return chosen


def mix_styles(request: generator_pb2.MixStylesRequest, job: JobContext) -> generator_pb2.MixStylesResponse:
    """Make the grid."""
    chosen = plan_mix(request, job.store)
    generator = on_best_device(bundle.load(job.store, request.model)[0], set_up(job.settings))
    grid = mixing.mix(generator, chosen, lambda done, total: job.report("synthesising", done, total, "pictures"))
    uri, _ = write_file(job, "mix.png", encode_png(grid))
    return generator_pb2.MixStylesResponse(sheet_uri=uri, count=len(chosen.rows) * len(chosen.columns))
