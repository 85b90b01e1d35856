"""A classifier at an address, asked one picture at a time or several."""

import json
import time
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any

import grpc

from defectory_client.protos import Stub, message

CLASSIFIER = "defectory.api.classifier.v1.ClassifierService"
INFERENCE = "inference.GRPCInferenceService"
MAX_MESSAGE_BYTES = 64 << 20  # what a server takes unless it is told otherwise
LOOK_S = 0.1
# A name may stand for several servers: calls go to all of them in turn. They change nothing, so they are sent again to
# another one where a server goes at that very moment: a call that it has taken and not begun ends there with CANCELLED.
SERVERS = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{"service": CLASSIFIER, "method": "Classify"}, {"service": INFERENCE}],
            "retryPolicy": {
                "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
}  # fmt: skip
LOOK_AGAIN_MS = 2000  # at the earliest, for the addresses of a name; gRPC itself waits half a minute

Picture = str | PathLike[str] | bytes | bytearray | memoryview


class Failed(RuntimeError):
    """A call that was not answered.

    Attributes:
        code: gRPC's word for it, e.g. "NOT_FOUND".
    """

    def __init__(self, code: str, said: str) -> None:
        super().__init__(f"{code}: {said}")
        self.code = code


@dataclass(frozen=True)
class Classification:
    """The answer to one picture.

    Attributes:
        label: the most probable one. decision: the one decided for at the model's operating point.
        rejected: whether the part is rejected there; None where the model has no operating point.
        probabilities: calibrated, of every label; they sum to 1.
        model: "name/version" that answered.
        calibrated_on: validation images that the probabilities are calibrated on: of fewer than 30, 99% sure is no
            promise; 0: the server does not say.
    """

    label: str
    decision: str
    rejected: bool | None
    probabilities: dict[str, float]
    model: str
    calibrated_on: int = 0


class Client:
    """A connection to one server; safe to use from several threads.

    Args:
        address: host:port; a name that stands for several servers is asked for all of them. timeout_s: of every call.
        token: bearer token, where the server asks for one.
        ca: PEM file of the authority of the server's certificate; with it the connection is encrypted.
        certificate, key: PEM files with which the client shows who it is.
    """

    def __init__(
        self, address: str, *, timeout_s: float = 10.0, token: str = "", ca: str = "", certificate: str = "",
        key: str = "",
    ) -> None:  # fmt: skip
        if bool(certificate) != bool(key) or (certificate and not ca):
            raise ValueError("a certificate, its key and the server's ca are given together")
        options = [
            ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.service_config", json.dumps(SERVERS)),
            ("grpc.dns_min_time_between_resolutions_ms", LOOK_AGAIN_MS),
        ]
        if ca:
            read = [Path(path).read_bytes() if path else None for path in (ca, key, certificate)]
            self._channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(*read), options)
        else:
            self._channel = grpc.insecure_channel(address, options)
        self._address = address
        self._timeout_s = timeout_s
        self._metadata = [("authorization", f"Bearer {token}")] if token else []

    def classify(self, model: str, picture: Picture) -> Classification:
        """Classify one picture.

        Args:
            model: "name" (its version labelled stable, else the newest), "name/version" or "name/label".
            picture: path of a PNG, JPEG, BMP or TIFF file, or the file's bytes.

        Raises:
            Failed: the server did not answer, or refused; says why. TypeError: an array. OSError: no such file.
        """
        return self.classify_all(model, [picture])[0]

    def classify_all(self, model: str, pictures: list[Picture]) -> list[Classification]:
        """Classify 1 to 256 pictures in one call; as `classify`."""
        request = message("defectory.api.classifier.v1.ClassifyRequest")(model=model)
        for picture in pictures:
            request.images.add(content=_content(picture))
        answer = self._call(self.stub(CLASSIFIER).Classify, request, self._timeout_s)
        asked = f"{model.partition('/')[0]}/{answer.model_version}"
        return [
            Classification(
                c.label,
                c.decision,
                c.rejected if c.HasField("rejected") else None,
                dict(c.probabilities),
                asked,
                answer.calibrated_on,
            )
            for c in answer.classifications
        ]

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Return when the server has loaded its models; Failed where it has not within so many seconds."""
        end = time.monotonic() + timeout_s
        ready = self.stub(INFERENCE).ServerReady
        request = message("inference.ServerReadyRequest")()
        while True:
            try:
                if self._call(ready, request, max(end - time.monotonic(), LOOK_S)).ready:
                    return
                said = Failed("UNAVAILABLE", f"the models of {self._address} are not loaded after {timeout_s:g} s")
            except Failed as failed:
                if failed.code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
                    raise
                said = failed
            if time.monotonic() + LOOK_S > end:
                raise said
            time.sleep(LOOK_S)

    def stub(self, service: str) -> Any:
        """The methods of a service by its full name, for calls that have no method here."""
        return Stub(self._channel, service)

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _call(self, method: Any, request: Any, timeout_s: float) -> Any:
        try:
            return method(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            raise Failed(error.code().name, error.details() or f"{self._address} did not answer") from error


def _content(picture: Picture) -> bytes:
    if isinstance(picture, (str, PathLike)):
        return Path(picture).read_bytes()
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, (bytearray, memoryview)) and memoryview(picture).ndim == 1:
        return bytes(picture)
    raise TypeError(
        f"a {type(picture).__name__} is no picture's file: an array does not say how its colours are ordered and how "
        "many bits it uses; encode it, e.g. with cv2.imencode('.png', array)[1].tobytes(), which takes OpenCV's BGR"
    )
