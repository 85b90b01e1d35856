#!/usr/bin/env bash
# minio 7.2.20 (the SDK for Python): a condition that is given to `put_object` never reaches the server, so two writers with
# "If-None-Match: *" both write, and the second one wins.
#
# `put_object` takes no headers. The only place where one can put them is `metadata`, of which the SDK knows some as real headers
# (Content-Type, Cache-Control, …); all others it sends as "x-amz-meta-…". So the condition is stored as a note beside the object
# and nothing is refused. The server knows the condition well: a presigned PUT with the same header gets 412.
#
# Defectory writes what must be first by a presigned PUT (defectory/storage/s3.py), and asks a store at its start whether it
# keeps the promise.
set -euo pipefail
folder=$(mktemp -d) && trap 'kill $server 2>/dev/null || true; rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check minio==7.2.20 "moto[s3,server]==5.2.5" urllib3==2.8.0
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
venv/bin/python -m moto.server -H 127.0.0.1 -p "$port" > server.log 2>&1 &
server=$!
cat > writers.py <<'PY'
import io
import socket
import sys
import time
from datetime import timedelta

import urllib3
from minio import Minio

port = int(sys.argv[1])
for _ in range(300):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        break
    except OSError:
        time.sleep(0.2)
client = Minio(f"127.0.0.1:{port}", access_key="test", secret_key="test", secure=False, region="us-east-1")
client.make_bucket("bucket")
for writer in (b"first", b"second"):
    client.put_object("bucket", "owner", io.BytesIO(writer), len(writer), metadata={"If-None-Match": "*"})
stored = client.get_object("bucket", "owner")
kept = client.stat_object("bucket", "owner").metadata
notes = {name: kept[name] for name in kept if name.lower().startswith("x-amz-meta")}
content = stored.read()
print("both writers were let in; what is there:", content, "with", notes)
assert content == b"second" and [name.lower() for name in notes] == ["x-amz-meta-if-none-match"]
address = client.presigned_put_object("bucket", "owner", expires=timedelta(minutes=1))
refused = urllib3.PoolManager().request("PUT", address, body=b"third", headers={"If-None-Match": "*"})
print("a presigned PUT with the header:", refused.status)
assert refused.status == 412
PY
venv/bin/python writers.py "$port"
