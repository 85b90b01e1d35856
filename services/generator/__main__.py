"""Starts the generator service."""

import sys

import grpc

from defectory.api.generator.v1 import generator_pb2
from defectory.api.generator.v1.generator_pb2_grpc import add_GeneratorServiceServicer_to_server
from defectory.serving.service import ServiceContext, ServiceDefinition, run_service
from services.generator.service_settings import GeneratorServiceSettings
from services.generator.servicer import GeneratorServicer
from services.generator.training.device import choose, set_up


def build(server: grpc.Server, context: ServiceContext[GeneratorServiceSettings]) -> None:
    """Add the servicer to a server; InvalidInput where a GPU is wanted and there is none."""
    device = set_up(context.settings.model_dump())
    choose(device)
    servicer = GeneratorServicer(context.store, context.operations, device, context.manifests)
    add_GeneratorServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]


def main() -> int:
    """Serve until told to stop."""
    return run_service(ServiceDefinition("generator", GeneratorServiceSettings, generator_pb2.DESCRIPTOR, build))


if __name__ == "__main__":
    sys.exit(main())
