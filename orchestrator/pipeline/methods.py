"""The services' methods with the types of what they take and give: what a stub alone does not say of operations."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from defectory.api.classifier.v1 import classifier_pb2
from defectory.api.explainer.v1 import explainer_pb2
from defectory.api.filter.v1 import filter_pb2
from defectory.api.generator.v1 import generator_pb2

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Request, Response]):
    """A method of a service: name, and the types of its request and of its answer."""

    service: str
    name: str
    request: type[Request]
    response: type[Response]


class Call(Method[Request, Response]):
    """A method that answers at once."""


class Operation(Method[Request, Response]):
    """A method that starts a long-running operation; the response is what that ends with."""


TRAIN_CLASSIFIER = Operation(
    "classifier", "TrainClassifier", classifier_pb2.TrainClassifierRequest, classifier_pb2.TrainClassifierResponse
)
EVALUATE_CLASSIFIER = Operation(
    "classifier",
    "EvaluateClassifier",
    classifier_pb2.EvaluateClassifierRequest,
    classifier_pb2.EvaluateClassifierResponse,
)
SCORE_ANOMALIES = Operation(
    "classifier", "ScoreAnomalies", classifier_pb2.ScoreAnomaliesRequest, classifier_pb2.ScoreAnomaliesResponse
)
CALIBRATE_CLASSIFIER = Operation(
    "classifier",
    "CalibrateClassifier",
    classifier_pb2.CalibrateClassifierRequest,
    classifier_pb2.CalibrateClassifierResponse,
)
EXPORT_CLASSIFIER = Operation(
    "classifier", "ExportClassifier", classifier_pb2.ExportClassifierRequest, classifier_pb2.ExportClassifierResponse
)
CLASSIFY = Call("classifier", "Classify", classifier_pb2.ClassifyRequest, classifier_pb2.ClassifyResponse)

TRAIN_GENERATOR = Operation(
    "generator", "TrainGenerator", generator_pb2.TrainGeneratorRequest, generator_pb2.TrainGeneratorResponse
)
SYNTHESIZE = Operation("generator", "Synthesize", generator_pb2.SynthesizeRequest, generator_pb2.SynthesizeResponse)
IMPORT_GENERATOR = Operation(
    "generator", "ImportGenerator", generator_pb2.ImportGeneratorRequest, generator_pb2.ImportGeneratorResponse
)
EVALUATE_GENERATOR = Operation(
    "generator", "EvaluateGenerator", generator_pb2.EvaluateGeneratorRequest, generator_pb2.EvaluateGeneratorResponse
)
EXPORT_GENERATOR = Operation(
    "generator", "ExportGenerator", generator_pb2.ExportGeneratorRequest, generator_pb2.ExportGeneratorResponse
)
INTERPOLATE = Operation("generator", "Interpolate", generator_pb2.InterpolateRequest, generator_pb2.InterpolateResponse)
MIX_STYLES = Operation("generator", "MixStyles", generator_pb2.MixStylesRequest, generator_pb2.MixStylesResponse)
PROJECT_IMAGE = Operation(
    "generator", "ProjectImage", generator_pb2.ProjectImageRequest, generator_pb2.ProjectImageResponse
)
PREVIEW = Call("generator", "Preview", generator_pb2.PreviewRequest, generator_pb2.PreviewResponse)

FILTER_IMAGES = Operation("filter", "FilterImages", filter_pb2.FilterImagesRequest, filter_pb2.FilterImagesResponse)

EXPLAIN = Call("explainer", "Explain", explainer_pb2.ExplainRequest, explainer_pb2.ExplainResponse)
EXPLAIN_IMAGES = Operation(
    "explainer", "ExplainImages", explainer_pb2.ExplainImagesRequest, explainer_pb2.ExplainImagesResponse
)
