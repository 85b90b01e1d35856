"""The Open Inference Protocol over a real channel: our own stubs, raw and typed, and tritonclient as it is."""

import json
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from bench.bundle import put_classifier
from defectory.api.classifier.v1 import classifier_pb2, classifier_pb2_grpc
from defectory.api.inference.v2 import open_inference_pb2 as pb
from defectory.api.inference.v2 import open_inference_pb2_grpc
from defectory.errors import DefectoryError, InvalidInput, NotFound
from defectory.imaging import network_input_of
from defectory.serving.probe import is_serving
from defectory.serving.status import error_from_rpc
from defectory.storage import ObjectStore, open_store
from services.classifier.bundle import load
from tests.contract import pictures
from tests.contract.running import Service
from tests.patience import PATIENT_S

SIZE = 32
CONTENT = pictures.encoded(pictures.pixels(seed=4), "JPEG", quality=90)
IMAGES = np.stack([np.asarray(pictures.pixels(SIZE, SIZE, seed), np.float32) for seed in range(3)])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = open_store(f"file://{tmp_path_factory.mktemp('inference')}/store")
    put_classifier(store, "parts", "1", seed=1)
    put_classifier(store, "parts", "2", seed=2)
    put_classifier(store, "other")
    return store


@pytest.fixture(scope="module")
def service(store: ObjectStore) -> Iterator[Service]:
    with Service("services.classifier", store.url, "--models", "parts") as running:
        stub = open_inference_pb2_grpc.GRPCInferenceServiceStub(running.channel)
        while not stub.ServerReady(pb.ServerReadyRequest()).ready:
            pass
        yield running


@pytest.fixture(scope="module")
def stub(service: Service) -> open_inference_pb2_grpc.GRPCInferenceServiceStub:
    return open_inference_pb2_grpc.GRPCInferenceServiceStub(service.channel)


def request(datatype: str, shape: list[int], raw: bytes | None = None, **fields) -> pb.ModelInferRequest:
    contents = fields.pop("contents", None)
    tensor = pb.ModelInferRequest.InferInputTensor(
        name=fields.pop("input", "image"), datatype=datatype, shape=shape, contents=contents
    )
    values = {"model_name": "parts", **fields}
    return pb.ModelInferRequest(inputs=[tensor], raw_input_contents=[] if raw is None else [raw], **values)


def elements(*contents: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(content)) + content for content in contents)


def array_request(images: np.ndarray, **fields) -> pb.ModelInferRequest:
    return request("FP32", list(images.shape), images.astype("<f4").tobytes(), **fields)


def outputs(response: pb.ModelInferResponse) -> tuple[np.ndarray, list[bytes]]:
    """(probabilities, labels), raw or typed."""
    probabilities, label = response.outputs
    assert (probabilities.name, probabilities.datatype, label.name, label.datatype) == (
        "probabilities", "FP32", "label", "BYTES",
    )  # fmt: skip
    if response.raw_output_contents:
        values = np.frombuffer(response.raw_output_contents[0], "<f4").reshape(probabilities.shape)
        data, labels = response.raw_output_contents[1], []
        while data:
            (length,) = struct.unpack_from("<I", data)
            labels.append(data[4 : 4 + length])
            data = data[4 + length :]
    else:
        values = np.array(probabilities.contents.fp32_contents, np.float32).reshape(probabilities.shape)
        labels = list(label.contents.bytes_contents)
    assert list(label.shape) == [len(labels)]
    return values, labels


def fails(stub, wrong: pb.ModelInferRequest) -> DefectoryError:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(wrong, timeout=PATIENT_S)
    return error_from_rpc(caught.value)


def test_health_follows_the_models(service: Service, stub) -> None:
    assert is_serving(service.address, "inference.GRPCInferenceService")
    assert is_serving(service.address)


