"""Errors as statuses: of bounded size whatever they say, and the same error at the other end."""

import base64
from urllib.parse import quote

import grpc
import numpy as np
import pytest
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import ErrorInfo
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub

from defectory.errors import (
    DefectoryError,
    Exhausted,
    Expired,
    FailedPrecondition,
    InvalidInput,
    NotFound,
    Unavailable,
    WeightsMissing,
)
from defectory.serving.status import error_from_rpc, from_status, to_status

TRAILERS = 8192  # bytes that gRPC's clients take


@pytest.mark.parametrize("sign", ["x", "ä", "\U0001f529", "\udc80", "\0"])
def test_a_status_fits_into_the_trailers_whatever_the_error_repeats(sign: str) -> None:
    text = sign * 100_000
    error = InvalidInput(f"model {text}: use a name", {f"{text}{i}": f"{text}: use a name" for i in range(100)})
    status = to_status(error)
    assert len(quote(status.message)) + len(base64.b64encode(status.SerializeToString())) < TRAILERS
    arrived = from_status(status)
    assert isinstance(arrived, InvalidInput)
    assert str(arrived).startswith("model ")
    assert str(arrived).endswith(": use a name")
    assert arrived.fields
    assert all(right.endswith(": use a name") for right in arrived.fields.values())


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("127.0.0.1:1", "no server answers at 127.0.0.1:1 (Failed to connect to remote host: Connection refused): is "),
        ("[::1]:1", "no server answers at [::1]:1 ("),
        ("unix:/tmp/there-is-none", "no server answers at unix:/tmp/there-is-none (connect failed"),
        ("no.such.host.invalid:5", "no server answers at no.such.host.invalid:5 ("),
    ],
)
def test_a_server_that_is_not_there_is_named(target: str, said: str) -> None:
    with grpc.insecure_channel(target) as channel, pytest.raises(grpc.RpcError) as failed:
        HealthStub(channel).Check(HealthCheckRequest(), timeout=60)
    error = error_from_rpc(failed.value)
    assert isinstance(error, Unavailable)
    assert str(error).startswith(said), str(error)


def test_what_is_short_arrives_as_it_is() -> None:
    error = InvalidInput("größe 3: use 4", {"settings.größe": "use 4"})
    arrived = from_status(to_status(error))
    assert (str(arrived), arrived.fields) == (str(error), error.fields)


@pytest.mark.parametrize(
    "error",
    [
        WeightsMissing("no weights"), FailedPrecondition("it leaks"), Expired("too late"), Unavailable("away"),
        NotFound("images[1]: x is not there", {"images[1]": "x is not there"}), Exhausted("full", 2.5),
    ],
)  # fmt: skip
def test_an_error_is_of_the_same_kind_at_the_other_end(error: DefectoryError) -> None:
    arrived = from_status(to_status(error))
    assert type(arrived) is type(error)
    assert vars(arrived) == vars(error)
    assert str(arrived) == str(error)


def test_a_reason_counts_only_from_our_own_services_and_with_its_code() -> None:
    status = to_status(WeightsMissing("no weights"))
    status.code = code_pb2.NOT_FOUND
    assert type(from_status(status)) is NotFound
    foreign = to_status(FailedPrecondition("it leaks"))
    foreign.details[0].Pack(ErrorInfo(reason="WeightsMissing", domain="elsewhere"))
    assert type(from_status(foreign)) is FailedPrecondition
    foreign.code = code_pb2.DEADLINE_EXCEEDED
    assert type(from_status(foreign)) is Unavailable


class OutOfMemoryError(RuntimeError):
    """As torch names its own, which is not loaded here."""


@pytest.mark.parametrize(
    "error", [MemoryError(), np.exceptions.AxisError("x"), OutOfMemoryError("tried to allocate 2 GiB")]
)
def test_what_there_is_no_memory_for_is_told_as_exhausted(error: Exception) -> None:
    status = to_status(error)
    known = not isinstance(error, np.exceptions.AxisError)
    assert status.code == (code_pb2.RESOURCE_EXHAUSTED if known else code_pb2.INTERNAL)
    assert ("2 GiB" in status.message) == isinstance(error, OutOfMemoryError)


def test_an_array_beyond_all_memory_is_told_as_exhausted() -> None:
    with pytest.raises(MemoryError) as caught:
        np.empty(1 << 60, np.uint8)
    assert to_status(caught.value).code == code_pb2.RESOURCE_EXHAUSTED
