"""Starts the classifier: `python -m services.classifier --store URL [--port P] [--role serve|work|both]`."""

import os
import sys
import tempfile
import threading
from collections.abc import Callable

import grpc

from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.inference.v2 import open_inference_pb2, open_inference_pb2_grpc
from defectory.serving.admission import Admission
from defectory.serving.channel import message_options
from defectory.serving.operations.nursery import Nursery
from defectory.serving.service import THREADS, ServiceContext, ServiceDefinition, run_service
from services.classifier.roles import INFERENCE, not_served
from services.classifier.service_settings import ClassifierSettings
from services.classifier.servicer import Answers, ClassifierServicer
from services.classifier.serving.answering import Answering
from services.classifier.serving.batching import Batcher
from services.classifier.serving.choice import parse_models
from services.classifier.serving.explainer_client import explainer_at
from services.classifier.serving.heatmaps import Heatmaps
from services.classifier.serving.registry import WAITING, ModelRegistry, Served
from services.classifier.serving.servicer import OpenInferenceServicer


def add(server: grpc.Server, context: ServiceContext[ClassifierSettings]) -> Callable[[], None] | None:
    """Add the servicers of the role to the server."""
    if context.settings.role == "work":
        _add_classifier(server, context, None)
        return None
    return _add_serving(server, context)


def _add_classifier(server: grpc.Server, context: ServiceContext[ClassifierSettings], answers: Answers | None) -> None:
    servicer = ClassifierServicer(context.store, context.operations, context.manifests, answers)
    classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(servicer, server)


def _add_serving(server: grpc.Server, context: ServiceContext[ClassifierSettings]) -> Callable[[], None]:
    settings = context.settings
    threads = settings.threads or len(os.sched_getaffinity(0))
    batcher = Batcher(threads)
    registry = ModelRegistry(context.store, _loader(context, threads), parse_models(settings.models), settings.poll_s)
    answering = Answering(context.store, registry, batcher, Admission(settings.queue))
    _add_classifier(server, context, Answers(answering, _heatmaps(settings)))
    open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(
        OpenInferenceServicer(registry, answering), server
    )
    close_rest = _add_rest(server, settings)
    context.set_serving(INFERENCE, False)
    registry.start(lambda: context.set_serving(INFERENCE, True))

    def close() -> None:
        close_rest()
        registry.close()
        answering.close()
        batcher.close()

    return close


def _add_rest(server: grpc.Server, settings: ClassifierSettings) -> Callable[[], None]:
    """Open the REST door where a port is named for it; returns what closes it."""
    if not settings.rest_port:
        return lambda: None
    from services.classifier.rest.listening import RestDoor
    from services.classifier.rest.servicer import RestServicer

    folder = tempfile.TemporaryDirectory(prefix="defectory-rest-")  # this user's alone
    address = f"unix:{folder.name}/grpc"
    server.add_insecure_port(address)
    channel = grpc.insecure_channel(address, message_options(settings.max_message_mb))
    door = RestDoor(settings, RestServicer(channel))

    def close() -> None:
        door.close()
        channel.close()
        folder.cleanup()

    return close


def _loader(context: ServiceContext[ClassifierSettings], threads: int) -> Callable[[str], Served]:
    """Loads versions. What computes them comes with the first: a service that only trains has it in its workers."""
    first = threading.Lock()
    loaders: list[Callable[[str], Served]] = []

    def load(model: str) -> Served:
        with first:
            if not loaders:
                from services.classifier.serving.loading import Loader

                if context.settings.engine == "tensorflow":
                    from services.classifier.serving.tensorflow_engine import limit_tensorflow

                    limit_tensorflow(threads)
                loaders.append(Loader(context.store, context.settings.engine, threads))
        return loaders[0](model)

    return load


def _heatmaps(settings: ClassifierSettings) -> Heatmaps | None:
    if not settings.explainer_address:
        return None
    # A quarter of a message is left to the probabilities.
    return Heatmaps(explainer_at(settings.explainer_address), (settings.max_message_mb << 20) * 3 // 4)


# Jobs that answer with networks as they are: to build one and trace its graph takes longer than to read its weights.
LIGHT = ("services.classifier.jobs:evaluate_classifier", "services.classifier.jobs:score_images")


def calls_at_once(settings: ClassifierSettings) -> int:
    """A thread for every call that may wait, for its answer or for its model, and some to refuse the others at once."""
    return settings.queue + WAITING + THREADS


def main() -> int:
    """Serve until told to stop."""
    return run_service(
        ServiceDefinition(
            "classifier",
            ClassifierSettings,
            classifier_pb2.DESCRIPTOR,
            add,
            (open_inference_pb2.DESCRIPTOR,),
            calls_at_once,
            lambda workplace: Nursery(workplace, LIGHT),
            not_served=lambda settings: not_served(settings.role),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
