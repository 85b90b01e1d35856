#!/usr/bin/env bash
# grpc.server(ThreadPoolExecutor(n)) of grpcio 1.85.1: which thread waits for a request, and which one parses it.
#
# One would guess that a thread of the pool is taken when a request is there, and that it parses it. Instead
# - a call of a unary method takes a thread when it begins, and holds it until its message comes: with one thread, a
#   caller who sends his message a second late keeps everybody else waiting, also those whom an interceptor refuses, since
#   the refusing handler waits for a message first. maximum_concurrent_rpcs counts such calls and refuses the others;
# - the function that parses (request_deserializer) runs in the one thread that receives every event of the server: while
#   it works, no other call is heard, however many threads are free.
# It matters where a service promises an answer (health) while others are slow or send much. Ours takes unary calls in as
# streams, in threads of which the silent give way, refuses in no thread, and parses in the call's own thread
# (docs/decisions/0016-what-callers-can-hold.md).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet grpcio==1.85.1
cat > "$folder/look.py" <<'PY'
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

LATE_S = 1.0


def parse(data):
    if data == b"slow":
        threads.append(threading.current_thread().name)
        time.sleep(LATE_S)  # other Python threads may run meanwhile
    return data


class Methods(grpc.GenericRpcHandler):
    def service(self, details):
        answer = lambda request, context: b"answer"
        if details.method == "/s/Refused":
            answer = lambda request, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
        return grpc.unary_unary_rpc_method_handler(answer, parse)


def served(threads, **more):
    server = grpc.server(ThreadPoolExecutor(threads), handlers=(Methods(),), **more)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    grpc.channel_ready_future(channel).result(30)
    channel.unary_unary("/s/Any")(b"warm")
    return server, channel


def late(channel, method="/s/Any"):
    """A call whose one message comes late; its begin is sent at once."""
    def message():
        time.sleep(LATE_S)
        yield b"late"

    call = channel.stream_unary(method).future(message())
    time.sleep(0.2)
    return call


def timed(channel, method="/s/Any"):
    began = time.monotonic()
    try:
        channel.unary_unary(method)(b"quick", timeout=30)
        code = "OK"
    except grpc.RpcError as error:
        code = error.code().name
    return code, time.monotonic() - began


print("grpcio", grpc.__version__)
seen = {}
threads = []

server, channel = served(1)
call = late(channel)
seen["another call, while a message is late (1 thread)"] = timed(channel)
call.result()
call = late(channel, "/s/Refused")
seen["another call, while a message is late that will be refused (1 thread)"] = timed(channel)
call.exception()
server.stop(0).wait()

server, channel = served(8, maximum_concurrent_rpcs=1)
time.sleep(0.2)
call = late(channel)
seen["another call, while a message is late (8 threads, maximum_concurrent_rpcs=1)"] = timed(channel)
call.result()
server.stop(0).wait()

server, channel = served(8)
call = channel.unary_unary("/s/Any").future(b"slow")
time.sleep(0.2)
seen["another call, while a request is parsed (8 threads)"] = timed(channel)
call.result()
server.stop(0).wait()

for what, (code, seconds) in seen.items():
    print(f"{what}: {code} after {seconds:.2f} s")
print("parsed in:", threads)

(held, _), (refused, _), (counted, _), (parsed, _) = seen.values()
held_s, refused_s, counted_s, parsed_s = (seconds for _, seconds in seen.values())
as_seen = (
    (held, refused, counted, parsed) == ("OK", "OK", "RESOURCE_EXHAUSTED", "OK")
    and min(held_s, refused_s, parsed_s) > 0.5
    and counted_s < 0.5
    and all("(_serve)" in name for name in threads)
)
sys.exit(0 if as_seen else "the behaviour has changed")
PY
"$folder/venv/bin/python" "$folder/look.py"
