"""The package for callers: built from this tree, installed beside grpcio and protobuf alone, against a real server."""

import ast
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.bundle import put_classifier
from defectory.serving.channel import LOOK_AGAIN_MS, SERVERS
from defectory.storage import open_store
from tests.contract.running import ROOT, Service

NEEDED = ("grpc", "google/protobuf", "google/_upb", "typing_extensions.py")  # of grpcio and protobuf


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make client` builds it, without asking a registry for the builder."""
    source = tmp_path_factory.mktemp("client")
    shutil.copytree(ROOT / "client", source / "client", ignore=shutil.ignore_patterns("protos.binpb", "build"))
    run(sys.executable, str(source / "client/collect_protos.py"), PYTHONPATH=str(ROOT))
    run(
        sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index",
        "--wheel-dir", str(source), str(source / "client"),
    )  # fmt: skip
    (built,) = source.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has grpcio, protobuf and the wheel, and nothing else."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    ours = Path(find_spec("grpc").origin).parents[1]  # type: ignore[union-attr, arg-type]
    for name in NEEDED:
        (packages / name).parent.mkdir(exist_ok=True)
        (packages / name).symlink_to(ours / name)
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(packages), wheel)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    store = open_store(f"file://{tmp_path_factory.mktemp('store')}")
    put_classifier(store, "screws")
    with Service("services.classifier", store.url) as running:
        yield running


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "part.png")
    return tmp_path / "part.png"


def run(*command: str | Path, **environ: str) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, env={**os.environ, **environ}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ASK = """
import json, sys
from defectory_client import Client, Failed
with Client(sys.argv[1]) as client:
    client.wait_until_ready(60)
    answer = client.classify("screws", sys.argv[2])
    several = client.classify_all("screws/1", [open(sys.argv[2], "rb").read()] * 2)
    assert several == [answer, answer], several
    try:
        client.classify("bolts", sys.argv[2])
    except Failed as failed:
        said = [failed.code, str(failed)]
print(json.dumps({**vars(answer), "said": said}))
"""


def test_it_asks_a_server_with_nothing_else_installed(python: Path, service: Service, picture: Path) -> None:
    answer = json.loads(run(python, "-I", "-c", ASK, service.address, picture))
    assert set(answer["probabilities"]) == {"defect", "good"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
    assert answer["rejected"] == (answer["decision"] == "defect") == (answer["probabilities"]["defect"] >= 0.3)
    assert answer["model"] == "screws/1"
    assert answer["said"][0] == "NOT_FOUND"
    assert "bolts" in answer["said"][1]


@pytest.mark.parametrize("first", ["ours", "another version's"])
def test_it_stands_beside_the_whole_of_defectory_in_one_process(
    python: Path, service: Service, picture: Path, first: str
) -> None:
    """Their files of protos have the same names, and in another version other contents."""
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    changed = """
from google.protobuf import descriptor_pool, descriptor_pb2
descriptor_pool.Default().AddSerializedFile(descriptor_pb2.FileDescriptorProto(
    name="defectory/api/inference/v2/open_inference.proto", package="inference",
    message_type=[descriptor_pb2.DescriptorProto(name="ServerReadyRequest")]).SerializeToString())
"""
    ours = "from defectory.api.classifier.v1 import classifier_pb2_grpc\n"
    code = (ours if first == "ours" else changed) + ASK
    environ = {"PYTHONPATH": f"{ROOT}{os.pathsep}{packages}"}
    assert json.loads(run(sys.executable, "-c", code, service.address, picture, **environ))["model"] == "screws/1"


def test_what_a_caller_gets_wrong_first_is_said(python: Path) -> None:
    code = """
import array
from defectory_client import Client
client = Client("127.0.0.1:9", timeout_s=1)
for wrong in (memoryview(bytes(12)).cast("B", (2, 2, 3)), array.array("B", b"123"), None):
    try:
        client.classify("screws", wrong)
    except TypeError as error:
        print(error)
"""
    said = run(python, "-I", "-c", code).splitlines()
    assert len(said) == 3
    assert all("cv2.imencode('.png', array)[1].tobytes()" in line and "BGR" in line for line in said)


def test_it_spreads_its_calls_as_our_own_channels_do() -> None:
    tree = ast.parse((ROOT / "client/defectory_client/client.py").read_text())
    constants = {n.targets[0].id: n.value for n in tree.body if isinstance(n, ast.Assign)}  # type: ignore[attr-defined]
    names = {name: ast.literal_eval(constants[name]) for name in ("CLASSIFIER", "INFERENCE", "LOOK_AGAIN_MS")}
    theirs = eval(ast.unparse(constants["SERVERS"]), {"__builtins__": {}}, names)
    ours = json.loads(json.dumps(SERVERS))
    asked = ours["methodConfig"][0]["name"]
    ours["methodConfig"][0]["name"] = [one for one in asked if one.get("method") != "Explain"]  # not its business
    assert theirs == ours
    assert names["LOOK_AGAIN_MS"] == LOOK_AGAIN_MS
