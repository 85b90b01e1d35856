"""A classifier of this user that runs on this machine already, and has the wanted version loaded."""

from collections.abc import Mapping

import grpc

from defectory.api.inference.v2 import open_inference_pb2, open_inference_pb2_grpc
from defectory.models import resolve
from defectory.serving.channel import from_environment
from defectory.serving.probe import is_serving
from defectory.serving.whereabouts import find
from defectory.storage import ObjectStore

INFERENCE: str = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
TIMEOUT_S = 1.0


def running_classifier(store: ObjectStore, url: str, model: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """(address, "name/version") of a server that answers at once for what `model` means in the store; or None.

    Args:
        store, url: the store and how it was named. model: "name", "name/version" or "name/label".
        environ: where servers leave their whereabouts, and what channels are opened with.

    Raises:
        NotFound, InvalidInput, Corrupted: the store has no such version.
    """
    name, version = resolve(store, "classifier", model)  # first: for one that is not there no classifier is started
    addresses = find("classifier", url, environ)
    ready = (address for address in addresses if is_serving(address, INFERENCE, TIMEOUT_S))
    server = next((address for address in ready if _has(address, name, version, environ)), None)
    return None if server is None else (server, f"{name}/{version}")


def _has(address: str, name: str, version: str, environ: Mapping[str, str]) -> bool:
    with from_environment(address, environ) as channel:
        stub = open_inference_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            request = open_inference_pb2.ModelReadyRequest(name=name, version=version)
            return bool(stub.ModelReady(request, timeout=TIMEOUT_S).ready)
        except grpc.RpcError:
            return False
