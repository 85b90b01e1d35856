#!/usr/bin/env bash
# podman-compose 1.0.3, which Debian 12 has: ${NAME:-} in a compose file stays as these eight characters, even where NAME
# is set.
#
# One would guess an empty default to be a default: Docker Compose documents ${NAME:-default}, and an empty one is the
# usual way to say "may be left out". The pattern behind `rec_subs` wants at least one character after the dash, so the
# text is passed on as it stands, without a word: a container gets ${NAME:-} as its token, its password or its path, the
# same for everybody, and what was set in .env is not looked at. A default of one character works. 1.0.6 mends it.
#
# Defectory's compose files say ${NAME}, which is empty where nothing is set, in every version; a test holds them to it.
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
cat > substituted.py <<'PY'
import podman_compose

for text in ("${NAME:-}", "${NAME-}", "${NAME:-word}", "${NAME}"):
    print(text, *(repr(podman_compose.rec_subs(text, {**set_})) for set_ in ({}, {"NAME": "mine"})))
PY
seen() {  # VERSION
  python3 -m venv "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check "podman-compose==$1" PyYAML==6.0.3 python-dotenv==1.2.1
  "$1/bin/python" substituted.py
}
expected_of_1_0_3=$(cat <<'TEXT'
${NAME:-} '${NAME:-}' '${NAME:-}'
${NAME-} '${NAME-}' '${NAME-}'
${NAME:-word} 'word' 'mine'
${NAME} '' 'mine'
TEXT
)
expected_of_1_0_6=$(cat <<'TEXT'
${NAME:-} '' 'mine'
${NAME-} '' 'mine'
${NAME:-word} 'word' 'mine'
${NAME} '' 'mine'
TEXT
)
diff <(seen 1.0.3) <(echo "$expected_of_1_0_3")
diff <(seen 1.0.6) <(echo "$expected_of_1_0_6")
echo "as described: podman-compose 1.0.3 leaves \${NAME:-} as it is, set or not; 1.0.6 does not"