def test_server_and_models_say_what_they_are(stub) -> None:
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    server = stub.ServerMetadata(pb.ServerMetadataRequest())
    assert (server.name, list(server.extensions)) == ("defectory", ["model_configuration"])
    for name, version, ready in (
        ("parts", "", True), ("parts", "2", True), ("parts", "9", False), ("other", "", False), ("none", "", False),
    ):  # fmt: skip
        assert stub.ModelReady(pb.ModelReadyRequest(name=name, version=version)).ready == ready
    model = stub.ModelMetadata(pb.ModelMetadataRequest(name="parts"))
    assert model.versions[0] == "2"
    assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [("image", "FP32", [-1, SIZE, SIZE, 3])]
    assert [(t.name, t.datatype, list(t.shape)) for t in model.outputs] == [
        ("probabilities", "FP32", [-1, 2]), ("label", "BYTES", [-1]),
    ]  # fmt: skip
    assert json.loads(model.properties["classes"]) == ["defect", "good"]
    assert float(model.properties["operating_point_threshold"]) == 0.3


def test_arrays_are_answered_as_the_network_does_raw_and_typed(stub, store: ObjectStore) -> None:
    card, network = load(store, "parts/2")
    wanted = card.rule.decide(network.model(IMAGES, training=False).numpy())
    raw = stub.ModelInfer(array_request(IMAGES, id="r7"))
    typed = stub.ModelInfer(request("FP32", list(IMAGES.shape), contents={"fp32_contents": IMAGES.ravel().tolist()}))
    assert (raw.id, raw.model_name, raw.model_version) == ("r7", "parts", "2")
    assert bool(raw.raw_output_contents) is True
    assert bool(typed.raw_output_contents) is False
    for response in (raw, typed):
        probabilities, labels = outputs(response)
        np.testing.assert_allclose(probabilities, wanted.probabilities, atol=2e-5)
        assert labels == [("defect", "good")[index].encode() for index in wanted.labels]


def test_files_are_answered_as_arrays_and_as_classify_does(stub, service: Service) -> None:
    raw, labels = outputs(stub.ModelInfer(request("BYTES", [2], elements(CONTENT, CONTENT))))
    typed, _ = outputs(stub.ModelInfer(request("BYTES", [1, 1], contents={"bytes_contents": [CONTENT]})))
    pixels = network_input_of(CONTENT, SIZE)[None].astype(np.float32)
    array, _ = outputs(stub.ModelInfer(array_request(pixels)))
    classify = classifier_pb2_grpc.ClassifierServiceStub(service.channel).Classify
    images = [classifier_pb2.ImageSource(content=CONTENT)]
    answer = classify(classifier_pb2.ClassifyRequest(model="parts", images=images)).classifications[0]
    expected = [answer.probabilities["defect"], answer.probabilities["good"]]
    for probabilities in (*raw, typed[0], array[0]):
        np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    assert labels == [answer.decision.encode()] * 2


def test_outputs_and_versions_are_chosen(stub) -> None:
    only = pb.ModelInferRequest.InferRequestedOutputTensor(name="label")
    response = stub.ModelInfer(array_request(IMAGES, outputs=[only], model_version="1"))
    assert [output.name for output in response.outputs] == ["label"]
    assert response.model_version == "1"


def nan_images() -> np.ndarray:
    images = IMAGES.copy()
    images[1, 2, 3, 0] = np.nan
    return images


