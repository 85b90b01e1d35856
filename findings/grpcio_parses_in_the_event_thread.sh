#!/usr/bin/env bash
# grpc.server(ThreadPoolExecutor(n)) of grpcio 1.85.1: no thread of the pool parses a request.
#
# One would guess that the thread that answers a call also turns its bytes into a message. Instead the function that
# parses (request_deserializer) runs in the one thread that receives every event of the server: while it works, no other
# call is heard, however many threads are free. It matters where messages are large, or where a service promises an
# answer (health) while others send much.
#
# Defectory's servers take bytes in, and parse them in the call's own thread (docs/decisions/0016-what-callers-can-hold.md).
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check grpcio==1.85.1
cat > look.py <<'PY'
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

parsing_s, parsed_in, answered_in = 1.0, [], []


def parse(data):
    if data == b"large":  # stands for a message that takes long to parse; other Python threads run meanwhile
        parsed_in.append(threading.current_thread().name)
        time.sleep(parsing_s)
    return data


class Methods(grpc.GenericRpcHandler):
    def service(self, details):
        def answer(request, context):
            answered_in.append(threading.current_thread().name)
            return b"answer"

        return grpc.unary_unary_rpc_method_handler(answer, parse)


server = grpc.server(ThreadPoolExecutor(8, thread_name_prefix="pool"), handlers=(Methods(),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    call = channel.unary_unary("/s/Any")
    call(b"warm", wait_for_ready=True)
    large = call.future(b"large")
    time.sleep(0.2)
    began = time.monotonic()
    call(b"small")
    waited_s = time.monotonic() - began
    large.result()
server.stop(0).wait()

print("grpcio", grpc.__version__, "- 8 threads, 7 of them free")
print("parsed in:  ", parsed_in)
print("answered in:", sorted(set(answered_in)))
print(f"a small call waited {waited_s:.2f} s while a large one was parsed")
as_seen = waited_s > 0.5 and not parsed_in[0].startswith("pool") and all(name.startswith("pool") for name in answered_in)
sys.exit(0 if as_seen else "the behaviour has changed")
PY
venv/bin/python look.py
