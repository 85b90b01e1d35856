"""The WSGI application: every request becomes a call of this process' own gRPC server, and its answer JSON.

So callers of both doors pass the same token, the same bounds, the same queue and the same counters: nothing of it is
here a second time. The way leads through a socket of this process alone (docs/decisions/0067).
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

import grpc
from google.protobuf.json_format import MessageToDict

from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.inference.v2 import open_inference_pb2 as pb
from defectory.api.inference.v2 import open_inference_pb2_grpc
from defectory.errors import DefectoryError, Exhausted, InvalidInput, NotFound
from defectory.serving.status import error_from_rpc, to_status
from services.classifier.rest.contents import infer_request, infer_response

LONGEST_S = 60.0  # for an answer
JSON_BYTES = "Inference-Header-Content-Length"
# As google.rpc.Code says them in HTTP; 499 is nginx' for a caller who has gone.
STATUS = {
    "OK": "200 OK", "INVALID_ARGUMENT": "400 Bad Request", "FAILED_PRECONDITION": "400 Bad Request",
    "UNAUTHENTICATED": "401 Unauthorized", "PERMISSION_DENIED": "403 Forbidden", "NOT_FOUND": "404 Not Found",
    "RESOURCE_EXHAUSTED": "429 Too Many Requests", "CANCELLED": "499 Client Closed Request",
    "UNIMPLEMENTED": "501 Not Implemented", "UNAVAILABLE": "503 Service Unavailable",
    "DEADLINE_EXCEEDED": "504 Gateway Timeout",
}  # fmt: skip
MODEL = r"/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?"

Environ = Mapping[str, Any]
Start = Callable[[str, list[tuple[str, str]]], Any]
Answer = tuple[bytes, dict[str, str]]


class RestServicer:
    """Answers over a channel to the gRPC server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._inference = open_inference_pb2_grpc.GRPCInferenceServiceStub(channel)
        self._classifier = classifier_pb2_grpc.ClassifierServiceStub(channel)
        self._routes: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
            ("GET", "/v2/health/live", self._live),
            ("GET", "/v2/health/ready", self._ready),
            ("GET", "/v2/?", self._server),
            ("GET", f"{MODEL}/ready", self._model_ready),
            ("GET", f"{MODEL}/config", self._config),
            ("GET", MODEL, self._model),
            ("POST", f"{MODEL}/infer", self._infer),
            ("POST", "/classify", self._classify),
        )

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        """WSGI."""
        try:
            body, headers = self._answer(environ)
            status = "OK"
        except grpc.RpcError as error:
            body, headers, status = _failed(error_from_rpc(error), error.code().name)
        except DefectoryError as error:
            body, headers, status = _failed(error, grpc_name(error))
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        start(STATUS.get(status, "500 Internal Server Error"), list(headers.items()))
        return [body]

    def _answer(self, environ: Environ) -> Answer:
        path, asked = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        for method, pattern, answer in self._routes:
            if method == asked and (match := re.fullmatch(pattern, path)):
                named = {name: unquote(value or "") for name, value in match.groupdict().items()}
                return answer(environ, **named)
        right = "see docs/serving.md"
        raise NotFound(f"there is nothing at {asked} {path[:80]}: {right}")

    def _live(self, environ: Environ) -> Answer:
        return _json({"live": self._inference.ServerLive(pb.ServerLiveRequest(), **_call(environ)).live})

    def _ready(self, environ: Environ) -> Answer:
        return _json({"ready": self._inference.ServerReady(pb.ServerReadyRequest(), **_call(environ)).ready})

    def _server(self, environ: Environ) -> Answer:
        return _json(_dict(self._inference.ServerMetadata(pb.ServerMetadataRequest(), **_call(environ))))

    def _model_ready(self, environ: Environ, model: str, version: str) -> Answer:
        request = pb.ModelReadyRequest(name=model, version=version)
        return _json({"name": model, "ready": self._inference.ModelReady(request, **_call(environ)).ready})

    def _model(self, environ: Environ, model: str, version: str) -> Answer:
        request = pb.ModelMetadataRequest(name=model, version=version)
        return _json(_dict(self._inference.ModelMetadata(request, **_call(environ))))

    def _config(self, environ: Environ, model: str, version: str) -> Answer:
        request = pb.ModelConfigRequest(name=model, version=version)
        return _json(_dict(self._inference.ModelConfig(request, **_call(environ)).config))

    def _infer(self, environ: Environ, model: str, version: str) -> Answer:
        length = environ.get("HTTP_INFERENCE_HEADER_CONTENT_LENGTH", "")
        if length and not length.isdecimal():
            raise InvalidInput(f"{JSON_BYTES} {length[:40]!r}: send a number", {"body": "send a number"})
        request, as_bytes = infer_request(_body(environ), int(length) if length else None, model, version)
        body, json_bytes = infer_response(self._inference.ModelInfer(request, **_call(environ)), as_bytes)
        if json_bytes is None:
            return body, {}
        return body, {"Content-Type": "application/octet-stream", JSON_BYTES: str(json_bytes)}

    def _classify(self, environ: Environ) -> Answer:
        model = parse_qs(environ.get("QUERY_STRING", "")).get("model", [""])[0]
        image = classifier_pb2.ImageSource(content=_body(environ))
        request = classifier_pb2.ClassifyRequest(model=model, images=[image])
        answer = self._classifier.Classify(request, **_call(environ))
        said = _dict(answer.classifications[0])
        return _json({"model": model.partition("/")[0], "model_version": answer.model_version, **said})


def grpc_name(error: DefectoryError) -> str:
    """gRPC's word for an error of ours."""
    by_number: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
    return by_number[to_status(error).code]


def _body(environ: Environ) -> bytes:
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise InvalidInput("the body is compressed: send it as it is", {"body": "send it as it is"})
    content: bytes = environ["wsgi.input"].read()
    return content


def _call(environ: Environ) -> dict[str, Any]:
    """What goes along with a call: the caller's token."""
    sent = environ.get("HTTP_AUTHORIZATION", "")
    return {"timeout": LONGEST_S, "metadata": [("authorization", sent)] if sent else []}


def _failed(error: DefectoryError, code: str) -> tuple[bytes, dict[str, str], str]:
    headers = {}
    if isinstance(error, Exhausted) and error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))  # HTTP has whole seconds
    if code == "UNAUTHENTICATED":
        headers["WWW-Authenticate"] = "Bearer"
    return json.dumps({"error": str(error), "code": code}).encode(), headers, code


def _dict(message: Any) -> dict[str, Any]:
    """A message's fields under their own names; numbers of 64 bits are numbers, though protobuf's JSON quotes them."""
    said = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    for tensor in (*said.get("inputs", ()), *said.get("outputs", ())):
        tensor["shape"] = [int(size) for size in tensor["shape"]]
    return said


def _json(said: Mapping[str, Any]) -> Answer:
    return json.dumps(said).encode(), {}
