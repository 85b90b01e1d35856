"""FilterService over the domain."""

import grpc
from google.longrunning import operations_pb2

from defectory.api.filter.v1 import filter_pb2 as pb
from defectory.api.filter.v1 import filter_pb2_grpc
from defectory.datasets.manifest import check_output_dataset, manifest_key
from defectory.errors import InvalidInput
from defectory.models import check_name, resolve
from defectory.serving.caller import GrpcCaller
from defectory.serving.operations.supervisor import OperationSupervisor
from defectory.storage.store import ObjectStore
from services.filter.jobs import policy_of
from services.filter.judging import JUDGED, check_inputs


class FilterServicer(filter_pb2_grpc.FilterServiceServicer):
    """Judges synthetic images."""

    def __init__(self, store: ObjectStore, operations: OperationSupervisor) -> None:
        self._store = store
        self._operations = operations

    def FilterImages(self, request: pb.FilterImagesRequest, context: grpc.ServicerContext) -> operations_pb2.Operation:
        """Check the request and start."""
        check_name(request.dataset, "dataset")
        policy_of(request)
        resolve(self._store, "classifier", request.judge_model)
        read = [request.manifest_uri, request.real_manifest_uri, *request.accepted_manifest_uris]
        check_inputs(self._store, GrpcCaller(context).each(read))
        check_output_dataset(self._store, request.dataset, JUDGED)
        if self._store.uri(manifest_key(request.dataset)) in read:
            right = "another name than that of a dataset that is read"
            raise InvalidInput(f"dataset {request.dataset!r}: {right}", {"dataset": right})
        return self._operations.start("services.filter.jobs:filter_images", request)
