"""Starts the filter: `python -m services.filter --store URL [--port P]`."""

import sys

import grpc

from defectory.api.filter.v1 import filter_pb2, filter_pb2_grpc
from defectory.serving.service import ServiceContext, ServiceDefinition, run_service
from services.filter.service_settings import FilterSettings
from services.filter.servicer import FilterServicer


def add(server: grpc.Server, context: ServiceContext[FilterSettings]) -> None:
    """Add the servicer to the server."""
    servicer = FilterServicer(context.store, context.operations)
    filter_pb2_grpc.add_FilterServiceServicer_to_server(servicer, server)


def main() -> int:
    """Serve until told to stop."""
    return run_service(ServiceDefinition("filter", FilterSettings, filter_pb2.DESCRIPTOR, add))


if __name__ == "__main__":
    sys.exit(main())
