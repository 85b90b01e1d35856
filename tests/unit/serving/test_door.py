"""Calls that hold places: who gives way to whom, what is refused without a message, what nobody can starve."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from defectory.api.generator.v1 import generator_pb2, generator_pb2_grpc
from defectory.serving import metrics
from defectory.serving.caller import GrpcCaller
from defectory.serving.door import HEALTH, STREAMS, Door
from defectory.serving.interceptors import CallInterceptor, TurnInterceptor
from defectory.serving.parsing import ParsingInterceptor
from defectory.serving.tokens import Tokens

GET = "/defectory.api.generator.v1.GeneratorService/GetGenerator"
CHECK = "/grpc.health.v1.Health/Check"
REFLECT = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
LONG_S = 60.0  # for what comes at once on a machine that has the time


def until(true: Callable[[], bool]) -> None:
    limit = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.01)


class Servicer(generator_pb2_grpc.GeneratorServiceServicer):
    """Works until it is let go, where it is asked for "work", or as long as its caller waits."""

    def __init__(self) -> None:
        self.working, self.ended, self.let_go = threading.Semaphore(0), threading.Semaphore(0), threading.Event()

    def GetGenerator(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.model == "work":
            self.working.release()
            self.let_go.wait(LONG_S)
        if request.model == "loop":
            self.working.release()
            try:
                for _ in GrpcCaller(context).each(iter(lambda: self.let_go.wait(0.01), True)):
                    pass
            finally:
                self.ended.release()
        return generator_pb2.GetGeneratorResponse()


@dataclass
class Running:
    """A server with a door in this process, and a caller of it."""

    servicer: Servicer
    door: Door
    server: grpc.Server
    channel: grpc.Channel
    silence: threading.Event = field(default_factory=threading.Event)

    def get(self, model: str = "", timeout_s: float = LONG_S) -> Any:
        request = generator_pb2.GetGeneratorRequest(model=model)
        return generator_pb2_grpc.GeneratorServiceStub(self.channel).GetGenerator.future(request, timeout=timeout_s)

    def work(self, count: int) -> list[Any]:
        """Calls that are at work."""
        calls = [self.get("work") for _ in range(count)]
        for _ in calls:
            assert self.servicer.working.acquire(timeout=LONG_S)
        return calls

    def silent(self, method: str = GET, count: int = 1) -> list[Any]:
        """Calls that send nothing, each begun before the next one."""
        return [self.channel.stream_unary(method).future(self._nothing(), timeout=LONG_S) for _ in range(count)]

    def silent_streams(self, count: int) -> list[Any]:
        return [self.channel.stream_stream(REFLECT)(self._nothing(), timeout=LONG_S) for _ in range(count)]

    def healthy(self) -> bool:
        answer = health_pb2_grpc.HealthStub(self.channel).Check(health_pb2.HealthCheckRequest(), timeout=LONG_S)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def _nothing(self) -> Iterator[bytes]:
        self.silence.wait(LONG_S)
        yield from ()


def serve(calls: int, silent_s: float, token: str = "", at_once: int = 100) -> Iterator[Running]:
    door, servicer = Door(Tokens(token) if token else None, calls, silent_s), Servicer()
    interceptors = [door, CallInterceptor(), TurnInterceptor(at_once), ParsingInterceptor()]
    server = grpc.server(door.threads, interceptors=interceptors)
    generator_pb2_grpc.add_GeneratorServiceServicer_to_server(servicer, server)
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(experimental_non_blocking=False), server)
    reflection.enable_server_reflection((health.SERVICE_NAME,), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(LONG_S)
        running = Running(servicer, door, server, channel)
        yield running
        servicer.let_go.set()
        running.silence.set()
    server.stop(0).wait()
    assert door.close(LONG_S)


@pytest.fixture
def patient() -> Iterator[Running]:
    """Four places, and nobody is sent away for being silent alone."""
    yield from serve(4, LONG_S)


@pytest.fixture
def impatient() -> Iterator[Running]:
    yield from serve(4, 0.3)


def code_of(call: Any) -> grpc.StatusCode:
    code: grpc.StatusCode = call.code()
    return code


def test_silent_calls_give_way_and_the_longest_silent_first(patient: Running) -> None:
    silent = []
    for _ in range(4):
        silent += patient.silent()
        time.sleep(0.1)  # in this order
    patient.get().result()
    assert code_of(silent[0]) is grpc.StatusCode.CANCELLED
    assert not any(call.done() for call in silent[1:])
    working = patient.work(4)
    assert {code_of(call) for call in silent} == {grpc.StatusCode.CANCELLED}
    patient.servicer.let_go.set()
    for call in working:
        call.result()


def test_many_silent_calls_hold_nothing(patient: Running) -> None:
    silent = patient.silent(count=50) + patient.silent(CHECK, 50)
    streams = patient.silent_streams(STREAMS + 20)
    for _ in range(20):
        assert patient.healthy()
        patient.get().result()
    assert not all(call.done() for call in (*silent, *streams))


def test_a_silent_call_has_a_time_limit(impatient: Running) -> None:
    calls = [*impatient.silent(), *impatient.silent(CHECK), *impatient.silent_streams(1)]
    assert [code_of(call) for call in calls] == [grpc.StatusCode.CANCELLED] * 3
    impatient.get().result()


def test_where_all_are_at_work_the_next_is_refused_before_its_message(patient: Running) -> None:
    patient.work(4)
    for call in (patient.get(), *patient.silent()):
        assert code_of(call) is grpc.StatusCode.RESOURCE_EXHAUSTED
        retry = error_details_pb2.RetryInfo()
        assert any(detail.Unpack(retry) for detail in rpc_status.from_call(call).details)
    assert patient.healthy()
    patient.servicer.let_go.set()
    until(lambda: code_of(patient.get()) is grpc.StatusCode.OK)


def test_a_place_is_free_again_behind_whatever_ended_its_call(patient: Running) -> None:
    for _ in range(3):
        for call in patient.silent(count=4):
            call.cancel()
        for model in ("", "loop", "loop"):
            call = patient.get(model, timeout_s=0.2)
            call.exception()
        with pytest.raises(grpc.RpcError):
            patient.channel.unary_unary(GET)(b"\xff", timeout=LONG_S)
    until(lambda: patient.door.close(0))


def test_without_the_token_neither_message_nor_thread_is_needed() -> None:
    for running in serve(2, LONG_S, token="secret"):
        before = metrics.CALLS.labels(GET, "UNAUTHENTICATED")._value.get()
        for call in running.silent(count=20):
            assert code_of(call) is grpc.StatusCode.UNAUTHENTICATED
            assert "Bearer" in call.details()
        for stream in running.silent_streams(3):
            assert code_of(stream) is grpc.StatusCode.UNAUTHENTICATED
        assert metrics.CALLS.labels(GET, "UNAUTHENTICATED")._value.get() == before + 20
        assert running.healthy()
        opened = running.channel.unary_unary(GET)
        opened(b"", timeout=LONG_S, metadata=[("authorization", "Bearer secret")])
        unknown = running.channel.unary_unary("/no/Method")
        with pytest.raises(grpc.RpcError) as caught:
            unknown(b"", timeout=LONG_S)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_health_is_not_starved_by_calls_nor_by_silent_callers_of_health(patient: Running) -> None:
    patient.work(4)
    patient.silent(CHECK, HEALTH + 4)
    stub = health_pb2_grpc.HealthStub(patient.channel)
    watches = [stub.Watch(health_pb2.HealthCheckRequest(), timeout=LONG_S) for _ in range(STREAMS)]
    for watch in watches:
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    assert code_of(stub.Watch(health_pb2.HealthCheckRequest(), timeout=LONG_S)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert patient.healthy()
    talk = reflection_pb2_grpc.ServerReflectionStub(patient.channel).ServerReflectionInfo
    assert len(list(talk(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=LONG_S))) == 1


def test_a_watch_may_be_silent_once_it_has_asked(impatient: Running) -> None:
    watch = health_pb2_grpc.HealthStub(impatient.channel).Watch(health_pb2.HealthCheckRequest(), timeout=LONG_S)
    next(watch)
    assert code_of(impatient.silent()[0]) is grpc.StatusCode.CANCELLED  # who came later and asked nothing
    time.sleep(0.5)
    assert not watch.done()
    watch.cancel()


def test_a_stream_is_open_as_long_as_its_caller_talks() -> None:
    for running in serve(4, 2.0):

        def requests(silence: threading.Event = running.silence) -> Iterator[reflection_pb2.ServerReflectionRequest]:
            for _ in range(30):
                yield reflection_pb2.ServerReflectionRequest(list_services="")
                time.sleep(0.1)
            silence.wait(LONG_S)

        stub = reflection_pb2_grpc.ServerReflectionStub(running.channel)
        stream = stub.ServerReflectionInfo(requests(), timeout=LONG_S)
        assert len([next(stream) for _ in range(30)]) == 30
        assert code_of(stream) is grpc.StatusCode.CANCELLED


def test_a_stream_of_too_much_ends_with_its_fault(patient: Running) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="x" * 200_000)
    stream = reflection_pb2_grpc.ServerReflectionStub(patient.channel).ServerReflectionInfo(iter([request]))
    assert code_of(stream) is grpc.StatusCode.INVALID_ARGUMENT


def test_turns_are_waited_for_no_longer_than_there_is_time() -> None:
    for running in serve(8, LONG_S, at_once=1):
        running.work(1)
        assert code_of(running.get(timeout_s=0.3)) is grpc.StatusCode.DEADLINE_EXCEEDED
        assert running.healthy()
        waiting = running.get()
        running.servicer.let_go.set()
        waiting.result()


@pytest.mark.parametrize("end", ["cancel", "deadline", "stop"])
def test_work_ends_with_its_caller_and_with_its_server(patient: Running, end: str) -> None:
    call = patient.get("loop", timeout_s=0.5 if end == "deadline" else LONG_S)
    assert patient.servicer.working.acquire(timeout=LONG_S)
    if end == "cancel":
        call.cancel()
    if end == "stop":
        patient.server.stop(0.1)
    assert patient.servicer.ended.acquire(timeout=LONG_S)


def test_a_door_says_whether_calls_are_at_work_behind_it(patient: Running) -> None:
    patient.work(1)
    assert not patient.door.close(0.1)
    patient.servicer.let_go.set()
    assert patient.door.close(LONG_S)


def test_a_request_is_counted_before_it_is_parsed_and_parsed_in_its_own_thread(
    patient: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def check(data: bytes, kind: Any) -> None:
        names.append(threading.current_thread().name)

    monkeypatch.setattr("defectory.serving.wire.check", check)
    patient.get().result()
    assert len(names) == 1
    assert names[0].startswith("call")


def test_what_is_no_message_is_invalid(patient: Running) -> None:
    for data in (b"\xff\xff", b"\x0a\x01\xff"):  # cut off; a string that is no UTF-8
        with pytest.raises(grpc.RpcError) as caught:
            patient.channel.unary_unary(GET)(data, timeout=LONG_S)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_call_without_any_message_is_told_so(patient: Running) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        patient.channel.stream_unary(GET)(iter(()), timeout=LONG_S)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
