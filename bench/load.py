"""Callers at work: `python -m bench.load KIND ADDRESS FILE CALLERS SECONDS RATE` prints one JSON object.

CALLERS 0 is a single one that blocks until it is answered, with nothing between it and its socket.

KIND is grpc-bytes, grpc-fp32 (Open Inference Protocol) or an HTTP path with the upload's field, as `/predict:request`.
FILE holds the image. RATE 0: every caller calls again as soon as it is answered; else calls a second, by the clock: a
call's time counts from when it was due.
"""

import asyncio
import json
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from http.client import HTTPResponse
from pathlib import Path

import grpc
import numpy as np

from defectory.api.inference.v2 import open_inference_pb2 as pb
from defectory.imaging import network_input_of

WARM_S = 1.0
Call = Callable[[], Awaitable[None]]


def inference_request(kind: str, *contents: bytes) -> bytes:
    """A ModelInferRequest for images, serialised."""
    if kind == "grpc-bytes":
        tensor = pb.ModelInferRequest.InferInputTensor(name="image", datatype="BYTES", shape=[len(contents)])
        raw = b"".join(len(content).to_bytes(4, "little") + content for content in contents)
    else:
        shape = [len(contents), 224, 224, 3]
        tensor = pb.ModelInferRequest.InferInputTensor(name="image", datatype="FP32", shape=shape)
        raw = b"".join(network_input_of(content, 224).astype("<f4").tobytes() for content in contents)
    request = pb.ModelInferRequest(model_name="bench", inputs=[tensor], raw_input_contents=[raw])
    return request.SerializeToString()


async def grpc_caller(address: str, request: bytes) -> Call:
    """A caller; all share a connection, as gRPC does of itself in one process."""
    channel = grpc.aio.insecure_channel(address)
    infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    async def call() -> None:
        answer = await infer(request)
        if len(answer) < 20:
            raise ValueError(answer)

    return call


def upload(address: str, path: str, field: str, content: bytes) -> bytes:
    """An HTTP request that uploads a file."""
    boundary = "bench-boundary"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    body = head + content + f"\r\n--{boundary}--\r\n".encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: keep-alive\r\n\r\n"
    ).encode() + body


async def http_caller(address: str, request: bytes) -> Call:
    """A caller with a connection of its own."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))

    async def call() -> None:
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        answer = await reader.readexactly(length)
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise ValueError(answer)

    return call


def grpc_blocking(address: str, request: bytes) -> Callable[[], None]:
    """A lone caller."""
    infer = grpc.insecure_channel(address).unary_unary("/inference.GRPCInferenceService/ModelInfer")

    def call() -> None:
        answer = infer(request)
        if len(answer) < 20:
            raise ValueError(answer)

    return call


def http_blocking(address: str, request: bytes) -> Callable[[], None]:
    """A lone caller."""
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call() -> None:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(body)

    return call


def measure_lone(call: Callable[[], None], seconds: float) -> dict[str, float]:
    """Times in milliseconds of a caller that does nothing else."""
    times: list[float] = []
    begun, start = 0.0, time.perf_counter() + WARM_S
    while begun < start + seconds:
        begun = time.perf_counter()
        call()
        if begun >= start:
            times.append(time.perf_counter() - begun)
    p50, p99 = np.percentile(times, [50, 99]) * 1e3
    return {"rate": len(times) / seconds, "p50": p50, "p99": p99}


async def measure(make: Callable[[], Awaitable[Call]], callers: int, seconds: float, rate: float) -> dict[str, float]:
    """Calls a second, times in milliseconds, the callers' core time a call, calls with the warming up."""
    calls = [await make() for _ in range(callers)]
    begin_cpu, answered = time.process_time(), [0]
    start = time.perf_counter() + WARM_S
    end = start + seconds
    times: list[float] = []
    due = iter(start - WARM_S + number / rate for number in range(10**9)) if rate else None

    async def work(call: Call) -> None:
        while (begun := time.perf_counter()) < end:
            if due is not None:
                begun = next(due)
                await asyncio.sleep(max(0, begun - time.perf_counter()))
            await call()
            answered[0] += 1
            now = time.perf_counter()
            if begun >= start and now <= end + (seconds if rate else 0):
                times.append(now - begun)

    await asyncio.gather(*(work(call) for call in calls))
    p50, p99 = np.percentile(times, [50, 99]) * 1e3
    core_ms = (time.process_time() - begin_cpu) * 1e3 / answered[0]
    return {"rate": len(times) / seconds, "p50": p50, "p99": p99, "core_ms": core_ms, "answered": answered[0]}


def main() -> None:
    """Measure as the command line says."""
    kind, address, file, callers, seconds, rate = sys.argv[1:]
    content = Path(file).read_bytes()
    make, blocking = (grpc_caller, grpc_blocking) if kind.startswith("grpc") else (http_caller, http_blocking)
    if kind.startswith("grpc"):
        request = inference_request(kind, content)
    else:
        path, _, field = kind.partition(":")
        request = upload(address, path, field, content)
    if int(callers):
        figures = asyncio.run(measure(lambda: make(address, request), int(callers), float(seconds), float(rate)))
    else:
        figures = measure_lone(blocking(address, request), float(seconds))
    print(json.dumps(figures))  # noqa: T201 - a script's answer


if __name__ == "__main__":
    main()
