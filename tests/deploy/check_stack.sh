#!/usr/bin/env bash
# Starts the stack of docker-compose.yml, runs a small line on drawn cables through it, and takes it down again.
# usage: COMPOSE="docker compose" tests/deploy/check_stack.sh          images must be built
# Without a registry: S3_IMAGE=defectory-test-s3 (tests/deploy/s3.Dockerfile) and S3_HEALTHCHECK="pidof weed".
set -euo pipefail
cd "$(dirname "$0")/../.."
compose=${COMPOSE:-docker compose}
work=$(mktemp -d)
export PHOTOS=$work SHARED=$work CERTIFICATES=$work COMPOSE_PROFILES=cpu,line S3_ACCESS_KEY=check S3_SECRET_KEY=check-$RANDOM$RANDOM
export DEFECTORY_TOKEN=check-$RANDOM$RANDOM
trap 'kill ${ticker:-} 2>/dev/null || true; $compose down --volumes --timeout 30 >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

.venv/bin/python -m orchestrator.cli.main certs "$work" --readable
: > "$work/tokens"
.venv/bin/python -m orchestrator.cli.main cables "$work/cables" --good 24 --defect 24 --seed 0 --json >/dev/null
cat > "$work/line.yaml" <<'YAML'
name: stack
allow_random_weights: true
data: {directory: cables, size_px: 32}
generator: {channel_base: 256, channel_max: 16, z_dim: 16, w_dim: 16, kimg: 0.16, batch: 8}
synthesis: {quota: 6, surplus: 1.5, max_rounds: 2}
filter: {policy: none}
classifier: {recipe: paper, width_multiplier: 0.35, head_units: 16, epochs: 2, learning_rate: 0.001, batch: 16, cycles: 2, initial_weights: random}
explain: {limit: 2}
YAML
chmod -R a+rX "$work"

case $compose in podman*)  # its health checks have no timer of their own where there is no systemd
  (while sleep 2; do for id in $(podman ps --quiet); do podman healthcheck run "$id" >/dev/null 2>&1; done; done) &
  ticker=$!
esac
$compose up --detach store generator classifier filter explainer
for service in generator:50051 classifier:50052 filter:50053 explainer:50054; do
  for attempt in $(seq 60); do
    $compose exec -T "${service%%:*}" python -m defectory.serving.probe "127.0.0.1:${service#*:}" && break
    [ "$attempt" = 60 ] && { $compose logs "${service%%:*}"; exit 1; }
    sleep 2
  done
  echo "${service%%:*} serves"
done
$compose run --rm --no-deps -T orchestrator run /photos/line.yaml --json > "$work/result.json"
cat "$work/result.json"
.venv/bin/python - "$work/result.json" <<'PY'
import json, sys
result = json.load(open(sys.argv[1]))
assert result["steps"]["ran"][-1] == "report", result
PY
$compose run --rm --no-deps -T orchestrator report stack --json | grep -q report.html
echo "the line ran through the stack"