WRONG = {
    "dtype": (request("INT64", [1, SIZE, SIZE, 3], b""), "inputs[0].datatype"),
    "no dtype": (request("", [1, SIZE, SIZE, 3], b""), "inputs[0].datatype"),
    "name": (array_request(IMAGES, input="picture"), "inputs"),
    "rank": (request("FP32", [SIZE, SIZE, 3], b""), "inputs[0].shape"),
    "rank of bytes": (request("BYTES", [1, 2], elements(CONTENT)), "inputs[0].shape"),
    "size": (array_request(np.zeros((1, 64, 64, 3))), "inputs[0].shape"),
    "channels": (array_request(np.zeros((1, SIZE, SIZE, 1))), "inputs[0].shape"),
    "negative shape": (request("FP32", [-1, SIZE, SIZE, 3], b""), "inputs[0].shape"),
    "no images": (request("FP32", [0, SIZE, SIZE, 3], b""), "inputs[0].shape"),
    "too many images": (request("BYTES", [257], elements(*[b"x"] * 257)), "images"),
    "shape beyond memory": (request("FP32", [2**40, SIZE, SIZE, 3], b""), "images"),
    "too few bytes": (request("FP32", [1, SIZE, SIZE, 3], b"\0" * 400), "raw_input_contents[0]"),
    "too few values": (request("FP32", [1, SIZE, SIZE, 3], contents={"fp32_contents": [1.0]}),
                       "inputs[0].contents.fp32_contents"),
    "no contents": (request("FP32", [1, SIZE, SIZE, 3]), "inputs[0].contents.fp32_contents"),
    "contents of another type": (request("FP32", [1, SIZE, SIZE, 3], contents={"int_contents": [1] * 3072}),
                                 "inputs[0].contents.fp32_contents"),
    "both contents": (request("BYTES", [1], elements(CONTENT), contents={"bytes_contents": [CONTENT]}),
                      "raw_input_contents"),
    "NaN": (array_request(nan_images()), "raw_input_contents[0]"),
    "infinite": (array_request(np.full((1, SIZE, SIZE, 3), np.inf)), "raw_input_contents[0]"),
    "beyond 255": (array_request(np.full((1, SIZE, SIZE, 3), 256)), "raw_input_contents[0]"),
    "element cut off": (request("BYTES", [1], elements(CONTENT)[:-1]), "raw_input_contents[0]"),
    "element's length beyond the data": (request("BYTES", [1], b"\xff\xff\xff\xff"), "raw_input_contents[0]"),
    "fewer elements than the shape": (request("BYTES", [2], elements(CONTENT)), "raw_input_contents[0]"),
    "more elements than the shape": (request("BYTES", [1], elements(CONTENT, CONTENT)), "raw_input_contents[0]"),
    "more typed elements": (request("BYTES", [1], contents={"bytes_contents": [CONTENT, CONTENT]}),
                            "inputs[0].contents"),
    "many elements of nothing": (request("BYTES", [1 << 22], bytes(4 << 22)), "images"),
    "no image": (request("BYTES", [2], elements(CONTENT, b"text")), "image[1]"),
    "unknown output": (array_request(IMAGES, outputs=[{"name": "logits"}]), "outputs[0]"),
    "output in shared memory": (array_request(IMAGES, outputs=[{"name": "label", "parameters": {
        "shared_memory_region": {"string_param": "there"}, "shared_memory_byte_size": {"int64_param": 64}}}]),
                                "outputs[0].parameters[shared_memory_region]"),
    "output as classification": (array_request(IMAGES, outputs=[{"name": "label"}, {"name": "probabilities",
        "parameters": {"classification": {"int64_param": 2}}}]), "outputs[1].parameters[classification]"),
    "scaled to 1": (array_request(IMAGES / 255), "raw_input_contents[0]"),
    "scaled to 1, typed": (request("FP32", list(IMAGES.shape), contents={"fp32_contents": (IMAGES / 255).ravel()}),
                           "inputs[0].contents.fp32_contents"),
    "scaled to 1 and said to be": (array_request(IMAGES / 255, parameters={"allow_dark": {"bool_param": False}}),
                                   "raw_input_contents[0]"),
    "a flag that is none": (array_request(IMAGES, parameters={"allow_dark": {"int64_param": 1}}),
                            "parameters[allow_dark]"),
    "no inputs": (pb.ModelInferRequest(model_name="parts"), "inputs"),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(WRONG))
def test_wrong_tensors_are_refused_by_field(kind: str, stub) -> None:
    wrong, field = WRONG[kind]
    error = fails(stub, wrong)
    assert isinstance(error, InvalidInput)
    assert list(error.fields) == [field]


