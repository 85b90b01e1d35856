"""GeneratorService over gRPC: convert, call, convert."""

import threading

import grpc
import structlog
from google.longrunning import operations_pb2

from defectory.api.generator.v1 import generator_pb2, generator_pb2_grpc
from defectory.errors import Corrupted
from defectory.imaging import encode_png
from defectory.job_settings.generator_training import Device
from defectory.models import list_models, resolve
from defectory.serving.caller import GrpcCaller
from defectory.serving.manifests import Manifests
from defectory.serving.operations.supervisor import OperationSupervisor
from defectory.serving.pages import page
from defectory.serving.turn import turn
from defectory.storage import ObjectStore
from services.generator import bundle, jobs
from services.generator.rendering import render
from services.generator.stylegan2.networks import Generator
from services.generator.stylegan2.precision import use_precision
from services.generator.synthesis import SynthesisSettings
from services.generator.training.device import on_best_device

TRAIN_JOB = "services.generator.jobs:train_generator"
SYNTHESIZE_JOB = "services.generator.jobs:synthesize"
EVALUATE_JOB = "services.generator.jobs:evaluate_generator"
IMPORT_JOB = "services.generator.jobs:import_generator"
EXPORT_JOB = "services.generator.jobs:export_generator"
INTERPOLATE_JOB = "services.generator.jobs:interpolate"
MIX_JOB = "services.generator.jobs:mix_styles"
PROJECT_JOB = "services.generator.jobs:project_image"

log = structlog.get_logger(__name__)


class GeneratorServicer(generator_pb2_grpc.GeneratorServiceServicer):
    """The calls of GeneratorService; domain errors become statuses in the server's interceptor."""

    def __init__(
        self, store: ObjectStore, operations: OperationSupervisor, device: Device, manifests: Manifests
    ) -> None:
        self._store = store
        self._operations = operations
        self._manifests = manifests
        self._preview = _LastGenerator(store, device)

    def TrainGenerator(
        self, request: generator_pb2.TrainGeneratorRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check, then start the training."""
        with self._manifests.read_for(context) as reading:
            jobs.plan_training(request, self._store, reading)
        return self._operations.start(TRAIN_JOB, request)

    def Synthesize(
        self, request: generator_pb2.SynthesizeRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check, then start the synthesis."""
        jobs.plan_synthesis(request)
        card = bundle.read_card(self._store, request.model)
        card.class_index(request.class_label)
        if request.restore_size:
            card.restored_size()
        return self._operations.start(SYNTHESIZE_JOB, request)

    def EvaluateGenerator(
        self, request: generator_pb2.EvaluateGeneratorRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check, then start measuring."""
        jobs.plan_evaluation(request)
        resolve(self._store, bundle.KIND, request.model)
        return self._operations.start(EVALUATE_JOB, request)

    def ImportGenerator(
        self, request: generator_pb2.ImportGeneratorRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check, then start the import."""
        jobs.plan_import(request, self._store)
        return self._operations.start(IMPORT_JOB, request)

    def ExportGenerator(
        self, request: generator_pb2.ExportGeneratorRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check, then start the export."""
        jobs.plan_export(request)
        resolve(self._store, bundle.KIND, request.model)
        return self._operations.start(EXPORT_JOB, request)

    def Interpolate(
        self, request: generator_pb2.InterpolateRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check, then start the film."""
        jobs.plan_interpolation(request, self._store)
        return self._operations.start(INTERPOLATE_JOB, request)

    def MixStyles(
        self, request: generator_pb2.MixStylesRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check, then start the grid."""
        jobs.plan_mix(request, self._store)
        return self._operations.start(MIX_JOB, request)

    def ProjectImage(
        self, request: generator_pb2.ProjectImageRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        """Check, then start the search."""
        jobs.plan_projection(request, self._store)
        bundle.read_card(self._store, request.model).class_index(request.class_label)
        return self._operations.start(PROJECT_JOB, request)

    def Preview(
        self, request: generator_pb2.PreviewRequest, context: grpc.ServicerContext
    ) -> generator_pb2.PreviewResponse:
        """Make a few images at once."""
        chosen = jobs.plan_preview(request)
        return generator_pb2.PreviewResponse(images=self._preview.render(request.model, chosen, GrpcCaller(context)))

    def ListGenerators(
        self, request: generator_pb2.ListGeneratorsRequest, context: grpc.ServicerContext
    ) -> generator_pb2.ListGeneratorsResponse:
        """List by page; a version whose card is broken is left out and logged."""
        models, token = page(list_models(self._store, bundle.KIND), request.page_size, request.page_token)
        generators = []
        for name, version in GrpcCaller(context).each(models):
            try:
                generators.append(jobs.describe(self._store, bundle.read_card(self._store, f"{name}/{version}")))
            except Corrupted as error:
                log.warning("generator left out", name=name, version=version, error=str(error))
        return generator_pb2.ListGeneratorsResponse(generators=generators, next_page_token=token)

    def GetGenerator(
        self, request: generator_pb2.GetGeneratorRequest, context: grpc.ServicerContext
    ) -> generator_pb2.GetGeneratorResponse:
        """Describe one generator."""
        card = bundle.read_card(self._store, request.model)
        return generator_pb2.GetGeneratorResponse(generator=jobs.describe(self._store, card))


class _LastGenerator:
    """Keeps the generator that was last looked at, so that a person who tries seeds does not wait for its weights."""

    def __init__(self, store: ObjectStore, device: Device) -> None:
        self._store = store
        self._device = device
        self._lock = threading.Lock()
        self._loaded: tuple[str, Generator] | None = None

    def render(self, model: str, chosen: SynthesisSettings, caller: GrpcCaller) -> list[bytes]:
        """PNG files of the chosen seeds; one call at a time: the network uses every core as it is."""
        card = bundle.read_card(self._store, model)
        label = card.class_index(chosen.label)
        with turn(self._lock, caller.remaining_s, "other previews were made"):
            if self._loaded is None or self._loaded[0] != card.weights_sha256:
                loaded, _ = bundle.load(self._store, card.full_name)
                self._loaded = card.weights_sha256, on_best_device(loaded, self._device)
            use_precision(self._loaded[1], chosen.precision, chosen.half_resolutions)
            images = render(
                self._loaded[1],
                chosen.seeds,
                truncation_psi=chosen.truncation_psi,
                truncation_cutoff=chosen.truncation_cutoff,
                noise_mode=chosen.noise_mode,
                label=label,
                look=caller.check,
            )
        return [encode_png(image) for image in images]
