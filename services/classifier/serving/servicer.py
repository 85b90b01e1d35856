"""inference.GRPCInferenceService over the domain: every model of the registry, as tensors."""

import time
from importlib.metadata import version

import grpc

from defectory.api.inference.v2 import open_inference_pb2 as pb
from defectory.api.inference.v2 import open_inference_pb2_grpc
from defectory.serving.caller import GrpcCaller
from services.classifier.serving import tensors
from services.classifier.serving.answering import MAX_IMAGES, Answering, Source, check_count
from services.classifier.serving.registry import ModelRegistry

EXTENSIONS = ("model_configuration",)


class OpenInferenceServicer(open_inference_pb2_grpc.GRPCInferenceServiceServicer):
    """Open Inference Protocol, version 2."""

    def __init__(self, registry: ModelRegistry, answering: Answering) -> None:
        self._registry = registry
        self._answering = answering

    def ServerLive(self, request: pb.ServerLiveRequest, context: grpc.ServicerContext) -> pb.ServerLiveResponse:
        """It answers, so it is live."""
        return pb.ServerLiveResponse(live=True)

    def ServerReady(self, request: pb.ServerReadyRequest, context: grpc.ServicerContext) -> pb.ServerReadyResponse:
        """Whether the first look into the store is done."""
        return pb.ServerReadyResponse(ready=self._registry.ready)

    def ModelReady(self, request: pb.ModelReadyRequest, context: grpc.ServicerContext) -> pb.ModelReadyResponse:
        """Whether a model can be asked."""
        return pb.ModelReadyResponse(ready=self._registry.is_ready(request.name, request.version))

    def ServerMetadata(
        self, request: pb.ServerMetadataRequest, context: grpc.ServicerContext
    ) -> pb.ServerMetadataResponse:
        """Who answers."""
        return pb.ServerMetadataResponse(name="defectory", version=version("defectory"), extensions=EXTENSIONS)

    def ModelMetadata(
        self, request: pb.ModelMetadataRequest, context: grpc.ServicerContext
    ) -> pb.ModelMetadataResponse:
        """A model's tensors and classes."""
        served = self._registry.get(request.name, request.version, GrpcCaller(context).remaining_s)
        card, engine = served.card, served.lane.engine
        size, labels, point = card.architecture.input_px, card.architecture.labels, card.operating_point
        tensor = pb.ModelMetadataResponse.TensorMetadata
        others = [v for v in self._registry.versions(card.name) if v != card.version]
        return pb.ModelMetadataResponse(
            name=card.name,
            versions=[card.version, *others],
            platform=engine.name,
            inputs=[tensor(name=tensors.INPUT, datatype="FP32", shape=[-1, size, size, 3])],
            outputs=[
                tensor(name=tensors.PROBABILITIES, datatype="FP32", shape=[-1, len(labels)]),
                tensor(name=tensors.LABEL, datatype="BYTES", shape=[-1]),
            ],
            properties=tensors.properties(
                labels, size, point.threshold if point else None, point.good if point else ""
            ),
        )

    def ModelInfer(self, request: pb.ModelInferRequest, context: grpc.ServicerContext) -> pb.ModelInferResponse:
        """Probabilities and labels of images."""
        tensor = tensors.InputTensor(request)
        names = tensors.wanted_outputs(request)
        model, number, caller = request.model_name, request.model_version, GrpcCaller(context)
        if tensor.encoded:
            check_count(tensor.count)  # before the contents are taken apart
            sources = [Source(f"image[{i}]", content) for i, content in enumerate(tensor.files())]
            answer = self._answering.images(model, number, sources, caller)
        else:
            answer = self._answering.tensor(
                model, number, lambda served: tensor.pixels(served.card.architecture.input_px), tensor.count, caller
            )
        started = time.monotonic()
        card = answer.served.card
        response = pb.ModelInferResponse(model_name=card.name, model_version=card.version, id=request.id)
        raw = bool(request.raw_input_contents)
        tensors.write_outputs(response, names, answer.decided, card.architecture.labels, raw)
        answer.served.lane.timings.encode_s.observe(time.monotonic() - started)
        return response

    def ModelConfig(self, request: pb.ModelConfigRequest, context: grpc.ServicerContext) -> pb.ModelConfigResponse:
        """A model's tensors in Triton's words."""
        served = self._registry.get(request.name, request.version, GrpcCaller(context).remaining_s)
        size, labels = served.card.architecture.input_px, served.card.architecture.labels
        image = pb.ModelInput(name=tensors.INPUT, data_type=pb.TYPE_FP32, dims=[size, size, 3])
        outputs = [
            pb.ModelOutput(name=tensors.PROBABILITIES, data_type=pb.TYPE_FP32, dims=[len(labels)]),
            pb.ModelOutput(name=tensors.LABEL, data_type=pb.TYPE_STRING),
        ]
        config = pb.ModelConfig(
            name=served.card.name, platform=served.lane.engine.name, max_batch_size=MAX_IMAGES, input=[image],
            output=outputs,
        )  # fmt: skip
        return pb.ModelConfigResponse(config=config)