def test_what_is_got_wrong_first_is_answered_with_what_would_be_right(stub) -> None:
    of_12_bits = fails(stub, array_request(np.full((1, SIZE, SIZE, 3), 4095)))
    assert "as a PNG or TIFF file, in a tensor of BYTES" in str(of_12_bits)
    channels_first = fails(stub, array_request(np.moveaxis(IMAGES, -1, 1)))
    assert f"[images, {SIZE}, {SIZE}, 3], the channels last" in str(channels_first)


def test_input_by_shared_memory_is_said_to_be_unsupported(stub) -> None:
    tensor = pb.ModelInferRequest.InferInputTensor(name="image", datatype="FP32", shape=[1, SIZE, SIZE, 3])
    tensor.parameters["shared_memory_region"].string_param = "there"
    tensor.parameters["shared_memory_byte_size"].int64_param = SIZE * SIZE * 12
    error = fails(stub, pb.ModelInferRequest(model_name="parts", inputs=[tensor]))
    assert isinstance(error, InvalidInput)
    assert "shared memory is not supported" in str(error)


def test_black_images_are_answered_when_they_are_said_to_be(stub, store: ObjectStore) -> None:
    card, network = load(store, "parts/2")
    black = np.zeros((1, SIZE, SIZE, 3), np.float32)
    black[0, 0, 0, 0] = 1  # the noise of a camera
    error = fails(stub, array_request(black))
    assert "values are 0 to 255" in str(error)
    assert "allow_dark" in str(error)
    answer, _ = outputs(stub.ModelInfer(array_request(black, parameters={"allow_dark": {"bool_param": True}})))
    wanted = card.rule.decide(network.model(black, training=False).numpy()).probabilities
    np.testing.assert_allclose(answer, wanted, atol=2e-5)
    beside = np.concatenate([black, IMAGES[:1]])  # a black one among others needs no word
    np.testing.assert_allclose(outputs(stub.ModelInfer(array_request(beside)))[0][:1], wanted, atol=2e-5)


@pytest.mark.parametrize("name", ["none", "other"])
def test_models_that_are_not_served_are_not_found(name: str, stub) -> None:
    assert isinstance(fails(stub, array_request(IMAGES, model_name=name)), NotFound)
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelMetadata(pb.ModelMetadataRequest(name=name))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("kind", list(pictures.good()))
def test_every_kind_of_file_is_answered(kind: str, stub) -> None:
    probabilities, _ = outputs(stub.ModelInfer(request("BYTES", [1], elements(pictures.good()[kind]))))
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", list(pictures.bad()))
def test_every_bad_file_is_refused(kind: str, stub) -> None:
    error = fails(stub, request("BYTES", [1], elements(pictures.bad()[kind])))
    assert isinstance(error, InvalidInput)
    assert list(error.fields) == ["image[0]"]


def test_metrics_tell_what_was_done(stub, service: Service, store: ObjectStore) -> None:
    store.put("shots/1.jpg", CONTENT)
    before = service.metrics()
    classify = classifier_pb2_grpc.ClassifierServiceStub(service.channel).Classify
    images = [classifier_pb2.ImageSource(uri=store.uri("shots/1.jpg"))]
    classify(classifier_pb2.ClassifyRequest(model="parts", images=images))
    stub.ModelInfer(request("BYTES", [2], elements(CONTENT, CONTENT)))
    fails(stub, WRONG["dtype"][0])
    fails(stub, array_request(IMAGES, model_name="none"))
    after = service.metrics()

    def grown(series: str) -> float:
        return after.get(series, 0) - before.get(series, 0)

    version = '{model="parts",version="2"}'
    counts = {part: grown(f"defectory_inference_{part}_seconds_count{version}") for part in
              ("fetch", "decode", "queue", "encode")}  # fmt: skip
    assert counts == {"fetch": 1, "decode": 3, "queue": 3, "encode": 2}
    for part in ("fetch", "decode", "queue", "compute", "encode"):
        assert 0 < grown(f"defectory_inference_{part}_seconds_sum{version}") < 60, part
    batches = grown(f"defectory_inference_batch_images_count{version}")
    assert batches in (2, 3)
    assert grown(f"defectory_inference_compute_seconds_count{version}") == batches
    assert grown(f"defectory_inference_batch_images_sum{version}") == 3
    assert after["defectory_inference_queue_images"] == 0
    for look in ("brightness", "sharpness"):
        assert grown(f"defectory_inference_{look}_count{version}") == 3
        unusual = f'defectory_inference_unusual_images_total{{model="parts",version="2",what="{look}"}}'
        assert after[unusual] == 0, "the card says nothing of its training's photographs"
    assert after[f"defectory_model_doubtful_expected{version}"] == 0.1
    calls = "/inference.GRPCInferenceService/ModelInfer"
    for code in ("OK", "INVALID_ARGUMENT", "NOT_FOUND"):
        assert grown(f'defectory_grpc_calls_total{{code="{code}",method="{calls}"}}') == 1, code
    assert grown(f'defectory_grpc_call_seconds_count{{method="{calls}"}}') == 3


