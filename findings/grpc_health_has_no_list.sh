#!/usr/bin/env bash
# grpcio-health-checking 1.85.1: reflection offers Health/List, and to call it puts a traceback into the server's log.
#
# grpc.health.v1 has three calls: Check, Watch and List. The package ships the messages and the stub of List, and
# reflection describes it, so one would guess that the package's HealthServicer answers. It does not: the generated base
# raises NotImplementedError, the client gets UNIMPLEMENTED, and every such call is logged as an exception of the server's.
# A dashboard that lists health fills the log with tracebacks, and alarms on them go off.
#
# Defectory's HealthServicer implements List over Check.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check grpcio-health-checking==1.85.1 grpcio-reflection==1.85.1 grpcio==1.85.1
cat > listed.py <<'PY'
import logging
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

logged = []
handler = logging.Handler()
handler.emit = logged.append
logging.getLogger("grpc").addHandler(handler)
logging.getLogger("grpc").propagate = False

server = grpc.server(ThreadPoolExecutor(4))
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
reflection.enable_server_reflection((health.SERVICE_NAME, reflection.SERVICE_NAME), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=health.SERVICE_NAME)
    answer = next(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked])))
    offered = b"List" in answer.file_descriptor_response.file_descriptor_proto[0]
    stub = health_pb2_grpc.HealthStub(channel)
    print("Check:", health_pb2.HealthCheckResponse.ServingStatus.Name(stub.Check(health_pb2.HealthCheckRequest()).status))
    try:
        stub.List(health_pb2.HealthListRequest())
        code = "OK"
    except grpc.RpcError as error:
        code = error.code().name
server.stop(0).wait()
print("reflection offers List:", offered, "- to call it gives", code, "- tracebacks logged:", sum(bool(x.exc_info) for x in logged))
assert offered and code == "UNIMPLEMENTED" and any(x.exc_info for x in logged), "the behaviour changed"
PY
venv/bin/python listed.py
echo "grpcio-health-checking 1.85.1: as described"
