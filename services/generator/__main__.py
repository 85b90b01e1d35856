"""Starts the generator service."""

import sys

import grpc
import torch

from defectory.api.generator.v1 import generator_pb2
from defectory.api.generator.v1.generator_pb2_grpc import add_GeneratorServiceServicer_to_server
from defectory.errors import InvalidInput
from defectory.serving.service import ServiceContext, ServiceDefinition, run_service
from services.generator.service_settings import GeneratorServiceSettings
from services.generator.servicer import GeneratorServicer
from services.generator.several import Several
from services.generator.training.device import choose, set_up


def build(server: grpc.Server, context: ServiceContext[GeneratorServiceSettings]) -> None:
    """Add the servicer to a server; InvalidInput where more GPUs are wanted than there are."""
    device, processes = set_up(context.settings.model_dump()), context.settings.processes
    if choose(device).type == "cuda" and processes > torch.cuda.device_count():
        right = f"at most {torch.cuda.device_count()}, the GPUs here: each process has one"
        raise InvalidInput(f"processes is {processes}: {right}", {"processes": right})
    servicer = GeneratorServicer(context.store, context.operations, device, context.manifests)
    add_GeneratorServiceServicer_to_server(servicer, server)


def main() -> int:
    """Serve until told to stop."""
    return run_service(
        ServiceDefinition("generator", GeneratorServiceSettings, generator_pb2.DESCRIPTOR, build, runner=Several)
    )


if __name__ == "__main__":
    sys.exit(main())