def test_tritonclient_passes_as_it_is(service: Service, stub, tmp_path: Path) -> None:
    file = tmp_path / "image.jpg"
    file.write_bytes(CONTENT)
    command = [sys.executable, Path(__file__).with_name("triton_client.py"), service.address, "parts", file]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENT_S, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["live"], said["ready"], said["model_ready"], said["unknown_ready"]) == (True, True, True, False)
    assert said["server"]["name"] == "defectory"
    assert said["metadata"]["outputs"][0]["shape"] == ["-1", "2"]
    assert said["max_batch_size"] == 256
    assert said["id"] == "r1"
    wanted, labels = outputs(stub.ModelInfer(request("BYTES", [1], elements(CONTENT))))
    np.testing.assert_allclose(said["probabilities"], [wanted[0]] * 2, atol=1e-6)
    assert said["labels"] == [labels[0].decode()] * 2
    flat, _ = outputs(stub.ModelInfer(array_request(np.full((1, SIZE, SIZE, 3), 128))))
    np.testing.assert_allclose(said["array_probabilities"], flat, atol=1e-6)
    assert "inputs[0].shape" in said["refused"]
    assert "shared memory is not supported" in said["shared_memory_refused"]
    assert said["black_labels"] == ["defect"] or said["black_labels"] == ["good"]


PERF_ANALYZER = Path(sys.executable).with_name("perf_analyzer")  # tritonclient's wheel brings it
CUDART = Path(sysconfig.get_path("platlib")) / "nvidia/cuda_runtime/lib"
B64 = "libb64.so.0d"  # perf_analyzer is linked with it; no package has it. It is not called here: a stand-in may abort.
B64_FUNCTIONS = ("init_encodestate", "init_decodestate", "encode_block", "encode_blockend", "decode_block")


@pytest.fixture
def libraries(tmp_path: Path) -> str:
    """Folders with the libraries that perf_analyzer does not start without."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler (cc)")
    functions = "".join(f"void base64_{name}(void) {{ abort(); }}\n" for name in B64_FUNCTIONS)
    command = ["cc", "-shared", "-fPIC", "-o", tmp_path / B64, "-x", "c", "-"]
    subprocess.run(command, input=f"#include <stdlib.h>\n{functions}", text=True, check=True, timeout=PATIENT_S)
    return f"{tmp_path}:{CUDART}"


def test_perf_analyzer_drives_it(service: Service, tmp_path: Path, libraries: str) -> None:
    report = tmp_path / "report.csv"
    command = [PERF_ANALYZER, "-m", "parts", "-u", service.address, "-i", "grpc", "--input-data", "zero", "-p", "1000",
               "--request-parameter", "allow_dark:true:bool",
               "-s", "100000", "-f", report]  # fmt: skip  # it measures, however unsteady the machine
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENT_S, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    names, values = (line.split(",") for line in report.read_text().splitlines()[:2])
    assert float(dict(zip(names, values, strict=True))["Inferences/Second"]) > 0
