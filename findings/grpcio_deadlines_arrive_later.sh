#!/usr/bin/env bash
# grpcio 1.85.1: a client's deadline reaches the server up to 1% later, so that its end looks like a cancellation there.
#
# One would guess that both ends have the same deadline, and that a server tells a caller who ran out of time from one who
# has cancelled by looking whether time is left. The timeout travels in three digits at most and is rounded up (101 s become
# 102 s, 10.01 s become 10.1 s). The client gives up by its own clock and resets the call; the server's handler then sees a
# call that is not active any more with time left, which is what a cancelled call looks like.
#
# Defectory counts a caller who went within 2% (at least 0.05 s) of the deadline as expired, and any other as cancelled.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check grpcio==1.85.1
cat > deadlines.py <<'PY'
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

arrived, ended = [], []


def handle(request, context):
    arrived.append(context.time_remaining())
    while request == b"wait" and context.is_active():
        time.sleep(0.001)
    ended.append((context.is_active(), context.time_remaining()))
    return b""


server = grpc.server(ThreadPoolExecutor(2))
handlers = {"m": grpc.unary_unary_rpc_method_handler(handle)}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
call = grpc.insecure_channel(f"127.0.0.1:{port}").unary_unary("/test/m")
call(b"")  # connects
for timeout in (101.0, 1001.0):
    call(b"", timeout=timeout)
    print(f"client: {timeout:g} s, at the server: {arrived[-1]:.2f} s")
    assert arrived[-1] > timeout, "the behaviour changed"
try:
    call(b"wait", timeout=10.01)
except grpc.RpcError as error:
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
limit = time.monotonic() + 60
while len(ended) < 4 and time.monotonic() < limit:
    time.sleep(0.01)
active, left = ended[-1]
print(f"client: DEADLINE_EXCEEDED after 10.01 s; at the server: active {active}, {left:.3f} s left")
assert not active and left > 0, "the behaviour changed"
server.stop(0).wait()
PY
venv/bin/python deadlines.py
echo "grpcio 1.85.1: as described"
