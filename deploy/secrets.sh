#!/bin/sh
# Makes what a secured stack needs before it starts: credentials of the store, the token of the system's own parts, an
# authority and certificates. What is there already stays; the same command renews certificates that near their end.
# usage: deploy/secrets.sh compose        .env and certificates/, for docker compose
#        deploy/secrets.sh kubernetes     deploy/kubernetes/secrets/, for `kubectl apply --kustomize` of that folder
# DEFECTORY is the command line that makes certificates: without `make install`, that of the orchestrator's image.
set -eu
cd "$(dirname "$0")/.."
umask 077

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

certificates() {
  if [ -n "${DEFECTORY:-}" ]; then
    $DEFECTORY certs "$@"
  elif [ -x .venv/bin/defectory ]; then
    .venv/bin/defectory certs "$@"
  else
    folder=$1; shift
    docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD/$folder:/out" "${ORCHESTRATOR_IMAGE:-defectory-orchestrator}" \
      certs /out "$@"
  fi
}

case ${1:-} in
compose)
  if [ ! -e .env ]; then
    cp .env.example .env
    sed -i "s/^S3_SECRET_KEY=\$/S3_SECRET_KEY=$(random)/; s/^DEFECTORY_TOKEN=\$/DEFECTORY_TOKEN=$(random)/" .env
  fi
  mkdir -p certificates
  chmod 755 certificates
  [ -e certificates/tokens ] || : > certificates/tokens
  chmod 644 certificates/tokens
  certificates certificates --readable    # the containers are another user, 10001
  echo "then: docker compose up --detach"
  ;;
kubernetes)
  folder=deploy/kubernetes/secrets
  [ -e $folder/store.env ] || printf 'AWS_ACCESS_KEY_ID=defectory\nAWS_SECRET_ACCESS_KEY=%s\n' "$(random)" > $folder/store.env
  [ -e $folder/token.env ] || printf 'DEFECTORY_TOKEN=%s\n' "$(random)" > $folder/token.env
  [ -e $folder/tokens ] || : > $folder/tokens
  certificates $folder
  echo "a store of your own: put its credentials into $folder/store.env"
  echo "then: kubectl apply --kustomize $folder"
  ;;
*)
  sed -n '2,6s/^# //p' "$0" >&2
  exit 2
  ;;
esac
