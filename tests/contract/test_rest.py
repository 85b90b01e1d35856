"""The REST door of a classifier: the same answers as by gRPC, for the same tokens, within the same bounds."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2 as pb
from defectory.api.classifier.v1 import classifier_pb2_grpc
from defectory.serving.channel import open_channel
from defectory.serving.scopes import Scope
from defectory.serving.tokens import line_of, new_token
from defectory.storage import open_store
from tests.contract import pictures
from tests.contract.certificates import make_pki
from tests.contract.running import Service
from tests.patience import PATIENT_S
from tests.s3_servers import free_ports

READ, CLASSIFY = new_token(), new_token()
TOKENS = {"": "", "read": READ, "classify": CLASSIFY}
IMAGE = pictures.encoded(pictures.pixels())


class Door:
    """A classifier with a REST port."""

    def __init__(self, service: Service, port: int) -> None:
        self.service = service
        self.port = port

    def ask(self, method: str, path: str, body: bytes = b"", token: str = CLASSIFY) -> tuple[int, dict]:
        """(status, what came back)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENT_S)
        connection.request(method, path, body, {"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        status, said = answer.status, json.loads(answer.read())
        connection.close()
        return status, said

    def by_grpc(self) -> pb.ClassifyResponse:
        with open_channel(self.service.address, token=CLASSIFY) as channel:
            request = pb.ClassifyRequest(model="parts", images=[pb.ImageSource(content=IMAGE)])
            return classifier_pb2_grpc.ClassifierServiceStub(channel).Classify(request, timeout=PATIENT_S)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    folder = tmp_path_factory.mktemp("rest")
    store = open_store(f"file://{folder}/store")
    put_classifier(store, "parts")
    lines = line_of("watch", [Scope.READ], READ), line_of("camera", [Scope.CLASSIFY], CLASSIFY)
    (folder / "tokens").write_text("\n".join(lines) + "\n")
    (port,) = free_ports(1)
    flags = (
        "--tokens",
        f"{folder}/tokens",
        "--rest-port",
        str(port),
        "--max-message-mb",
        "1",
        "--engine",
        "onnxruntime",
    )
    with Service("services.classifier", store.url, "--role", "serve", *flags) as service:
        yield Door(service, port)


def test_a_file_is_classified_as_by_grpc(door: Door) -> None:
    status, said = door.ask("POST", "/classify?model=parts", IMAGE)
    (expected,) = door.by_grpc().classifications
    assert status == 200, said
    assert (said["model"], said["model_version"]) == ("parts", "1")
    assert (said["label"], said["decision"], said["rejected"]) == (
        expected.label, expected.decision, expected.rejected,
    )  # fmt: skip
    assert said["probabilities"] == pytest.approx(dict(expected.probabilities))


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_own_client_asks_as_it_asks_triton(door: Door, binary: bool) -> None:
    client, headers = triton.InferenceServerClient(f"127.0.0.1:{door.port}"), {"Authorization": f"Bearer {CLASSIFY}"}
    image = triton.InferInput("image", [1], "BYTES")
    image.set_data_from_numpy(np.array([IMAGE], dtype=np.object_))
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "label")]
    answer = client.infer("parts", [image], headers=headers, outputs=outputs, request_id="7")
    (expected,) = door.by_grpc().classifications
    assert answer.as_numpy("probabilities")[0] == pytest.approx([expected.probabilities[x] for x in ("defect", "good")])
    assert answer.get_response()["id"] == "7"
    read = {"Authorization": f"Bearer {READ}"}
    assert client.is_server_live(headers=read)
    assert client.is_server_ready(headers=read)
    assert client.is_model_ready("parts", headers=read)
    assert client.get_model_metadata("parts", headers=read)["inputs"][0]["shape"] == [-1, 32, 32, 3]
    assert client.get_model_config("parts", headers=read)["max_batch_size"] == 256
    client.close()


def test_pixels_may_be_a_list_of_numbers(door: Door) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3)).astype(float)
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 32, 32, 3], "data": pixels.tolist()}
    status, said = door.ask("POST", "/v2/models/parts/versions/1/infer", json.dumps({"inputs": [tensor]}).encode())
    assert status == 200, said
    probabilities, label = said["outputs"]
    assert sum(probabilities["data"]) == pytest.approx(1, abs=1e-5)
    assert label["data"][0] in ("defect", "good")


@pytest.mark.parametrize(
    ("method", "path", "token", "body", "status"),
    [
        ("POST", "/classify?model=parts", "", IMAGE, 401),
        ("POST", "/classify?model=parts", "read", IMAGE, 403),
        ("GET", "/v2/models/parts", "classify", b"", 403),
        ("POST", "/classify?model=none", "classify", IMAGE, 404),
        ("POST", "/classify", "classify", IMAGE, 400),
        ("POST", "/classify?model=parts", "classify", b"no image", 400),
        ("POST", "/v2/models/parts/infer", "classify", b"{", 400),
        ("POST", "/v2/models/parts/infer", "classify", b'{"inputs": 7}', 400),
        ("POST", "/v2/models/parts/infer", "classify", b'{"inputs": [{"name": "image"}]}', 400),
        ("POST", "/v2/models/parts/infer", "classify", b"[" * 100_000, 400),
        ("GET", "/classify", "classify", b"", 404),
        ("GET", "/../../etc/passwd", "classify", b"", 404),
    ],
)
def test_what_is_wrong_is_told_with_its_status(
    door: Door, method: str, path: str, token: str, body: bytes, status: int
) -> None:
    got, said = door.ask(method, path, body, TOKENS[token])
    assert got == status, said
    assert said["error"]


def test_a_body_beyond_a_messages_bound_is_refused(door: Door) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=PATIENT_S)
    connection.putrequest("POST", "/classify?model=parts")
    connection.putheader("Content-Length", str(2 << 20))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_one_who_connects_and_says_nothing_keeps_nobody_waiting_by_tls_either(tmp_path: Path) -> None:
    pki, (port,) = make_pki(tmp_path), free_ports(1)
    store = open_store(f"file://{tmp_path}/store")
    flags = ("--tls-cert", pki["server_cert"], "--tls-key", pki["server_key"], "--tls-client-ca", pki["ca"])
    with (
        Service("services.classifier", store.url, "--role", "serve", *flags, "--rest-port", str(port)),
        socket.create_connection(("127.0.0.1", port)),
    ):
        context = ssl.create_default_context(cafile=pki["ca"])
        with pytest.raises((ssl.SSLError, OSError)):  # it shows no certificate
            live(port, context)
        context.load_cert_chain(pki["client_cert"], pki["client_key"])
        assert live(port, context) == {"live": True}


def live(port: int, context: ssl.SSLContext) -> dict[str, bool]:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    try:
        connection.request("GET", "/v2/health/live")
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
