"""A service of its own process that starts the sample jobs: what every service has is tested on it."""

import sys
from typing import Any

import grpc
from google.longrunning import operations_pb2
from pydantic import Field

from defectory.api.generator.v1 import generator_pb2, generator_pb2_grpc
from defectory.errors import NotFound
from defectory.serving.operations.supervisor import OperationSupervisor
from defectory.serving.service import ServiceContext, ServiceDefinition, run_service
from defectory.settings import ServiceSettings


class SampleServicer(generator_pb2_grpc.GeneratorServiceServicer):
    """Counts instead of synthesising."""

    def __init__(self, operations: OperationSupervisor) -> None:
        self._operations = operations

    def Synthesize(self, request: generator_pb2.SynthesizeRequest, context: Any) -> operations_pb2.Operation:
        """Start counting."""
        return self._operations.start("tests.contract.sample_jobs:count", request)

    def GetGenerator(self, request: generator_pb2.GetGeneratorRequest, context: Any) -> Any:
        """Fail as asked."""
        if request.model == "bug":
            raise ZeroDivisionError("secret detail")
        raise NotFound(f"there is no generator {request.model!r}")


class SampleSettings(ServiceSettings):
    """A setting that a job sees."""

    weights: str = Field("", description="what the job answers with")


def add(server: grpc.Server, context: ServiceContext[SampleSettings]) -> None:
    """Add the sample servicer."""
    generator_pb2_grpc.add_GeneratorServiceServicer_to_server(SampleServicer(context.operations), server)


if __name__ == "__main__":
    sys.exit(run_service(ServiceDefinition("sample", SampleSettings, generator_pb2.DESCRIPTOR, add)))
