"""Planted secrets: whatever a service and the command line say, write or store, none of them is in it."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import grpc
import pytest
from google.longrunning import operations_pb2
from google.longrunning.operations_pb2_grpc import OperationsStub

from defectory.api.filter.v1 import filter_pb2, filter_pb2_grpc
from defectory.api.generator.v1 import generator_pb2, generator_pb2_grpc
from defectory.errors import InvalidInput
from defectory.serving.channel import open_channel
from defectory.serving.scopes import Scope
from defectory.serving.tokens import line_of
from defectory.storage import open_store
from defectory.storage.s3_settings import S3Settings
from tests.contract.running import ROOT, Service
from tests.patience import PATIENT_S

TOKEN, CAMERAS, KEY_ID, SECRET = ("planted-" + word for word in ("token", "cameras-token", "key-id", "s3-secret"))
PLANTED = (TOKEN, CAMERAS, KEY_ID, SECRET)


@pytest.fixture
def environ(s3_endpoint: str) -> dict[str, str]:
    """Of every process: moto takes whatever credentials it is given."""
    return {
        **os.environ, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET, "DEFECTORY_TOKEN": TOKEN,
        "DEFECTORY_S3_ENDPOINT": s3_endpoint,
    }  # fmt: skip


def command(environ: dict[str, str], *arguments: str) -> str:
    """All that a command says, whether it succeeds or not."""
    program = [sys.executable, "-m", "orchestrator.cli.main", *arguments]
    done = subprocess.run(program, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    return f"{done.returncode}\n{done.stdout}\n{done.stderr}"


def failing_calls(address: str) -> str:
    """What callers are told: those whom nobody knows, those who may not, those whose work fails."""
    heard = []
    for token in ("", "wrong", CAMERAS, TOKEN):
        with open_channel(address, token=token) as channel:
            sample, filters = (
                generator_pb2_grpc.GeneratorServiceStub(channel),
                filter_pb2_grpc.FilterServiceStub(channel),
            )
            operations = OperationsStub(channel)
            for call, request in (
                (sample.GetGenerator, generator_pb2.GetGeneratorRequest(model="bug")),
                (sample.GetGenerator, generator_pb2.GetGeneratorRequest(model="none")),
                (sample.Synthesize, generator_pb2.SynthesizeRequest(model="s3://elsewhere/x")),
                (filters.FilterImages, filter_pb2.FilterImagesRequest(manifest_uri="s3://elsewhere/x")),
                (operations.WaitOperation, operations_pb2.WaitOperationRequest(name="operations/none")),
            ):
                try:
                    heard.append(str(call(request, timeout=PATIENT_S)))
                except grpc.RpcError as error:
                    heard.append(f"{error} {error.trailing_metadata()}")
    return "\n".join(heard)


def test_no_secret_is_said_written_or_stored(environ: dict[str, str], s3_url: str, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(line_of("cameras", [Scope.CLASSIFY], CAMERAS) + "\n")
    log = tmp_path / "service.log"
    heard = []
    with (
        log.open("w") as file,
        Service(
            "tests.contract.sample_service", s3_url, "--tokens", f"{tmp_path}/tokens", environ=environ, log=file
        ) as service,
    ):
        heard.append(str(service.said))
        heard.append(failing_calls(service.address))
        url = f"http://127.0.0.1:{service.said['metrics_port']}/metrics"
        heard.append(urllib.request.urlopen(url).read().decode())
        heard.append(Path(f"/proc/{service.process.pid}/cmdline").read_bytes().decode())
    cables = str(tmp_path / "cables")
    heard.append(command(environ, "cables", cables, "--good", "6", "--defect", "6", "--seed", "0"))
    ingested = command(environ, "ingest", cables, "--name", "cables", "--store", s3_url, "--verbose")
    assert ingested.startswith("0\n"), ingested
    heard.append(ingested)
    unknown = (("classifier", "show", "none"), ("filter", "cables", "--judge", "none"))
    commands = (("doctor",), ("runs",), ("status",), *unknown)
    heard += [command(environ, *arguments, "--store", s3_url) for arguments in commands]
    refused = {**environ, "DEFECTORY_S3_ENDPOINT": f"http://{KEY_ID}:{SECRET}@127.0.0.1:1/x"}
    heard.append(command(refused, "runs", "--store", s3_url))
    heard.append(command(environ, "runs", "--store", f"s3://{KEY_ID}:{SECRET}@bucket/x"))
    store = open_store(s3_url, environ)
    heard += [store.get(info.key).decode(errors="replace") for info in store.list("")]
    everything = "\n".join([*heard, log.read_text()])
    assert "call failed" in log.read_text()
    assert "datasets/cables" in everything
    assert "secret detail" in everything  # the log has what the caller is not told
    assert [secret for secret in PLANTED if secret in everything] == []


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidInput, match=r"'http://…@host:1': use http://host:port") as caught:
        S3Settings.from_environment({"DEFECTORY_S3_ENDPOINT": f"http://user:{SECRET}@host:1"})
    assert SECRET not in str(caught.value)
    with pytest.raises(InvalidInput, match=r"'s3://…@bucket/x' is not a store") as caught:
        open_store(f"s3://user:{SECRET}@bucket/x")
    assert SECRET not in str(caught.value)
