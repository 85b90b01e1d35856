"""How calls that end early are counted and logged: over a real channel, whatever the handler does meanwhile."""

import time
from collections.abc import Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from defectory.errors import Expired, InvalidInput
from defectory.serving import metrics
from defectory.serving.caller import GrpcCaller
from defectory.serving.interceptors import CallInterceptor
from tests.patience import PATIENT_S

Logs = list[MutableMapping[str, Any]]


def _until_gone(context: grpc.ServicerContext) -> None:
    while context.is_active():
        time.sleep(0.005)


def finishes(context: grpc.ServicerContext) -> bytes:
    _until_gone(context)
    return b"too late"


def looks_at_the_time(context: grpc.ServicerContext) -> bytes:
    caller = GrpcCaller(context)
    _until_gone(context)
    if caller.remaining_s() == 0:
        raise Expired("it passed")
    return b""


def takes_it_for_expired(context: grpc.ServicerContext) -> bytes:
    _until_gone(context)
    raise Expired("it passed")


def finds_a_fault(context: grpc.ServicerContext) -> bytes:
    _until_gone(context)
    raise InvalidInput("wrong")


HANDLERS = (finishes, looks_at_the_time, takes_it_for_expired, finds_a_fault)


@pytest.fixture
def channel() -> Iterator[grpc.Channel]:
    handlers = {
        one.__name__: grpc.unary_unary_rpc_method_handler(lambda _, context, one=one: one(context)) for one in HANDLERS
    }
    server = grpc.server(ThreadPoolExecutor(4), interceptors=[CallInterceptor()])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(60)
        yield channel
    server.stop(0).wait()


def counted(method: str, code: str) -> float:
    return metrics.CALLS.labels(method, code)._value.get()


def counted_as(method: str, code: str, end: Callable[[], None]) -> Logs:
    """What is logged when a call has ended so and was counted with the code, and with no other."""
    before = {other: counted(method, other) for other in ("OK", "CANCELLED", "DEADLINE_EXCEEDED", "INVALID_ARGUMENT")}
    with capture_logs() as logs:
        end()
        limit = time.monotonic() + PATIENT_S
        while sum(counted(method, other) for other in before) == sum(before.values()):
            assert time.monotonic() < limit
            time.sleep(0.01)
    assert {other: counted(method, other) - count for other, count in before.items()} == dict.fromkeys(before, 0) | {
        code: 1
    }
    return list(logs)


@pytest.mark.parametrize("handler", HANDLERS[:3])
@pytest.mark.parametrize("timeout_s", [None, 60])
def test_a_cancelled_call_counts_and_logs_as_cancelled(
    channel: grpc.Channel, handler: Callable[..., bytes], timeout_s: float | None
) -> None:
    method = f"/test/{handler.__name__}"

    def end() -> None:
        call = channel.unary_unary(method).future(b"", timeout=timeout_s)
        time.sleep(0.2)  # it is on its way or there: both are cancelled calls
        call.cancel()

    (line,) = counted_as(method, "CANCELLED", end)
    assert (line["method"], line["code"]) == (method, "CANCELLED")


@pytest.mark.parametrize("handler", HANDLERS[:3])
def test_a_deadline_that_passed_is_no_cancellation(channel: grpc.Channel, handler: Callable[..., bytes]) -> None:
    method = f"/test/{handler.__name__}"

    def end() -> None:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(method)(b"", timeout=0.4)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED

    (line,) = counted_as(method, "DEADLINE_EXCEEDED", end)
    assert line["code"] == "DEADLINE_EXCEEDED"


def test_a_fault_stays_what_it_is_when_the_caller_has_gone(channel: grpc.Channel) -> None:
    method = "/test/finds_a_fault"

    def end() -> None:
        call = channel.unary_unary(method).future(b"")
        time.sleep(0.2)
        call.cancel()

    (line,) = counted_as(method, "INVALID_ARGUMENT", end)
    assert line["error"] == "wrong"
