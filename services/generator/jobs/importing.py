"""Importing a network as a job."""

from defectory.api.generator.v1 import generator_pb2
from defectory.errors import InvalidInput, NotFound
from defectory.models import check_name, reserve_version
from defectory.serving.operations.context import JobContext
from defectory.storage import ObjectStore
from services.generator import bundle
from services.generator.exporting.safetensors_file import import_file
from services.generator.importing.importing import import_pickle
from services.generator.jobs.messages import describe, require
from services.generator.training.device import set_up

MAX_FILE_BYTES = 2 << 30


def plan_import(request: generator_pb2.ImportGeneratorRequest, store: ObjectStore) -> str:
    """Check a request and return the file's object key.

    Raises:
        InvalidInput: name, label or URI, or an object too large to be a network, which is not read.
        Refused: a URI outside of the store. NotFound: no such object.
    """
    check_name(request.name)
    if request.pickle_uri and request.safetensors_uri:
        right = "one of pickle_uri and safetensors_uri"
        raise InvalidInput(f"pickle_uri and safetensors_uri are given: {right}", {"safetensors_uri": right})
    if not request.safetensors_uri:
        require(request.label, "label")
        require(request.pickle_uri, "pickle_uri")
    uri = request.safetensors_uri or request.pickle_uri
    key = store.key(uri)
    try:
        size = store.head(key).size_bytes
    except NotFound as error:
        raise NotFound(f"there is no object {uri}; put the file there first") from error
    if size > MAX_FILE_BYTES:
        right = f"at most {MAX_FILE_BYTES} bytes"
        raise InvalidInput(
            f"{uri} has {size} bytes: {right}",
            {"safetensors_uri" if request.safetensors_uri else "pickle_uri": right},
        )
    return key


def import_generator(
    request: generator_pb2.ImportGeneratorRequest, job: JobContext
) -> generator_pb2.ImportGeneratorResponse:
    """Read the file and write the model."""
    key = plan_import(request, job.store)
    set_up(job.settings)
    version = reserve_version(job.store, bundle.KIND, request.name, job.operation_id)
    job.report("importing", 0, 1, "networks")
    read = import_file if request.safetensors_uri else import_pickle
    card = read(job.store, job.store.get(key), request.name, version, request.label)
    job.report("importing", 1, 1, "networks")
    return generator_pb2.ImportGeneratorResponse(generator=describe(job.store, card))
