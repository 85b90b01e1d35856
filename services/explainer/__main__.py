"""Starts the explainer: `python -m services.explainer --store URL [--port P]`."""

import sys

import grpc

from defectory.api.explainer.v1 import explainer_pb2, explainer_pb2_grpc
from defectory.serving.operations.nursery import Nursery
from defectory.serving.service import ServiceContext, ServiceDefinition, run_service
from defectory.settings import ServiceSettings
from services.explainer.servicer import ExplainerServicer

EXPLAIN = "services.explainer.jobs:explain_images"


def add(server: grpc.Server, context: ServiceContext[ServiceSettings]) -> None:
    """Add the servicer to the server."""
    servicer = ExplainerServicer(context.store, context.operations)
    explainer_pb2_grpc.add_ExplainerServiceServicer_to_server(servicer, server)


def main() -> int:
    """Serve until told to stop."""
    return run_service(
        ServiceDefinition(
            "explainer", ServiceSettings, explainer_pb2.DESCRIPTOR, add,
            runner=lambda workplace: Nursery(workplace, [EXPLAIN]),
        )
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
