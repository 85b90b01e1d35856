"""Starts the classifier: `python -m services.classifier --store URL [--port P]`."""

import sys

import grpc

from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.serving.service import ServiceContext, ServiceDefinition, run_service
from services.classifier.servicer import ClassifierServicer


def add(server: grpc.Server, context: ServiceContext) -> None:
    """Add the servicer to the server."""
    servicer = ClassifierServicer(context.store, context.operations)
    classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(servicer, server)


def main() -> int:
    """Serve until told to stop."""
    return run_service(ServiceDefinition("classifier", classifier_pb2.DESCRIPTOR, add))


if __name__ == "__main__":
    sys.exit(main())
