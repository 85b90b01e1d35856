"""What a caller must be allowed for each call: one table. A call that is not in it is allowed to nobody.

Calls of other people's protos stand here too, which could not carry an option of ours (docs/decisions/0063).
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

OPEN_TO_ALL = "/grpc.health.v1.Health/"  # probes carry no token


class Scope(StrEnum):
    """What a token allows; none of them implies another."""

    READ = "read"  # what there is and how far it is
    CLASSIFY = "classify"  # answers at once about pictures that the caller has
    OPERATE = "operate"  # whatever makes, changes, ends or takes long


_READ, _CLASSIFY, _OPERATE = Scope.READ, Scope.CLASSIFY, Scope.OPERATE
_CALLS: Mapping[str, Mapping[Scope, tuple[str, ...]]] = {
    "defectory.api.generator.v1.GeneratorService": {
        _READ: ("ListGenerators", "GetGenerator"),
        _OPERATE: (
            "TrainGenerator", "Synthesize", "ImportGenerator", "EvaluateGenerator", "ExportGenerator", "Interpolate",
            "MixStyles", "ProjectImage", "Preview",
        ),
    },
    "defectory.api.classifier.v1.ClassifierService": {
        _READ: ("ListClassifiers", "GetClassifier"),
        _CLASSIFY: ("Classify",),
        _OPERATE: (
            "TrainClassifier", "EvaluateClassifier", "ScoreImages", "ScoreAnomalies", "CalibrateClassifier",
            "ExportClassifier",
        ),
    },
    "defectory.api.filter.v1.FilterService": {_OPERATE: ("FilterImages",)},
    "defectory.api.explainer.v1.ExplainerService": {_CLASSIFY: ("Explain",), _OPERATE: ("ExplainImages",)},
    "inference.GRPCInferenceService": {
        _READ: ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelConfig"),
        _CLASSIFY: ("ModelInfer",),
    },
    "google.longrunning.Operations": {
        _READ: ("ListOperations", "GetOperation", "WaitOperation"),
        _OPERATE: ("CancelOperation", "DeleteOperation"),
    },
    "grpc.reflection.v1alpha.ServerReflection": {_READ: ("ServerReflectionInfo",)},
}  # fmt: skip
SCOPES: Mapping[str, Scope] = MappingProxyType(
    {
        f"/{service}/{name}": scope
        for service, scopes in _CALLS.items()
        for scope, names in scopes.items()
        for name in names
    }
)
