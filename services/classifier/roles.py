"""A classifier's two lives, which can be started apart: answering at once, and work that takes its time."""

from collections.abc import Mapping
from types import MappingProxyType

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.inference.v2 import open_inference_pb2
from defectory.serving.service import OPERATIONS
from services.classifier.service_settings import Role

INFERENCE: str = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name
_CLASSIFIER = classifier_pb2.DESCRIPTOR.services_by_name["ClassifierService"]
_CARDS = frozenset({"ListClassifiers", "GetClassifier"})  # of the store, by every process
_AT_ONCE = frozenset({"Classify"})

NO_ANSWERS = (
    "this classifier was started with --role work (DEFECTORY_ROLE) and answers nothing at once: "
    "call the address of one with --role serve or both"
)
_NO_WORK = (
    "this classifier was started with --role serve (DEFECTORY_ROLE) and takes no work: "
    "set DEFECTORY_CLASSIFIER_ADDRESS to the address of one with --role work or both"
)


def not_served(role: Role) -> Mapping[str, str]:
    """What a role leaves to others: gRPC service or path of a call -> who does it."""
    if role == "work":
        return MappingProxyType({INFERENCE: NO_ANSWERS} | {_path(call): NO_ANSWERS for call in _AT_ONCE})
    if role == "serve":
        work = set(_CLASSIFIER.methods_by_name) - _CARDS - _AT_ONCE
        return MappingProxyType({OPERATIONS: _NO_WORK} | {_path(call): _NO_WORK for call in work})
    return MappingProxyType({})


def _path(call: str) -> str:
    return f"/{_CLASSIFIER.full_name}/{call}"
