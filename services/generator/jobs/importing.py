"""Importing a network as a job."""

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import NotFound
from defectory.models import check_name, reserve_version
from defectory.serving.operations.context import JobContext
from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator.importing.importing import import_pickle
from services.generator.jobs.messages import describe, require


def plan_import(request: generator_pb2.ImportGeneratorRequest, store: ObjectStore) -> str:
    """Check a request and return the pickle's object key.

    Raises:
        InvalidInput: name, label or URI. Refused: a URI outside of the store. NotFound: no such object.
    """
    check_name(request.name)
    require(request.label, "label")
    require(request.pickle_uri, "pickle_uri")
    key = store.key(request.pickle_uri)
    if not store.exists(key):
        raise NotFound(f"there is no object {request.pickle_uri}; put the pickle there first")
    return key


def import_generator(
    request: generator_pb2.ImportGeneratorRequest, job: JobContext
) -> generator_pb2.ImportGeneratorResponse:
    """Read the pickle and write the model."""
    key = plan_import(request, job.store)
    version = reserve_version(job.store, bundle.KIND, request.name, job.operation_id)
    job.report("importing", 0, 1, "networks")
    card = import_pickle(job.store, job.store.get(key), request.name, version, request.label)
    job.report("importing", 1, 1, "networks")
    return generator_pb2.ImportGeneratorResponse(generator=describe(job.store, card))
